import Bytes
import CSodium

/// HMAC (RFC 2104) and HKDF (RFC 5869) with SHA-256, HMAC with SHA-512, by libsodium.
public enum Hmac {
  public static func sha256(key: [UInt8], _ message: [UInt8]) -> Bytes32 {
    var state = crypto_auth_hmacsha256_state()
    crypto_auth_hmacsha256_init(&state, key, key.count)
    crypto_auth_hmacsha256_update(&state, message, UInt64(message.count))
    var digest = [UInt8](repeating: 0, count: 32)
    crypto_auth_hmacsha256_final(&state, &digest)
    return Bytes32(digest)
  }

  /// 64 bytes.
  public static func sha512(key: [UInt8], _ message: [UInt8]) -> [UInt8] {
    var state = crypto_auth_hmacsha512_state()
    crypto_auth_hmacsha512_init(&state, key, key.count)
    crypto_auth_hmacsha512_update(&state, message, UInt64(message.count))
    var digest = [UInt8](repeating: 0, count: 64)
    crypto_auth_hmacsha512_final(&state, &digest)
    return digest
  }

  /// The Noise protocol's HKDF: two or three outputs of 32 bytes (Noise specification, 4.3).
  public static func noiseHkdf(
    chainingKey: Bytes32, input: [UInt8]
  ) -> (first: Bytes32, second: Bytes32, third: Bytes32) {
    let temporary = sha256(key: chainingKey.array, input).array
    let first = sha256(key: temporary, [1])
    let second = sha256(key: temporary, first.array + [2])
    let third = sha256(key: temporary, second.array + [3])
    return (first, second, third)
  }

  /// PBKDF2 with HMAC-SHA512 (RFC 8018), first 64 bytes: the seed of a BIP39 phrase.
  public static func pbkdf2Sha512(password: [UInt8], salt: [UInt8], iterations: Int) -> [UInt8] {
    var block = sha512(key: password, salt + [0, 0, 0, 1])
    var result = block
    for _ in 1..<iterations {
      block = sha512(key: password, block)
      for index in 0..<64 { result[index] ^= block[index] }
    }
    return result
  }
}
