import Bytes
import Crypto
import TestSupport
import Testing

@testable import Session

/// What an end does about a peer, or somebody between, that breaks the rules.
@Suite struct SessionHostilityTests {
  // MARK: Who is there

  @Test func aResponderThatIsSomebodyElse() {
    let other = Ed25519.KeyPair(seed: Bytes32([UInt8](repeating: 8, count: 32)))
    var wire = Wire(Wire.initiator(expectedPeer: other.publicKey), Wire.responder())
    wire.settle()
    #expect(wire.failure(1) == .handshakeFailed)
    wire.ends[0].transportEnded()
    wire.drain(0)
    #expect(wire.failure(0) == .truncated)
    #expect(wire.ends[0].peerIdentity == nil && wire.ends[1].peerIdentity == nil)
  }

  @Test func anInitiatorThatIsNotTheExpectedOne() {
    let other = Ed25519.KeyPair(seed: Bytes32([UInt8](repeating: 8, count: 32)))
    var wire = Wire(Wire.initiator(), Wire.responder(expectedPeer: other.publicKey))
    wire.settle()
    #expect(wire.failure(1) == .wrongIdentity)
    #expect(wire.ends[1].peerIdentity == nil)
  }

  @Test func anInitiatorMustKnowWhomItDials() {
    #expect(throws: SessionError.invalidPeerKey) {
      _ = try SessionMachine(
        role: .initiator, identity: Wire.initiatorIdentity, expectedPeer: nil, ephemeral: .zero,
        nowMs: 0)
    }
  }

  /// A point of small order, one that is not on the curve: an announcement may say anything.
  @Test(arguments: [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "0200000000000000000000000000000000000000000000000000000000000000",
  ])
  func anExpectedPeerThatIsNoKey(hex: String) {
    #expect(throws: SessionError.invalidPeerKey) {
      _ = try SessionMachine(
        role: .initiator, identity: Wire.initiatorIdentity, expectedPeer: Bytes32(hex: hex)!,
        ephemeral: .zero, nowMs: 0)
    }
  }

  @Test func anHonestRawPeerIsAccepted() throws {
    let peer = try RawPeer()
    #expect(peer.said == [.established(peer: Wire.initiatorIdentity.publicKey)])
  }

  /// Somebody else's identity, with somebody else's good signature over this handshake.
  @Test func anIdentityWhoseKeyDidNotShakeHands() throws {
    let other = Ed25519.KeyPair(seed: Bytes32([UInt8](repeating: 8, count: 32)))
    let peer = try RawPeer(identity: other.publicKey) { hash in
      other.sign(SessionMachine.proof(role: .initiator, handshakeHash: hash))
    }
    #expect(peer.failure == .wrongIdentity)
  }

  /// The X25519 form forgets the sign of x: the negated identity has the same one.
  @Test func theNegatedIdentity() throws {
    var bytes = Wire.initiatorIdentity.publicKey.array
    bytes[31] ^= 0x80
    let negated = Bytes32(bytes)
    #expect(
      try Ed25519.agreementKey(of: negated)
        == Ed25519.agreementKey(of: Wire.initiatorIdentity.publicKey))
    let peer = try RawPeer(identity: negated)
    #expect(peer.failure == .wrongIdentity)
  }

  @Test func aSignatureOverAnotherHandshakeOrForTheOtherRole() throws {
    let stale = try RawPeer { _ in
      Wire.initiatorIdentity.sign(SessionMachine.proof(role: .initiator, handshakeHash: .zero))
    }
    #expect(stale.failure == .wrongIdentity)
    let reflected = try RawPeer { hash in
      Wire.initiatorIdentity.sign(SessionMachine.proof(role: .responder, handshakeHash: hash))
    }
    #expect(reflected.failure == .wrongIdentity)
  }

  @Test func anIdentityFrameOfTheWrongLength() throws {
    let peer = try RawPeer { _ in [1, 2, 3] }
    #expect(peer.failure == .malformedFrame(type: 0))
  }

  @Test func anotherPrologue() {
    var wire = Wire(Wire.initiator(prologue: [1]), Wire.responder(prologue: [2]))
    wire.settle()
    #expect(wire.failure(1) == .handshakeFailed)
  }

  /// The initiator's ephemeral key is of small order: no secret would come of it.
  @Test func anEphemeralKeyOfSmallOrder() {
    var machine = Wire.responder()
    machine.received([0, 48] + [UInt8](repeating: 0, count: 48), nowMs: 1000)
    #expect(machine.nextEffect() == .failed(.handshakeFailed))
  }

  // MARK: Changed, cut and oversize bytes

  /// A short conversation with everything in it, from the first byte to the orderly close.
  private func conversation(_ attack: Wire.Attack?) -> Wire {
    var wire = Wire(seed: 5, attack: attack)
    wire.settle()
    let stream = wire.ends[0].open(StreamOpening(kind: .terminal), window: 100)
    _ = wire.ends[0].sendControl([1, 2, 3])
    wire.settle()
    if let stream {
      _ = wire.ends[1].grant(stream, bytes: 100)
      wire.settle()
      _ = wire.ends[0].send(stream, [4, 5, 6])
      _ = wire.ends[1].send(stream, [7, 8])
      wire.ends[0].endStream(stream)
      wire.ends[1].endStream(stream)
    }
    wire.settle()
    _ = wire.ends[1].sendControl([9])
    wire.settle()
    wire.tick(0, at: 20_000)
    wire.settle()
    wire.ends[0].close()
    wire.settle()
    return wire
  }

  /// Whether an end heard a beginning of what it hears when nobody interferes, and then either
  /// failed or, as the end that closed, was closed.
  private func isHonestBeginning(_ effects: [SessionEffect], of honest: [SessionEffect]) -> Bool {
    var said = effects
    if case .failed? = said.last {
      said.removeLast()
    } else if said.last == .closed {
      said.removeLast()
    } else {
      return false
    }
    return said.count < honest.count && Array(honest.prefix(said.count)) == said
  }

  @Test(arguments: [0, 1])
  func everyChangedByteIsNoticed(sender: Int) {
    let honest = conversation(nil)
    #expect(honest.said[0].last == .closed && honest.said[1].last == .closed)
    #expect(honest.said[0].count == 5 && honest.said[1].count == 6)
    let length = honest.transcript[sender].count
    #expect(length > 290)
    for position in 0..<length {
      var wire = conversation(Wire.Attack(kind: .flip, sender: sender, position: position))
      // A length that grew can leave the victim waiting: time ends that.
      let victim = 1 - sender
      while let deadlineMs = wire.ends[victim].nextDeadlineMs { wire.tick(victim, at: deadlineMs) }
      #expect(
        isHonestBeginning(wire.said[victim], of: honest.said[victim]),
        "byte \(position): \(wire.said[victim])")
      // The end that closes may do so while it waits for the rest of a frame.
      let isUnharmed = sender == 1 && wire.said[0].last == .closed
      #expect(isUnharmed || wire.failure(victim) != nil, "byte \(position)")
    }
  }

  @Test(arguments: [0, 1])
  func everyCutIsNoticed(sender: Int) {
    let honest = conversation(nil)
    for position in 0..<honest.transcript[sender].count {
      var wire = conversation(Wire.Attack(kind: .cut, sender: sender, position: position))
      let victim = 1 - sender
      wire.ends[victim].transportEnded()
      wire.drain(victim)
      let isUnharmed = victim == 0 && wire.said[0].last == .closed
      #expect(isUnharmed || wire.failure(victim) == .truncated, "after \(position) bytes")
      #expect(
        isHonestBeginning(wire.said[victim], of: honest.said[victim]), "after \(position) bytes")
    }
  }

  @Test func aHandshakeLengthIsRefusedBeforeItsBytesCome() {
    for length in [0, 47, 49, 64, 65535] {
      var machine = Wire.responder()
      machine.received([UInt8(length >> 8), UInt8(length & 255)], nowMs: 1000)
      #expect(machine.nextEffect() == .failed(.handshakeFailed))
      #expect(machine.bufferedBytes == 0)
    }
  }

  @Test func aFrameThatIsTooShort() throws {
    for length in [0, 1, 16, 20] {
      var peer = try RawPeer()
      peer.victim.received([0, UInt8(length)], nowMs: 1000)
      while let effect = peer.victim.nextEffect() { peer.said.append(effect) }
      #expect(peer.failure == .badLength(length))
    }
  }

  @Test func aPartialFrameIsAllThatIsHeld() throws {
    var peer = try RawPeer()
    peer.victim.received([0xff, 0xff] + [UInt8](repeating: 0, count: 65534), nowMs: 1000)
    #expect(peer.victim.bufferedBytes == 65536)
    #expect(peer.failure == nil)
    peer.victim.received([0], nowMs: 1000)
    #expect(peer.victim.nextEffect() == .failed(.notAuthentic))
    #expect(peer.victim.bufferedBytes == 0)
  }

  @Test func bytesAfterTheEndAreIgnored() throws {
    var peer = try RawPeer()
    peer.frame(.close, 0, [0])
    #expect(peer.said.last == .closed)
    peer.frame(.control, 0, [1])
    peer.victim.transportEnded()
    #expect(peer.victim.nextEffect() == nil)
    #expect(peer.said.last == .closed)
  }

  // MARK: Frames out of order

  private static let opening = StreamOpening(kind: .terminal).encoded(window: 0)

  struct RawFrame: Sendable {
    let type: FrameType
    let stream: UInt32
    let payload: [UInt8]

    init(_ type: FrameType, _ stream: UInt32, _ payload: [UInt8]) {
      self.type = type
      self.stream = stream
      self.payload = payload
    }
  }

  /// What an authenticated peer sends, and what it is told after the last of it.
  struct Violation: Sendable {
    let frames: [RawFrame]
    let error: SessionError

    init(_ error: SessionError, _ frames: RawFrame...) {
      self.frames = frames
      self.error = error
    }
  }

  private static let one = StreamId(raw: 1)
  private static let goodOpen = RawFrame(.open, 1, opening)

  static let sessionViolations: [Violation] = [
    Violation(malformed(.identity), RawFrame(.identity, 0, [UInt8](repeating: 0, count: 96))),
    Violation(malformed(.control), RawFrame(.control, 1, [1])),
    Violation(malformed(.controlPart), RawFrame(.controlPart, 0, [])),
    Violation(malformed(.ping), RawFrame(.ping, 0, [1])),
    Violation(malformed(.pong), RawFrame(.pong, 0, [])),
    Violation(malformed(.close), RawFrame(.close, 0, [])),
    Violation(.closedByPeer(code: 7), RawFrame(.close, 0, [7])),
  ]

  static let openViolations: [Violation] = [
    Violation(.badStream(StreamId(raw: 0)), RawFrame(.open, 0, opening)),
    Violation(.badStream(StreamId(raw: 2)), RawFrame(.open, 2, opening)),
    Violation(.badStream(one), goodOpen, goodOpen),
    Violation(.badStream(one), RawFrame(.open, 3, opening), goodOpen),
    Violation(malformed(.open), RawFrame(.open, 1, Array(opening.dropLast()))),
    Violation(malformed(.open), RawFrame(.open, 1, opening + [0])),
    Violation(malformed(.open), RawFrame(.open, 1, [0] + Array(opening.dropFirst()))),
    Violation(malformed(.open), RawFrame(.open, 1, [7] + Array(opening.dropFirst()))),
    Violation(
      .creditOverflow(one),
      RawFrame(.open, 1, Array(opening.dropLast(4)) + [1, 0, 0, 0x40])),
  ]

  static let streamViolations: [Violation] = [
    Violation(.badStream(one), RawFrame(.data, 1, [1])),
    Violation(.badStream(StreamId(raw: 0)), RawFrame(.data, 0, [1])),
    Violation(.badStream(StreamId(raw: 2)), RawFrame(.credit, 2, [1, 0, 0, 0])),
    Violation(.badStream(one), RawFrame(.end, 1, [])),
    Violation(.badStream(one), RawFrame(.reset, 1, [])),
    Violation(malformed(.data), goodOpen, RawFrame(.data, 1, [])),
    Violation(.flowControl(one), goodOpen, RawFrame(.data, 1, [1])),
    Violation(malformed(.end), goodOpen, RawFrame(.end, 1, [1])),
    Violation(.dataAfterEnd(one), goodOpen, RawFrame(.end, 1, []), RawFrame(.end, 1, [])),
    Violation(.dataAfterEnd(one), goodOpen, RawFrame(.end, 1, []), RawFrame(.data, 1, [1])),
    Violation(malformed(.reset), goodOpen, RawFrame(.reset, 1, [1])),
    Violation(malformed(.credit), goodOpen, RawFrame(.credit, 1, [1])),
    Violation(malformed(.credit), goodOpen, RawFrame(.credit, 1, [0, 0, 0, 0])),
    Violation(malformed(.credit), goodOpen, RawFrame(.credit, 1, [1, 0, 0, 0, 0])),
    Violation(.creditOverflow(one), goodOpen, RawFrame(.credit, 1, [255, 255, 255, 255])),
    Violation(
      .creditOverflow(one), goodOpen, RawFrame(.credit, 1, [0, 0, 0, 0x40]),
      RawFrame(.credit, 1, [1, 0, 0, 0])),
  ]

  @Test(arguments: sessionViolations + openViolations + streamViolations)
  func violation(violation: Violation) throws {
    var peer = try RawPeer()
    for (index, frame) in violation.frames.enumerated() {
      #expect(peer.failure == nil, "frame \(index) should have been the last")
      peer.frame(frame.type, frame.stream, frame.payload)
    }
    #expect(peer.failure == violation.error)
    #expect(peer.victim.isOver)
    #expect(!violation.error.message.isEmpty)
  }

  private static func malformed(_ type: FrameType) -> SessionError {
    .malformedFrame(type: type.rawValue)
  }

  @Test func unknownFrameTypes() throws {
    for type in [UInt8(11), 12, 127, 255] {
      var peer = try RawPeer()
      peer.raw(type, 0, [])
      #expect(peer.failure == .malformedFrame(type: type))
    }
  }

  @Test func nothingButAnIdentityComesFirst() throws {
    for type in [FrameType.control, .open, .ping, .close] {
      let peer = try RawPeer(first: type)
      #expect(peer.failure == .malformedFrame(type: type.rawValue))
    }
  }

  @Test func tooManyStreams() throws {
    var peer = try RawPeer()
    for number in 0..<16 { peer.frame(.open, UInt32(2 * number + 1), Self.opening) }
    #expect(peer.failure == nil)
    // A stream that ended makes room for one more.
    peer.frame(.reset, 5, [])
    peer.frame(.open, 33, Self.opening)
    #expect(peer.failure == nil)
    peer.frame(.open, 35, Self.opening)
    #expect(peer.failure == .tooManyStreams)
  }

  @Test func dataBeyondTheCredit() throws {
    var peer = try RawPeer()
    peer.frame(.open, 1, Self.opening)
    let granted = peer.victim.grant(StreamId(raw: 1), bytes: 10)
    #expect(granted == 10)
    peer.frame(.data, 1, [UInt8](repeating: 0, count: 4))
    peer.frame(.data, 1, [UInt8](repeating: 0, count: 6))
    #expect(peer.failure == nil)
    peer.frame(.data, 1, [0])
    #expect(peer.failure == .flowControl(StreamId(raw: 1)))
  }

  @Test func controlMessageWithoutEnd() throws {
    var peer = try RawPeer()
    let part = [UInt8](repeating: 1, count: 16384)
    for _ in 0..<4 { peer.frame(.controlPart, 0, part) }
    #expect(peer.failure == nil)
    #expect(peer.victim.bufferedBytes == SessionLimits.controlBytes)
    peer.frame(.control, 0, [1])
    #expect(peer.failure == .controlTooLong)
    #expect(peer.victim.bufferedBytes == 0)
  }

  @Test func manyPingsCauseOneAnswer() throws {
    var peer = try RawPeer()
    peer.victim.transportIsBlocked = true
    for _ in 0..<1000 { peer.frame(.ping, 0, [1, 2, 3, 4, 5, 6, 7, 8]) }
    peer.victim.transportIsBlocked = false
    guard case .transmit(let bytes)? = peer.victim.nextEffect() else {
      Issue.record("no answer")
      return
    }
    #expect(bytes.count == 2 + 5 + 8 + 16)
    #expect(peer.victim.nextEffect() == nil)
  }

  /// A peer that grants without end, and does not read.
  @Test func whatWaitsForABlockedTransportIsBounded() throws {
    var peer = try RawPeer()
    peer.frame(.open, 1, StreamOpening(kind: .fileIn).encoded(window: 1 << 30))
    peer.victim.transportIsBlocked = true
    let chunk = [UInt8](repeating: 1, count: 50_000)
    var total = 0
    for _ in 0..<100 { total += peer.victim.send(StreamId(raw: 1), chunk) }
    #expect(total == peer.victim.limits.queuedBytes)
    #expect(peer.victim.bufferedBytes == total)
    #expect(peer.victim.nextEffect() == nil)
  }
}
