import TestSupport
import Testing

@testable import Bytes

@Suite struct ByteReaderTests {
  @Test func integersInBothOrders() throws {
    let bytes: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8]
    var reader = ByteReader(bytes)
    #expect(try reader.u16le() == 0x0201)
    #expect(try reader.u16be() == 0x0304)
    #expect(reader.remaining == 4 && reader.offset == 4)
    #expect(try reader.u32le() == 0x0807_0605)
    #expect(reader.isAtEnd)
    reader = ByteReader(bytes)
    #expect(try reader.u32be() == 0x0102_0304)
    reader = ByteReader(bytes)
    #expect(try reader.u64le() == 0x0807_0605_0403_0201)
    reader = ByteReader(bytes)
    #expect(try reader.u64be() == 0x0102_0304_0506_0708)
    reader = ByteReader([255, 255, 255, 255, 255, 255, 255, 255])
    #expect(try reader.u64le() == UInt64.max)
  }

  @Test func everyReadOfTooLittleThrowsAndStays() {
    for length in 0..<8 {
      let bytes = [UInt8](repeating: 1, count: length)
      func check<Value>(
        _ needed: Int, _ read: (inout ByteReader) throws(BytesError) -> Value
      ) {
        if length >= needed { return }
        var reader = ByteReader(bytes)
        do {
          _ = try read(&reader)
          Issue.record("read \(needed) of \(length)")
        } catch {
          #expect(error == .truncated(offset: 0, needed: needed))
        }
        #expect(reader.offset == 0)
      }
      check(1) { reader throws(BytesError) in try reader.u8() }
      check(2) { reader throws(BytesError) in try reader.u16le() }
      check(2) { reader throws(BytesError) in try reader.u16be() }
      check(4) { reader throws(BytesError) in try reader.u32le() }
      check(4) { reader throws(BytesError) in try reader.u32be() }
      check(8) { reader throws(BytesError) in try reader.u64le() }
      check(8) { reader throws(BytesError) in try reader.u64be() }
      check(32) { reader throws(BytesError) in try reader.bytes32() }
      check(length + 1) { reader throws(BytesError) in try reader.take(length + 1) }
      check(length + 1) { reader throws(BytesError) in try reader.skip(length + 1) }
      check(Int.max) { reader throws(BytesError) in try reader.take(Int.max) }
    }
  }

  @Test func negativeCounts() {
    var reader = ByteReader([1, 2])
    #expect(throws: BytesError.truncated(offset: 0, needed: -1)) { try reader.take(-1) }
    #expect(throws: BytesError.truncated(offset: 0, needed: Int.min)) { try reader.skip(Int.min) }
  }

  @Test func takeSkipRest() throws {
    var reader = ByteReader([1, 2, 3, 4, 5])
    #expect(try reader.take(2) == [1, 2])
    #expect(try reader.take(0) == [])
    try reader.skip(1)
    #expect(reader.rest() == [4, 5])
    #expect(reader.rest() == [])
    try reader.finish()
  }

  @Test func finishNamesWhereTheRestBegins() throws {
    var reader = ByteReader([1, 2])
    _ = try reader.u8()
    #expect(throws: BytesError.trailing(offset: 1)) { try reader.finish() }
  }

  @Test func aRangeIsAllThatIsRead() throws {
    var reader = ByteReader([1, 2, 3, 4, 5], range: 1..<3)
    #expect(reader.offset == 1 && reader.remaining == 2)
    #expect(try reader.u16be() == 0x0203)
    #expect(throws: BytesError.truncated(offset: 3, needed: 1)) { try reader.u8() }
    #expect(reader.rest() == [])
  }

  // MARK: CompactSize

  @Test(arguments: [
    (UInt64(0), "00"), (1, "01"), (0xfc, "fc"), (0xfd, "fdfd00"), (0xffff, "fdffff"),
    (0x1_0000, "fe00000100"), (0xffff_ffff, "feffffffff"), (0x1_0000_0000, "ff0000000001000000"),
  ])
  func compactSize(value: UInt64, encoded: String) throws {
    let bytes = Hex.decode(encoded)!
    var reader = ByteReader(bytes)
    #expect(UInt64(try reader.compactSize(limit: UInt64.max)) == value)
    try reader.finish()
    var writer = ByteWriter()
    writer.compactSize(Int(value))
    #expect(writer.bytes == bytes)
    for length in 0..<bytes.count {
      var cut = ByteReader(Array(bytes.prefix(length)))
      #expect(throws: BytesError.self) { try cut.compactSize(limit: UInt64.max) }
    }
  }

  @Test(arguments: [
    "fd0000", "fdfc00", "fe00000000", "feffff0000", "ff0000000000000000", "ffffffffff00000000",
  ])
  func longerThanNeeded(encoded: String) {
    var reader = ByteReader([0] + Hex.decode(encoded)!)
    _ = try? reader.u8()
    #expect(throws: BytesError.nonCanonical(offset: 1)) {
      try reader.compactSize(limit: UInt64.max)
    }
  }

  @Test func limits() throws {
    var reader = ByteReader([10])
    #expect(try reader.compactSize(limit: 10) == 10)
    reader = ByteReader([10])
    #expect(throws: BytesError.tooLarge(offset: 0, value: 10, limit: 9)) {
      try reader.compactSize(limit: 9)
    }
    // A number that no Int can hold.
    reader = ByteReader([255, 255, 255, 255, 255, 255, 255, 255, 255])
    #expect(throws: BytesError.tooLarge(offset: 0, value: UInt64.max, limit: UInt64.max)) {
      try reader.compactSize(limit: UInt64.max)
    }
  }

  @Test func lengthPrefixed() throws {
    var reader = ByteReader([2, 7, 8, 9])
    #expect(try reader.lengthPrefixed(limit: 2) == [7, 8])
    reader = ByteReader([2, 7, 8, 9])
    #expect(throws: BytesError.tooLarge(offset: 0, value: 2, limit: 1)) {
      try reader.lengthPrefixed(limit: 1)
    }
    // The length promises more than there is: nothing is allocated for it.
    reader = ByteReader([0xfe, 0xff, 0xff, 0xff, 0x7f, 1])
    #expect(throws: BytesError.truncated(offset: 5, needed: 0x7fff_ffff)) {
      try reader.lengthPrefixed(limit: Int(Int32.max))
    }
  }
}
