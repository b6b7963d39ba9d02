import Bytes

/// Iterates over a filter's values in ascending order, without decoding them all at once.
struct FilterCursor {
  private let bytes: [UInt8]
  /// The number of elements that the filter claims; checked against its size.
  let count: Int
  private var left: Int
  private var byteOffset: Int
  /// Bits of `bytes[byteOffset]` already read.
  private var bitOffset = 0
  private var value: UInt64 = 0

  init(_ encoded: [UInt8]) throws(BytesError) {
    var reader = ByteReader(encoded)
    // Divide before multiplying: a 32-bit host must not overflow.
    let limit = UInt64(encoded.count) * 8 / UInt64(BlockFilter.minElementBits)
    count = try reader.compactSize(limit: limit)
    bytes = encoded
    left = count
    byteOffset = reader.offset
  }

  /// The next value; nil after the last.
  mutating func next() throws(BytesError) -> UInt64? {
    if left == 0 { return nil }
    left -= 1
    let quotient = try unary()
    let remainder = try bits(BlockFilter.remainderBits)
    value &+= quotient << UInt64(BlockFilter.remainderBits) | remainder
    return value
  }

  /// Counts ones up to the first zero, a byte at a time.
  private mutating func unary() throws(BytesError) -> UInt64 {
    var ones: UInt64 = 0
    while true {
      if byteOffset == bytes.count {
        throw BytesError.truncated(offset: byteOffset, needed: 1)
      }
      let inverted = ~(bytes[byteOffset] << UInt8(bitOffset))
      let available = 8 - bitOffset
      let run = min(inverted.leadingZeroBitCount, available)
      ones += UInt64(run)
      if run < available {
        advance(run + 1)
        return ones
      }
      advance(available)
    }
  }

  private mutating func bits(_ wanted: Int) throws(BytesError) -> UInt64 {
    var result: UInt64 = 0
    var missing = wanted
    while missing > 0 {
      if byteOffset == bytes.count {
        throw BytesError.truncated(offset: byteOffset, needed: (missing + 7) / 8)
      }
      let taken = min(missing, 8 - bitOffset)
      let piece = (bytes[byteOffset] << UInt8(bitOffset)) >> UInt8(8 - taken)
      result = result << UInt64(taken) | UInt64(piece)
      advance(taken)
      missing -= taken
    }
    return result
  }

  private mutating func advance(_ count: Int) {
    bitOffset += count
    if bitOffset == 8 {
      bitOffset = 0
      byteOffset += 1
    }
  }

  /// Checks that only the padding of the last byte follows the last value.
  func finish() throws(BytesError) {
    let end = bitOffset == 0 ? byteOffset : byteOffset + 1
    if end != bytes.count { throw BytesError.trailing(offset: end) }
  }
}

/// Packs bits, most significant first.
struct BitWriter {
  private var bytes: [UInt8]
  private var current: UInt8 = 0
  private var used = 0

  init(after start: [UInt8]) { bytes = start }

  mutating func write(_ value: UInt64, count: Int) {
    var index = count
    while index > 0 {
      index -= 1
      bit(UInt8(truncatingIfNeeded: value >> UInt64(index)) & 1)
    }
  }

  mutating func unary(_ ones: UInt64) {
    for _ in 0..<ones { bit(1) }
    bit(0)
  }

  private mutating func bit(_ value: UInt8) {
    current = current << 1 | value
    used += 1
    if used == 8 {
      bytes.append(current)
      current = 0
      used = 0
    }
  }

  mutating func finish() -> [UInt8] {
    while used != 0 { bit(0) }
    return bytes
  }
}
