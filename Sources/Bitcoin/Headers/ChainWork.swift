import Bytes

/// The expected number of hashes behind a chain. The chain with the most work is the best.
public struct ChainWork: Equatable, Comparable, Sendable {
  public let value: UInt256

  public static let zero = ChainWork(.zero)

  public init(_ value: UInt256) { self.value = value }

  /// The work of one block: 2^256 / (target + 1). Zero if the bits are not a valid target.
  public init(bits: UInt32) {
    guard let target = Target(bits: bits) else {
      self.value = .zero
      return
    }
    // 2^256 does not fit, but 2^256 / (t + 1) = (2^256 - t - 1) / (t + 1) + 1.
    self.value = ~target.value / (target.value &+ .one) &+ .one
  }

  /// From 32 bytes, most significant first, as Bitcoin Core displays it.
  public init(bigEndian bytes: Bytes32) {
    self.value = UInt256(littleEndian: bytes.reversed)
  }

  /// 32 bytes, most significant first.
  public var bigEndianBytes: Bytes32 { value.littleEndianBytes.reversed }

  public static func + (left: ChainWork, right: ChainWork) -> ChainWork {
    ChainWork(left.value &+ right.value)
  }

  /// Zero if `right` is greater.
  public static func - (left: ChainWork, right: ChainWork) -> ChainWork {
    left < right ? .zero : ChainWork(left.value &- right.value)
  }

  public static func += (left: inout ChainWork, right: ChainWork) { left = left + right }

  public static func < (left: ChainWork, right: ChainWork) -> Bool { left.value < right.value }
}
