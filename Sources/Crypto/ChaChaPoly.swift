import Bytes
import CSodium

/// ChaCha20-Poly1305 with a 96-bit nonce (RFC 8439), by libsodium.
public enum ChaChaPoly {
  public static let tagLength = 16

  /// Noise's nonce: four zero bytes, then the counter little-endian.
  private static func nonce(_ counter: UInt64) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 12)
    for index in 0..<8 {
      bytes[4 + index] = UInt8(truncatingIfNeeded: counter >> UInt64(8 * index))
    }
    return bytes
  }

  /// The ciphertext followed by its tag: `plaintext.count + 16` bytes.
  public static func seal(
    _ plaintext: [UInt8], key: Bytes32, counter: UInt64, associated: [UInt8]
  ) -> [UInt8] {
    var sealed = [UInt8](repeating: 0, count: plaintext.count + tagLength)
    var length: UInt64 = 0
    crypto_aead_chacha20poly1305_ietf_encrypt(
      &sealed, &length, plaintext, UInt64(plaintext.count), associated, UInt64(associated.count),
      nil, nonce(counter), key.array)
    return sealed
  }

  /// Throws `notAuthentic` unless the tag fits.
  public static func open(
    _ sealed: [UInt8], key: Bytes32, counter: UInt64, associated: [UInt8]
  ) throws(CryptoError) -> [UInt8] {
    if sealed.count < tagLength { throw CryptoError.notAuthentic }
    var plaintext = [UInt8](repeating: 0, count: sealed.count - tagLength)
    var length: UInt64 = 0
    let failed = crypto_aead_chacha20poly1305_ietf_decrypt(
      &plaintext, &length, nil, sealed, UInt64(sealed.count), associated,
      UInt64(associated.count), nonce(counter), key.array)
    if failed != 0 { throw CryptoError.notAuthentic }
    return plaintext
  }
}
