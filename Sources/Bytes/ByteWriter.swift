/// Appends to a byte string. The counterpart of ``ByteReader``.
public struct ByteWriter {
  public private(set) var bytes: [UInt8]

  public init(reserving capacity: Int = 0) {
    bytes = []
    if capacity > 0 { bytes.reserveCapacity(capacity) }
  }

  public var count: Int { bytes.count }

  public mutating func u8(_ value: UInt8) { bytes.append(value) }

  private mutating func little(_ value: UInt64, _ size: Int) {
    for index in 0..<size {
      bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * index)))
    }
  }

  private mutating func big(_ value: UInt64, _ size: Int) {
    var index = size
    while index > 0 {
      index -= 1
      bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * index)))
    }
  }

  public mutating func u16le(_ value: UInt16) { little(UInt64(value), 2) }
  public mutating func u32le(_ value: UInt32) { little(UInt64(value), 4) }
  public mutating func u64le(_ value: UInt64) { little(value, 8) }
  public mutating func u16be(_ value: UInt16) { big(UInt64(value), 2) }
  public mutating func u32be(_ value: UInt32) { big(UInt64(value), 4) }
  public mutating func u64be(_ value: UInt64) { big(value, 8) }

  public mutating func append(_ more: [UInt8]) { bytes.append(contentsOf: more) }
  public mutating func append(_ more: ArraySlice<UInt8>) { bytes.append(contentsOf: more) }
  public mutating func append(_ value: Bytes32) { value.append(to: &bytes) }

  /// Bitcoin's CompactSize, in its shortest form.
  public mutating func compactSize(_ value: Int) { compactSizeBits(UInt64(value)) }

  /// A CompactSize of any 64 bits (for BIP155's service flags).
  public mutating func compactSizeBits(_ wide: UInt64) {
    if wide < 0xfd {
      u8(UInt8(wide))
    } else if wide <= 0xffff {
      u8(0xfd)
      little(wide, 2)
    } else if wide <= 0xffff_ffff {
      u8(0xfe)
      little(wide, 4)
    } else {
      u8(0xff)
      little(wide, 8)
    }
  }

  public mutating func lengthPrefixed(_ more: [UInt8]) {
    compactSize(more.count)
    append(more)
  }
}
