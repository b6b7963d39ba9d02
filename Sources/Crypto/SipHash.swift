import Bytes
import CSodium

/// SipHash-2-4 with a 128-bit key, by libsodium. BIP158 filters hash their elements with it.
public struct SipHash: Sendable {
  private let key: [UInt8]

  /// `key` has 16 bytes.
  public init(key: [UInt8]) {
    precondition(key.count == 16)
    self.key = key
  }

  public func hash(_ bytes: [UInt8]) -> UInt64 {
    // Into an integer rather than an array, because a filter is matched against many scripts.
    var value: UInt64 = 0
    withUnsafeMutableBytes(of: &value) { digest in
      _ = crypto_shorthash(
        digest.baseAddress!.assumingMemoryBound(to: UInt8.self), bytes, UInt64(bytes.count), key)
    }
    return UInt64(littleEndian: value)
  }
}
