import Bytes
import CSodium

/// X25519 key agreement (RFC 7748), by libsodium.
public enum X25519 {
  public static func publicKey(of secret: Bytes32) -> Bytes32 {
    var bytes = [UInt8](repeating: 0, count: 32)
    crypto_scalarmult_curve25519_base(&bytes, secret.array)
    return Bytes32(bytes)
  }

  /// The shared secret. Throws `invalidKey` if the other key has a small order.
  public static func agree(secret: Bytes32, publicKey: Bytes32) throws(CryptoError) -> Bytes32 {
    var bytes = [UInt8](repeating: 0, count: 32)
    if crypto_scalarmult_curve25519(&bytes, secret.array, publicKey.array) != 0 {
      throw CryptoError.invalidKey
    }
    return Bytes32(bytes)
  }
}
