import Bytes
import CSodium

/// Ed25519 (RFC 8032) identities, and their X25519 form for key agreement, by libsodium.
public enum Ed25519 {
  public static let signatureLength = 64

  /// An identity with its secret. `seed` is 32 secret random bytes.
  public struct KeyPair: Sendable {
    public let publicKey: Bytes32
    public let seed: Bytes32
    fileprivate let secret: [UInt8]

    public init(seed: Bytes32) {
      var publicBytes = [UInt8](repeating: 0, count: 32)
      var secretBytes = [UInt8](repeating: 0, count: 64)
      crypto_sign_seed_keypair(&publicBytes, &secretBytes, seed.array)
      self.publicKey = Bytes32(publicBytes)
      self.seed = seed
      self.secret = secretBytes
    }

    /// A signature of 64 bytes over `message`.
    public func sign(_ message: [UInt8]) -> [UInt8] {
      var signature = [UInt8](repeating: 0, count: 64)
      crypto_sign_detached(&signature, nil, message, UInt64(message.count), secret)
      return signature
    }

    /// The X25519 secret of the same identity.
    public var agreementSecret: Bytes32 {
      var bytes = [UInt8](repeating: 0, count: 32)
      crypto_sign_ed25519_sk_to_curve25519(&bytes, secret)
      return Bytes32(bytes)
    }
  }

  public static func verify(
    _ signature: [UInt8], of message: [UInt8], by publicKey: Bytes32
  ) -> Bool {
    if signature.count != signatureLength { return false }
    return crypto_sign_verify_detached(
      signature, message, UInt64(message.count), publicKey.array) == 0
  }

  /// The X25519 public key of an identity. Throws `invalidKey` for an invalid point.
  public static func agreementKey(of publicKey: Bytes32) throws(CryptoError) -> Bytes32 {
    var bytes = [UInt8](repeating: 0, count: 32)
    if crypto_sign_ed25519_pk_to_curve25519(&bytes, publicKey.array) != 0 {
      throw CryptoError.invalidKey
    }
    return Bytes32(bytes)
  }
}
