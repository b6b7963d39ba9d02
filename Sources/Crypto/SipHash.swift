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
    var digest = [UInt8](repeating: 0, count: 8)
    crypto_shorthash(&digest, bytes, UInt64(bytes.count), key)
    var value: UInt64 = 0
    for index in 0..<8 { value |= UInt64(digest[index]) << UInt64(8 * index) }
    return value
  }
}
