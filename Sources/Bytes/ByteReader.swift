/// Reads a byte string from start to end. Every read is bounded: no allocation exceeds what the
/// document can hold.
public struct ByteReader {
  private let bytes: [UInt8]
  private let end: Int

  /// The offset of the next byte, from the start of `bytes`.
  public private(set) var offset: Int

  public init(_ bytes: [UInt8]) {
    self.bytes = bytes
    self.offset = 0
    self.end = bytes.count
  }

  /// Reads only `bytes[range]`; offsets in errors still count from the start of `bytes`.
  public init(_ bytes: [UInt8], range: Range<Int>) {
    precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count)
    self.bytes = bytes
    self.offset = range.lowerBound
    self.end = range.upperBound
  }

  public var remaining: Int { end - offset }
  public var isAtEnd: Bool { offset == end }

  private func need(_ count: Int) throws(BytesError) {
    if count < 0 || count > end - offset {
      throw BytesError.truncated(offset: offset, needed: count)
    }
  }

  public mutating func u8() throws(BytesError) -> UInt8 {
    try need(1)
    offset += 1
    return bytes[offset - 1]
  }

  /// Little-endian integer of `size` bytes, 1 to 8.
  private mutating func little(_ size: Int) throws(BytesError) -> UInt64 {
    try need(size)
    var value: UInt64 = 0
    var index = size
    while index > 0 {
      index -= 1
      value = value << 8 | UInt64(bytes[offset + index])
    }
    offset += size
    return value
  }

  /// Big-endian integer of `size` bytes, 1 to 8.
  private mutating func big(_ size: Int) throws(BytesError) -> UInt64 {
    try need(size)
    var value: UInt64 = 0
    for index in 0..<size { value = value << 8 | UInt64(bytes[offset + index]) }
    offset += size
    return value
  }

  public mutating func u16le() throws(BytesError) -> UInt16 {
    UInt16(truncatingIfNeeded: try little(2))
  }
  public mutating func u32le() throws(BytesError) -> UInt32 {
    UInt32(truncatingIfNeeded: try little(4))
  }
  public mutating func u64le() throws(BytesError) -> UInt64 { try little(8) }
  public mutating func u16be() throws(BytesError) -> UInt16 {
    UInt16(truncatingIfNeeded: try big(2))
  }
  public mutating func u32be() throws(BytesError) -> UInt32 {
    UInt32(truncatingIfNeeded: try big(4))
  }
  public mutating func u64be() throws(BytesError) -> UInt64 { try big(8) }

  public mutating func take(_ count: Int) throws(BytesError) -> [UInt8] {
    try need(count)
    offset += count
    return Array(bytes[(offset - count)..<offset])
  }

  public mutating func skip(_ count: Int) throws(BytesError) {
    try need(count)
    offset += count
  }

  public mutating func bytes32() throws(BytesError) -> Bytes32 {
    try need(32)
    offset += 32
    return Bytes32(bytes, at: offset - 32)
  }

  /// All remaining bytes.
  public mutating func rest() -> [UInt8] {
    let tail = Array(bytes[offset..<end])
    offset = end
    return tail
  }

  /// Bitcoin's CompactSize, at most `limit`; must be in its shortest form.
  public mutating func compactSize(limit: UInt64) throws(BytesError) -> Int {
    let start = offset
    let value = try compactSizeBits()
    if value > limit || value > UInt64(Int.max) {
      throw BytesError.tooLarge(offset: start, value: value, limit: limit)
    }
    return Int(value)
  }

  /// A CompactSize length of at most `limit`, then that many bytes.
  public mutating func lengthPrefixed(limit: Int) throws(BytesError) -> [UInt8] {
    let count = try compactSize(limit: UInt64(limit))
    return try take(count)
  }

  /// Throws unless the document ends here.
  public func finish() throws(BytesError) {
    if offset != end { throw BytesError.trailing(offset: offset) }
  }
}

extension ByteReader {
  /// A CompactSize that holds flags, of which all 64 bits may be set (BIP155).
  public mutating func compactSizeBits() throws(BytesError) -> UInt64 {
    let start = offset
    let first = try u8()
    var value = UInt64(first)
    var least: UInt64 = 0
    if first == 0xfd {
      value = UInt64(try u16le())
      least = 0xfd
    } else if first == 0xfe {
      value = UInt64(try u32le())
      least = 0x1_0000
    } else if first == 0xff {
      value = try u64le()
      least = 0x1_0000_0000
    }
    if value < least { throw BytesError.nonCanonical(offset: start) }
    return value
  }
}
