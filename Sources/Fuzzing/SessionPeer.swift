import Bytes
import Crypto
import Session

/// A session, and at the other end of its connection a peer that knows the keys and says what the
/// fuzzer wants.
struct SessionPeer {
  private static let own = Ed25519.KeyPair(seed: Sha256.hash([1]))
  static let other = Ed25519.KeyPair(seed: Sha256.hash([2]))

  static func session(isInitiator: Bool) -> SessionMachine {
    var limits = SessionLimits()
    limits.rekeyInterval = 16
    limits.queuedBytes = 4096
    return try! SessionMachine(
      role: isInitiator ? .initiator : .responder, identity: own,
      expectedPeer: isInitiator ? other.publicKey : nil, ephemeral: Sha256.hash([3]),
      nowMs: 1000, limits: limits)
  }

  var session: SessionMachine
  /// All that the peer sent.
  private(set) var sent: [UInt8] = []
  private var seal = CipherState(key: .zero, rekeyInterval: 16)
  private var open = CipherState(key: .zero, rekeyInterval: 16)
  private var nowMs: UInt64 = 1000
  private var inbound: [UInt8] = []
  private var granted: [UInt32: Int] = [:]

  /// Goes through an honest handshake.
  init(sessionIsInitiator: Bool) {
    session = SessionPeer.session(isInitiator: sessionIsInitiator)
    var noise = try! NoiseHandshake(
      role: sessionIsInitiator ? .responder : .initiator,
      staticSecret: SessionPeer.other.agreementSecret,
      remoteStatic: try! Ed25519.agreementKey(of: SessionPeer.own.publicKey),
      ephemeralSecret: Sha256.hash([4]), prologue: SessionMachine.prologue)
    var received: [UInt8] = []
    func take() -> [UInt8] {
      while case .transmit(let bytes)? = session.nextEffect() { received += bytes }
      let length = Int(received[0]) << 8 | Int(received[1])
      defer { received.removeFirst(2 + length) }
      return Array(received[2..<(2 + length)])
    }
    func give(_ message: [UInt8]) {
      let framed = [UInt8(message.count >> 8), UInt8(message.count & 255)] + message
      sent += framed
      session.received(framed, nowMs: 1000)
    }
    if sessionIsInitiator {
      _ = try! noise.readMessage(take())
      give(try! noise.writeMessage(payload: []))
      _ = try! noise.readMessage(take())
    } else {
      give(try! noise.writeMessage(payload: []))
      _ = try! noise.readMessage(take())
      give(try! noise.writeMessage(payload: []))
    }
    (seal, open) = noise.split(rekeyInterval: 16)
    // Session.SessionMachine.proof: what an end signs.
    let proof =
      Array("zennet/1 session identity".utf8) + [sessionIsInitiator ? 2 : 1]
      + noise.handshakeHash.array
    transmit(
      type: 0, stream: 0,
      payload: SessionPeer.other.publicKey.array + SessionPeer.other.sign(proof))
    inbound = received
  }

  private mutating func transmit(type: UInt8, stream: UInt32, payload: [UInt8]) {
    var frame: [UInt8] = [0, 0, type]
    for shift in [UInt32(0), 8, 16, 24] { frame.append(UInt8(truncatingIfNeeded: stream >> shift)) }
    frame += payload
    try! seal.seal(&frame, from: 2)
    frame[0] = UInt8((frame.count - 2) >> 8)
    frame[1] = UInt8((frame.count - 2) & 255)
    sent += frame
    session.received(frame, nowMs: nowMs)
  }

  /// One frame of the peer, or one thing that the level above does.
  mutating func step(_ input: inout FuzzInput) {
    switch input.below(16) {
    case 0...7:
      let type = input.below(12)
      let stream = UInt32(input.u8()) | UInt32(input.u8()) << 24
      transmit(type: UInt8(type), stream: stream, payload: Array(input.piece().prefix(65_514)))
    case 8:
      _ = session.open(
        StreamOpening(kind: .fileIn, sendOffset: UInt64.max - UInt64(input.u8())),
        window: input.u16())
    case 9: _ = session.grant(chosen(&input), bytes: input.u16() << 8)
    case 10: _ = session.send(chosen(&input), [UInt8](repeating: 7, count: input.u16()))
    case 11: session.endStream(chosen(&input))
    case 12: session.resetStream(chosen(&input))
    case 13: _ = session.sendControl([UInt8](repeating: 8, count: input.u16()))
    case 14:
      nowMs += UInt64(input.u16()) << 2
      session.tick(nowMs: nowMs)
    default:
      if input.below(4) == 0 { session.close() } else { session.transportIsBlocked.toggle() }
    }
  }

  private func chosen(_ input: inout FuzzInput) -> StreamId {
    let ids = session.openStreams
    let choice = input.below(17)
    return choice < ids.count ? ids[choice] : StreamId(raw: UInt32(choice))
  }

  /// Takes the effects, and reads what the session sends.
  mutating func drain() throws(FuzzFinding) {
    var count = 0
    while let effect = session.nextEffect() {
      count += 1
      try require(count < 5000, "effects come to an end")
      if case .transmit(let bytes) = effect { try read(bytes) }
    }
    try require(session.openStreams.count <= 32, "streams are bounded")
    for id in session.openStreams { _ = session.opening(of: id) }
    let bound = 65_537 + 65_536 + 256 * 1024 + 32 * 4096
    try require(session.bufferedBytes <= bound, "what waits is bounded")
    if session.isOver { try require(session.nextDeadlineMs == nil, "the dead have no deadline") }
  }

  private mutating func read(_ bytes: [UInt8]) throws(FuzzFinding) {
    inbound += bytes
    while inbound.count >= 2 {
      let length = Int(inbound[0]) << 8 | Int(inbound[1])
      if inbound.count < 2 + length { break }
      do { try open.open(&inbound, range: 2..<(2 + length)) } catch {
        throw FuzzFinding(broken: "what is sent can be opened")
      }
      try require(inbound[2] <= 10, "frames that are sent have a known type")
      inbound.removeFirst(2 + length)
    }
  }
}
