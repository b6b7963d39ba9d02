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

  /// Throws `notAuthentic` if the tag does not match.
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

  /// Replaces `bytes[offset...]` by its ciphertext and appends the tag: ``seal`` without copying,
  /// for streams.
  public static func sealTail(
    of bytes: inout [UInt8], from offset: Int, key: Bytes32, counter: UInt64
  ) {
    precondition(offset >= 0 && offset <= bytes.count)
    let length = bytes.count - offset
    for _ in 0..<tagLength { bytes.append(0) }
    let nonceBytes = nonce(counter)
    let keyBytes = key.array
    bytes.withUnsafeMutableBufferPointer { buffer in
      let start = buffer.baseAddress! + offset
      crypto_aead_chacha20poly1305_ietf_encrypt(
        start, nil, start, UInt64(length), nil, 0, nil, nonceBytes, keyBytes)
    }
  }

  /// Replaces the ciphertext and tag at `bytes[range]` by the plaintext, which is `tagLength` bytes
  /// shorter: ``open`` without copying. Throws `notAuthentic` if the tag does not match.
  public static func openInPlace(
    _ bytes: inout [UInt8], range: Range<Int>, key: Bytes32, counter: UInt64
  ) throws(CryptoError) {
    precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count)
    if range.count < tagLength { throw CryptoError.notAuthentic }
    let nonceBytes = nonce(counter)
    let keyBytes = key.array
    let failed = bytes.withUnsafeMutableBufferPointer { buffer in
      let start = buffer.baseAddress! + range.lowerBound
      return crypto_aead_chacha20poly1305_ietf_decrypt(
        start, nil, nil, start, UInt64(range.count), nil, 0, nonceBytes, keyBytes)
    }
    if failed != 0 { throw CryptoError.notAuthentic }
  }
}
