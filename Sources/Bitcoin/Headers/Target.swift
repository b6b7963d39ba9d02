import Bytes

/// A proof-of-work target: a block's hash, read as a number, must be at most this.
public struct Target: Equatable, Comparable, Sendable {
  public let value: UInt256

  public init(_ value: UInt256) { self.value = value }

  /// Decodes the compact form (nBits): one byte of size, one sign bit, 23 bits of mantissa. Nil if
  /// the value is negative, zero, or above 256 bits, and so not a target.
  public init?(bits: UInt32) {
    let size = Int(bits >> 24)
    let mantissa = UInt64(bits & 0x007f_ffff)
    let isNegative = bits & 0x0080_0000 != 0
    let overflows =
      size > 34 || (mantissa > 0xff && size > 33) || (mantissa > 0xffff && size > 32)
    let number =
      size <= 3
      ? UInt256(mantissa >> UInt64(8 * (3 - size))) : UInt256(mantissa) << (8 * (size - 3))
    if mantissa == 0 || isNegative || overflows || number.isZero { return nil }
    self.value = number
  }

  /// The compact form, rounded down to 23 bits.
  public var bits: UInt32 {
    var size = (value.bitWidth + 7) / 8
    var mantissa =
      size <= 3 ? value.word0 << UInt64(8 * (3 - size)) : (value >> (8 * (size - 3))).word0
    // The highest bit of the mantissa is the sign: make room for it.
    if mantissa & 0x0080_0000 != 0 {
      mantissa >>= 8
      size += 1
    }
    return UInt32(truncatingIfNeeded: mantissa) | UInt32(size) << 24
  }

  /// Whether a block with this hash (wire byte order) meets the target.
  public func isMet(by hash: Bytes32) -> Bool { UInt256(littleEndian: hash) <= value }

  public static func < (left: Target, right: Target) -> Bool { left.value < right.value }
}
