import Bytes
import CSodium

/// SHA-256 (FIPS 180-4) and Bitcoin's double SHA-256, by libsodium.
public struct Sha256 {
  private var state = crypto_hash_sha256_state()

  public init() { crypto_hash_sha256_init(&state) }

  public mutating func update(_ bytes: [UInt8]) {
    crypto_hash_sha256_update(&state, bytes, UInt64(bytes.count))
  }

  /// Ends the hash. The value must not be used again.
  public mutating func finish() -> Bytes32 {
    var digest = [UInt8](repeating: 0, count: 32)
    crypto_hash_sha256_final(&state, &digest)
    return Bytes32(digest)
  }

  public static func hash(_ bytes: [UInt8]) -> Bytes32 {
    var digest = [UInt8](repeating: 0, count: 32)
    crypto_hash_sha256(&digest, bytes, UInt64(bytes.count))
    return Bytes32(digest)
  }

  /// SHA-256 of SHA-256: transaction ids, block hashes, checksums.
  public static func double(_ bytes: [UInt8]) -> Bytes32 {
    var first = [UInt8](repeating: 0, count: 32)
    crypto_hash_sha256(&first, bytes, UInt64(bytes.count))
    var second = [UInt8](repeating: 0, count: 32)
    crypto_hash_sha256(&second, first, 32)
    return Bytes32(second)
  }

  /// BIP340's tagged hash: SHA-256(SHA-256(tag) ‖ SHA-256(tag) ‖ message).
  public static func tagged(_ tag: String, _ message: [UInt8]) -> Bytes32 {
    let tagHash = hash(Array(tag.utf8)).array
    var hasher = Sha256()
    hasher.update(tagHash)
    hasher.update(tagHash)
    hasher.update(message)
    return hasher.finish()
  }
}
