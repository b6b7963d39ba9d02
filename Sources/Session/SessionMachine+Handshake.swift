import Bytes
import Crypto

extension SessionMachine {
  /// What an end signs to prove its identity: bound to this connection, this protocol and its role.
  static func proof(role: SessionRole, handshakeHash: Bytes32) -> [UInt8] {
    var message = Array("zennet/1 session identity".utf8)
    message.append(role == .initiator ? 1 : 2)
    handshakeHash.append(to: &message)
    return message
  }

  /// Payloads of the handshake are empty, so its messages have fixed lengths: nothing else is
  /// waited for.
  var handshakeMessageLength: Int { role == .initiator ? 48 : (handshakeStarted ? 64 : 48) }

  private var handshakeStarted: Bool { handshake.hasReadEphemeral }

  mutating func writeHandshake() throws(SessionError) {
    var output: [UInt8] = [0, 0]
    output += try handshake.writeMessage(payload: [])
    output[1] = UInt8(output.count - 2)
    if handshake.isComplete { try prove(into: &output) }
    effects.append(.transmit(output))
  }

  mutating func readHandshake(_ message: [UInt8]) throws(SessionError) {
    _ = try handshake.readMessage(message)
    if handshake.isComplete {
      var output: [UInt8] = []
      try prove(into: &output)
      effects.append(.transmit(output))
    } else {
      try writeHandshake()
    }
  }

  /// Makes the keys, and appends this end's identity and its signature over the handshake.
  private mutating func prove(into output: inout [UInt8]) throws(SessionError) {
    var (send, receive) = handshake.split(rekeyInterval: limits.rekeyInterval)
    let signature = identity.sign(
      SessionMachine.proof(role: role, handshakeHash: handshake.handshakeHash))
    let publicKey = identity.publicKey
    try Frame.put(.identity, stream: 0, into: &output, cipher: &send) {
      publicKey.append(to: &$0)
      $0.append(contentsOf: signature)
    }
    sendCipher = send
    receiveCipher = receive
    phase = .proving
  }

  /// The peer's identity frame: the key must be the one whose X25519 form the handshake proved, the
  /// one that was expected if any was, and the signature must be over this very handshake.
  mutating func readIdentity(_ payload: [UInt8], nowMs: UInt64) throws(SessionError) {
    if payload.count != Frame.identityLength {
      throw SessionError.malformedFrame(type: FrameType.identity.rawValue)
    }
    let publicKey = Bytes32(payload)
    let agreementKey: Bytes32
    do {
      agreementKey = try Ed25519.agreementKey(of: publicKey)
    } catch {
      throw SessionError.wrongIdentity
    }
    let peerRole: SessionRole = role == .initiator ? .responder : .initiator
    let message = SessionMachine.proof(role: peerRole, handshakeHash: handshake.handshakeHash)
    if agreementKey != handshake.remoteStatic
      || (expectedPeer != nil && expectedPeer != publicKey)
      || !Ed25519.verify(Array(payload[32...]), of: message, by: publicKey)
    {
      throw SessionError.wrongIdentity
    }
    peerIdentity = publicKey
    phase = .established
    lastReceivedMs = nowMs
    lastPingMs = nowMs
    effects.append(.established(peer: publicKey))
  }
}
