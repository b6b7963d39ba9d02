import Bytes

/// An unsigned 256-bit integer with the operations that proof of work needs. Arithmetic wraps like
/// Bitcoin Core's `arith_uint256`, on which the consensus rules depend.
public struct UInt256: Equatable, Comparable, Sendable {
  // Least significant word first.
  var word0: UInt64
  var word1: UInt64
  var word2: UInt64
  var word3: UInt64

  public static let zero = UInt256(0)
  public static let one = UInt256(1)

  init(_ word0: UInt64, _ word1: UInt64, _ word2: UInt64, _ word3: UInt64) {
    self.word0 = word0
    self.word1 = word1
    self.word2 = word2
    self.word3 = word3
  }

  public init(_ small: UInt64) { self.init(small, 0, 0, 0) }

  /// A hash in wire byte order, read as a little-endian number, for comparison with a target.
  public init(littleEndian bytes: Bytes32) {
    let words = bytes.littleEndianWords
    self.init(words.0, words.1, words.2, words.3)
  }

  /// The number as 32 bytes, least significant first.
  public var littleEndianBytes: Bytes32 {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(32)
    for word in [word0, word1, word2, word3] {
      for index in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(8 * index))) }
    }
    return Bytes32(bytes)
  }

  public var isZero: Bool { word0 | word1 | word2 | word3 == 0 }

  /// The number of significant bits; 0 for zero.
  public var bitWidth: Int {
    if word3 != 0 { return 256 - word3.leadingZeroBitCount }
    if word2 != 0 { return 192 - word2.leadingZeroBitCount }
    if word1 != 0 { return 128 - word1.leadingZeroBitCount }
    return 64 - word0.leadingZeroBitCount
  }

  public static func < (left: UInt256, right: UInt256) -> Bool {
    if left.word3 != right.word3 { return left.word3 < right.word3 }
    if left.word2 != right.word2 { return left.word2 < right.word2 }
    if left.word1 != right.word1 { return left.word1 < right.word1 }
    return left.word0 < right.word0
  }

  public static func &+ (left: UInt256, right: UInt256) -> UInt256 {
    let (sum0, carry0) = left.word0.addingReportingOverflow(right.word0)
    let (sum1, carry1) = add(left.word1, right.word1, carry0)
    let (sum2, carry2) = add(left.word2, right.word2, carry1)
    let (sum3, _) = add(left.word3, right.word3, carry2)
    return UInt256(sum0, sum1, sum2, sum3)
  }

  public static func &- (left: UInt256, right: UInt256) -> UInt256 {
    left &+ ~right &+ .one
  }

  private static func add(_ left: UInt64, _ right: UInt64, _ carry: Bool) -> (UInt64, Bool) {
    let (first, overflow1) = left.addingReportingOverflow(right)
    let (second, overflow2) = first.addingReportingOverflow(carry ? 1 : 0)
    return (second, overflow1 || overflow2)
  }

  public static prefix func ~ (value: UInt256) -> UInt256 {
    UInt256(~value.word0, ~value.word1, ~value.word2, ~value.word3)
  }

  public static func &* (left: UInt256, right: UInt32) -> UInt256 {
    let factor = UInt64(right)
    let product0 = left.word0.multipliedFullWidth(by: factor)
    let product1 = left.word1.multipliedFullWidth(by: factor)
    let product2 = left.word2.multipliedFullWidth(by: factor)
    return UInt256(product0.low, product1.low, product2.low, left.word3 &* factor)
      &+ UInt256(0, product0.high, product1.high, product2.high)
  }

  /// The quotient; `divisor` must not be zero.
  public static func / (left: UInt256, divisor: UInt32) -> UInt256 {
    let small = UInt64(divisor)
    let (quotient3, rest3) = left.word3.quotientAndRemainder(dividingBy: small)
    let (quotient2, rest2) = small.dividingFullWidth((rest3, left.word2))
    let (quotient1, rest1) = small.dividingFullWidth((rest2, left.word1))
    let (quotient0, _) = small.dividingFullWidth((rest1, left.word0))
    return UInt256(quotient0, quotient1, quotient2, quotient3)
  }

  /// The quotient by binary long division; `divisor` must not be zero.
  public static func / (left: UInt256, divisor: UInt256) -> UInt256 {
    precondition(!divisor.isZero)
    var shift = left.bitWidth - divisor.bitWidth
    if shift < 0 { return .zero }
    var shifted = divisor << shift
    var rest = left
    var quotient = UInt256.zero
    while shift >= 0 {
      quotient = quotient << 1
      if rest >= shifted {
        rest = rest &- shifted
        quotient.word0 |= 1
      }
      shifted = shifted >> 1
      shift -= 1
    }
    return quotient
  }

  public static func << (value: UInt256, count: Int) -> UInt256 {
    if count >= 256 { return .zero }
    var result = value
    var left = count
    while left >= 64 {
      result = UInt256(0, result.word0, result.word1, result.word2)
      left -= 64
    }
    if left == 0 { return result }
    let up = UInt64(left)
    let down = UInt64(64 - left)
    return UInt256(
      result.word0 << up, result.word1 << up | result.word0 >> down,
      result.word2 << up | result.word1 >> down, result.word3 << up | result.word2 >> down)
  }

  public static func >> (value: UInt256, count: Int) -> UInt256 {
    if count >= 256 { return .zero }
    var result = value
    var left = count
    while left >= 64 {
      result = UInt256(result.word1, result.word2, result.word3, 0)
      left -= 64
    }
    if left == 0 { return result }
    let down = UInt64(left)
    let up = UInt64(64 - left)
    return UInt256(
      result.word0 >> down | result.word1 << up, result.word1 >> down | result.word2 << up,
      result.word2 >> down | result.word3 << up, result.word3 >> down)
  }
}
