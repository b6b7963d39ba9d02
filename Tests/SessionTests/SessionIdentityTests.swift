import Bytes
import Crypto
import TestSupport
import Testing

@testable import Session

/// Who is accepted, and who is not.
@Suite struct SessionIdentityTests {
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
}
