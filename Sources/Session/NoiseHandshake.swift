import Bytes
import Crypto

/// Which end of a connection: the initiator dials (the agent), the responder listens (the publisher).
public enum SessionRole: Sendable, Equatable {
  case initiator
  case responder
}

/// `Noise_XK_25519_ChaChaPoly_SHA256` (Noise specification, revision 34), without I/O:
/// ```
///   <- s
///   ...
///   -> e, es
///   <- e, ee
///   -> s, se
/// ```
/// Messages are written and read in turn; anything out of turn is `handshakeFailed`.
public struct NoiseHandshake {
  public static let maximumMessage = 65535

  private let role: SessionRole
  private let staticSecret: Bytes32
  private let ephemeralSecret: Bytes32
  private var remoteEphemeral = Bytes32.zero
  private var symmetric = SymmetricState(protocolName: "Noise_XK_25519_ChaChaPoly_SHA256")
  private var step = 0

  /// The peer's X25519 key: the initiator's expectation, or what the third message showed.
  public private(set) var remoteStatic: Bytes32?

  /// The peer's first message was read.
  var hasReadEphemeral: Bool { step > (role == .initiator ? 1 : 0) }

  /// Three messages went over.
  public var isComplete: Bool { step == 3 }

  /// Commits to the whole handshake; the same at both ends once it is complete.
  public var handshakeHash: Bytes32 { symmetric.hash }

  /// - Parameters:
  ///   - ephemeralSecret: 32 random bytes, used for this handshake and never again.
  ///   - remoteStatic: the responder's key, which an initiator must give; ignored for a responder.
  ///   - prologue: what both ends must agree on without sending it.
  public init(
    role: SessionRole, staticSecret: Bytes32, remoteStatic: Bytes32?, ephemeralSecret: Bytes32,
    prologue: [UInt8]
  ) throws(SessionError) {
    self.role = role
    self.staticSecret = staticSecret
    self.ephemeralSecret = ephemeralSecret
    symmetric.mixHash(prologue)
    if role == .initiator {
      guard let remoteStatic else { throw SessionError.invalidPeerKey }
      self.remoteStatic = remoteStatic
      symmetric.mixHash(remoteStatic.array)
    } else {
      self.remoteStatic = nil
      symmetric.mixHash(X25519.publicKey(of: staticSecret).array)
    }
  }

  /// How long the message of this step is with an empty payload: key parts and tags.
  private var overhead: Int { step == 2 ? 64 : 48 }

  private var isMyTurn: Bool { (step % 2 == 0) == (role == .initiator) }

  /// The next message. Throws `handshakeFailed` out of turn, for a payload that does not fit, or for
  /// a peer's key that agrees on nothing.
  public mutating func writeMessage(payload: [UInt8]) throws(SessionError) -> [UInt8] {
    if step > 2 || !isMyTurn || payload.count > NoiseHandshake.maximumMessage - overhead {
      throw SessionError.handshakeFailed
    }
    var message: [UInt8] = []
    if step == 2 {
      message = symmetric.encryptAndHash(X25519.publicKey(of: staticSecret).array)
      try mix(staticSecret, remoteEphemeral)
    } else {
      message = X25519.publicKey(of: ephemeralSecret).array
      symmetric.mixHash(message)
      try mix(ephemeralSecret, step == 0 ? remoteStatic! : remoteEphemeral)
    }
    message += symmetric.encryptAndHash(payload)
    step += 1
    return message
  }

  /// The payload of the peer's next message. Throws `handshakeFailed`; after that the handshake is of
  /// no use.
  public mutating func readMessage(_ message: [UInt8]) throws(SessionError) -> [UInt8] {
    if step > 2 || isMyTurn || message.count < overhead
      || message.count > NoiseHandshake.maximumMessage
    {
      throw SessionError.handshakeFailed
    }
    let payloadStart: Int
    if step == 2 {
      let opened = try symmetric.decryptAndHash(Array(message[0..<48]))
      let key = Bytes32(opened)
      remoteStatic = key
      try mix(ephemeralSecret, key)
      payloadStart = 48
    } else {
      remoteEphemeral = Bytes32(message)
      symmetric.mixHash(Array(message[0..<32]))
      try mix(step == 0 ? staticSecret : ephemeralSecret, remoteEphemeral)
      payloadStart = 32
    }
    let payload = try symmetric.decryptAndHash(Array(message[payloadStart...]))
    step += 1
    return payload
  }

  private mutating func mix(_ secret: Bytes32, _ publicKey: Bytes32) throws(SessionError) {
    let shared: Bytes32
    do {
      shared = try X25519.agree(secret: secret, publicKey: publicKey)
    } catch {
      throw SessionError.handshakeFailed
    }
    symmetric.mixKey(shared)
  }

  /// This end's two directions. Only once ``isComplete``.
  public func split(rekeyInterval: UInt64) -> (send: CipherState, receive: CipherState) {
    precondition(isComplete)
    let keys = symmetric.split()
    let forward = CipherState(key: keys.initiator, rekeyInterval: rekeyInterval)
    let backward = CipherState(key: keys.responder, rekeyInterval: rekeyInterval)
    return role == .initiator ? (forward, backward) : (backward, forward)
  }
}
