import Bytes
import Crypto
import TestSupport

@testable import Session

/// Two sessions joined by a simulated pipe in each direction. End 0 is the initiator.
struct Wire {
  var ends: [SessionMachine]
  /// Bytes on their way to each end.
  var inFlight: [[UInt8]] = [[], []]
  /// All that each end ever transmitted.
  var transcript: [[UInt8]] = [[], []]
  /// What each end said, `.transmit` left out.
  var said: [[SessionEffect]] = [[], []]
  var nowMs: UInt64 = 1000
  /// Somebody between the ends.
  var attack: Attack?

  struct Attack {
    enum Kind { case flip, cut }
    let kind: Kind
    /// The end whose transmissions are attacked.
    let sender: Int
    /// Which byte of all that this end transmits.
    let position: Int
  }

  static let initiatorIdentity = Ed25519.KeyPair(seed: Bytes32([UInt8](repeating: 1, count: 32)))
  static let responderIdentity = Ed25519.KeyPair(seed: Bytes32([UInt8](repeating: 2, count: 32)))

  init(_ initiator: SessionMachine, _ responder: SessionMachine, attack: Attack? = nil) {
    self.attack = attack
    ends = [initiator, responder]
    drain(0)
    drain(1)
  }

  init(seed: UInt64 = 0, limits: SessionLimits = SessionLimits(), attack: Attack? = nil) {
    var random = SeededGenerator(seed: seed)
    self.init(
      Wire.initiator(ephemeral: random.bytes32(), limits: limits),
      Wire.responder(ephemeral: random.bytes32(), limits: limits), attack: attack)
  }

  static func initiator(
    expectedPeer: Bytes32? = responderIdentity.publicKey,
    ephemeral: Bytes32 = Bytes32([UInt8](repeating: 3, count: 32)),
    prologue: [UInt8] = SessionMachine.prologue, limits: SessionLimits = SessionLimits()
  ) -> SessionMachine {
    try! SessionMachine(
      role: .initiator, identity: initiatorIdentity, expectedPeer: expectedPeer,
      ephemeral: ephemeral, nowMs: 1000, prologue: prologue, limits: limits)
  }

  static func responder(
    expectedPeer: Bytes32? = nil,
    ephemeral: Bytes32 = Bytes32([UInt8](repeating: 4, count: 32)),
    prologue: [UInt8] = SessionMachine.prologue, limits: SessionLimits = SessionLimits()
  ) -> SessionMachine {
    try! SessionMachine(
      role: .responder, identity: responderIdentity, expectedPeer: expectedPeer,
      ephemeral: ephemeral, nowMs: 1000, prologue: prologue, limits: limits)
  }

  /// Already established, with nothing said.
  static func established(seed: UInt64 = 0, limits: SessionLimits = SessionLimits()) -> Wire {
    var wire = Wire(seed: seed, limits: limits)
    wire.settle()
    precondition(wire.ends[0].isEstablished && wire.ends[1].isEstablished)
    wire.said = [[], []]
    return wire
  }

  mutating func drain(_ end: Int) {
    while let effect = ends[end].nextEffect() {
      if case .transmit(let bytes) = effect {
        precondition(!bytes.isEmpty)
        inFlight[1 - end] += attacked(bytes, from: end)
        transcript[end] += bytes
      } else {
        said[end].append(effect)
      }
    }
  }

  private func attacked(_ bytes: [UInt8], from end: Int) -> [UInt8] {
    guard let attack, attack.sender == end else { return bytes }
    let index = attack.position - transcript[end].count
    if index >= bytes.count { return bytes }
    switch attack.kind {
    case .cut: return index > 0 ? Array(bytes[0..<index]) : []
    case .flip:
      if index < 0 { return bytes }
      var changed = bytes
      changed[index] ^= 1 << (attack.position % 8)
      return changed
    }
  }

  /// Hands over the first `count` bytes that are on their way to `end`.
  mutating func deliver(to end: Int, _ count: Int) {
    let chunk = Array(inFlight[end].prefix(count))
    inFlight[end].removeFirst(chunk.count)
    ends[end].received(chunk, nowMs: nowMs)
    drain(end)
  }

  /// Until nothing is on its way.
  mutating func settle() {
    drain(0)
    drain(1)
    while !inFlight[0].isEmpty || !inFlight[1].isEmpty {
      for end in 0...1 { deliver(to: end, Int.max) }
    }
  }

  mutating func tick(_ end: Int, at timeMs: UInt64) {
    nowMs = timeMs
    ends[end].tick(nowMs: timeMs)
    drain(end)
  }

  /// The failure that an end told, if any.
  func failure(_ end: Int) -> SessionError? {
    for effect in said[end] {
      if case .failed(let error) = effect { return error }
    }
    return nil
  }

  /// All data that an end was given on a stream.
  func data(_ end: Int, _ stream: StreamId) -> [UInt8] {
    var bytes: [UInt8] = []
    for case .data(stream, let more) in said[end] { bytes += more }
    return bytes
  }
}

/// An initiator without manners: it has the keys and may send any frame.
struct RawPeer {
  var victim: SessionMachine
  var send: CipherState
  var said: [SessionEffect] = []

  /// Shakes hands with a responder. With `identity` other than the static key's, or a `signature`
  /// made by the caller, the identity frame lies.
  init(
    staticSecret: Bytes32 = Wire.initiatorIdentity.agreementSecret,
    identity: Bytes32 = Wire.initiatorIdentity.publicKey, victim: SessionMachine = Wire.responder(),
    first: FrameType = .identity,
    sign: (Bytes32) -> [UInt8] = { hash in
      Wire.initiatorIdentity.sign(SessionMachine.proof(role: .initiator, handshakeHash: hash))
    }
  ) throws {
    var noise = try NoiseHandshake(
      role: .initiator, staticSecret: staticSecret,
      remoteStatic: try Ed25519.agreementKey(of: Wire.responderIdentity.publicKey),
      ephemeralSecret: Bytes32([UInt8](repeating: 9, count: 32)),
      prologue: SessionMachine.prologue)
    self.victim = victim
    self.victim.received([0, 48] + (try noise.writeMessage(payload: [])), nowMs: 1000)
    guard case .transmit(let answer)? = self.victim.nextEffect() else {
      throw SessionError.handshakeFailed
    }
    _ = try noise.readMessage(Array(answer.dropFirst(2)))
    self.victim.received([0, 64] + (try noise.writeMessage(payload: [])), nowMs: 1000)
    send = noise.split(rekeyInterval: victim.limits.rekeyInterval).send
    frame(first, 0, identity.array + sign(noise.handshakeHash))
  }

  mutating func frame(_ type: FrameType, _ stream: UInt32, _ payload: [UInt8]) {
    raw(type.rawValue, stream, payload)
  }

  mutating func raw(_ type: UInt8, _ stream: UInt32, _ payload: [UInt8]) {
    var writer = ByteWriter()
    writer.u8(type)
    writer.u32le(stream)
    writer.append(payload)
    sealed(writer.bytes)
  }

  /// A frame with any plaintext at all.
  mutating func sealed(_ plaintext: [UInt8]) {
    var bytes = plaintext
    try! send.seal(&bytes, from: 0)
    victim.received([UInt8(bytes.count >> 8), UInt8(bytes.count & 255)] + bytes, nowMs: 1000)
    while let effect = victim.nextEffect() {
      if case .transmit = effect { continue }
      said.append(effect)
    }
  }

  var failure: SessionError? {
    if case .failed(let error)? = said.last { return error }
    return nil
  }
}
