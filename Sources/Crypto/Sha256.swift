import Bytes
import CSodium

/// SHA-256 (FIPS 180-4) and Bitcoin's double SHA-256, by libsodium.
public struct Sha256: Sendable {
  private var state = crypto_hash_sha256_state()

  public init() { crypto_hash_sha256_init(&state) }

  public mutating func update(_ bytes: [UInt8]) {
    crypto_hash_sha256_update(&state, bytes, UInt64(bytes.count))
  }

  public mutating func update(_ bytes: Bytes32) {
    withUnsafeTemporaryAllocation(byteCount: 32, alignment: 8) { memory in
      bytes.store(into: memory)
      crypto_hash_sha256_update(
        &state, memory.baseAddress!.assumingMemoryBound(to: UInt8.self), 32)
    }
  }

  /// Finishes the hash. The value must not be used again; a copy made before may be.
  public mutating func finish() -> Bytes32 {
    Sha256.digest { crypto_hash_sha256_final(&state, $0) }
  }

  public static func hash(_ bytes: [UInt8]) -> Bytes32 {
    digest { crypto_hash_sha256($0, bytes, UInt64(bytes.count)) }
  }

  /// SHA-256 of a digest: the second half of double SHA-256.
  public static func hash(_ bytes: Bytes32) -> Bytes32 {
    digest { digest in
      bytes.store(into: UnsafeMutableRawBufferPointer(start: digest, count: 32))
      crypto_hash_sha256(digest, digest, 32)
    }
  }

  /// Double SHA-256: transaction ids, block hashes, checksums.
  public static func double(_ bytes: [UInt8]) -> Bytes32 {
    bytes.withUnsafeBytes { double($0) }
  }

  /// Double SHA-256 of bytes outside of an array.
  public static func double(_ memory: UnsafeRawBufferPointer) -> Bytes32 {
    digest { digest in
      let start = memory.baseAddress?.assumingMemoryBound(to: UInt8.self)
      crypto_hash_sha256(digest, start, UInt64(memory.count))
      crypto_hash_sha256(digest, digest, 32)
    }
  }

  /// A buffer for a digest, without a heap allocation.
  private static func digest(_ fill: (UnsafeMutablePointer<UInt8>) -> Void) -> Bytes32 {
    withUnsafeTemporaryAllocation(byteCount: 32, alignment: 8) { memory in
      fill(memory.baseAddress!.assumingMemoryBound(to: UInt8.self))
      return Bytes32(loading: UnsafeRawBufferPointer(memory))
    }
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
