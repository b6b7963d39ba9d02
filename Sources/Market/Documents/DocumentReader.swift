import Bitcoin
import Bytes
import Channel

/// Reads a document of fixed order: little-endian integers, CompactSize lengths. Every field is
/// named and has bounds, so that every refusal says which field and which byte.
struct DocumentReader {
  private var reader: ByteReader

  init(_ bytes: [UInt8]) { reader = ByteReader(bytes) }

  var offset: Int { reader.offset }
  var isAtEnd: Bool { reader.isAtEnd }

  /// The error for a field that begins at byte `offset`.
  func refuse(
    _ field: StaticReason, at offset: Int, _ problem: StaticReason
  ) -> MarketError {
    MarketError.refused(field: field, offset: offset, problem: problem)
  }

  @inline(__always)
  mutating func read<Value>(
    _ field: StaticReason, _ body: (inout ByteReader) throws(BytesError) -> Value
  ) throws(MarketError) -> Value {
    do { return try body(&reader) } catch { throw MarketError.malformed(field: field, error) }
  }

  /// The first byte of a document.
  mutating func version(_ known: UInt8) throws(MarketError) {
    let start = offset
    if try u8("version") != known { throw refuse("version", at: start, "not a known version") }
  }

  mutating func u8(
    _ field: StaticReason, _ range: ClosedRange<UInt8> = 0...UInt8.max
  ) throws(MarketError) -> UInt8 {
    UInt8(try bounded(field, 1, UInt64(range.lowerBound), UInt64(range.upperBound)))
  }

  mutating func u16(
    _ field: StaticReason, _ range: ClosedRange<UInt16> = 0...UInt16.max
  ) throws(MarketError) -> UInt16 {
    UInt16(try bounded(field, 2, UInt64(range.lowerBound), UInt64(range.upperBound)))
  }

  mutating func u32(
    _ field: StaticReason, _ range: ClosedRange<UInt32> = 0...UInt32.max
  ) throws(MarketError) -> UInt32 {
    UInt32(try bounded(field, 4, UInt64(range.lowerBound), UInt64(range.upperBound)))
  }

  mutating func u64(
    _ field: StaticReason, _ range: ClosedRange<UInt64> = 0...UInt64.max
  ) throws(MarketError) -> UInt64 {
    try bounded(field, 8, range.lowerBound, range.upperBound)
  }

  private mutating func bounded(
    _ field: StaticReason, _ size: Int, _ least: UInt64, _ most: UInt64
  ) throws(MarketError) -> UInt64 {
    let start = offset
    let value = try read(field) { (reader) throws(BytesError) in
      switch size {
      case 1: return UInt64(try reader.u8())
      case 2: return UInt64(try reader.u16le())
      case 4: return UInt64(try reader.u32le())
      default: return try reader.u64le()
      }
    }
    if value < least { throw refuse(field, at: start, "too small") }
    if value > most { throw refuse(field, at: start, "too large") }
    return value
  }

  mutating func bool(_ field: StaticReason) throws(MarketError) -> Bool {
    try u8(field, 0...1) == 1
  }

  mutating func bytes32(_ field: StaticReason) throws(MarketError) -> Bytes32 {
    try read(field) { (reader) throws(BytesError) in try reader.bytes32() }
  }

  mutating func fixed(_ field: StaticReason, _ count: Int) throws(MarketError) -> [UInt8] {
    try read(field) { (reader) throws(BytesError) in try reader.take(count) }
  }

  /// A CompactSize length of `range`, then that many bytes.
  mutating func bytes(
    _ field: StaticReason, _ range: ClosedRange<Int>
  ) throws(MarketError) -> [UInt8] {
    let start = offset
    let value = try read(field) { (reader) throws(BytesError) in
      try reader.lengthPrefixed(limit: range.upperBound)
    }
    if value.count < range.lowerBound { throw refuse(field, at: start, "too short") }
    return value
  }

  /// A CompactSize count of `range`.
  mutating func count(
    _ field: StaticReason, _ range: ClosedRange<Int>
  ) throws(MarketError) -> Int {
    let start = offset
    let value = try read(field) { (reader) throws(BytesError) in
      try reader.compactSize(limit: UInt64(range.upperBound))
    }
    if value < range.lowerBound { throw refuse(field, at: start, "too few") }
    return value
  }

  mutating func terms() throws(MarketError) -> ChannelTerms {
    let start = offset
    do { return try ChannelTerms.decode(&reader) } catch {
      if case .malformed(let bytesError) = error {
        throw MarketError.malformed(field: "channel terms", bytesError)
      }
      throw MarketError.terms(offset: start, error)
    }
  }

  mutating func rest() -> [UInt8] { reader.rest() }

  func finish() throws(MarketError) {
    do { try reader.finish() } catch {
      throw MarketError.malformed(field: "end of document", error)
    }
  }
}
