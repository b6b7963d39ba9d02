import TestSupport
import Testing

@testable import Bytes

@Suite struct ByteWriterTests {
  @Test func integersInBothOrders() {
    var writer = ByteWriter(reserving: 100)
    writer.u8(0xab)
    writer.u16le(0x0102)
    writer.u16be(0x0102)
    writer.u32le(0x0102_0304)
    writer.u32be(0x0102_0304)
    writer.u64le(0x0102_0304_0506_0708)
    writer.u64be(0x0102_0304_0506_0708)
    #expect(
      Hex.encode(writer.bytes)
        == "ab" + "0201" + "0102" + "04030201" + "01020304" + "0807060504030201"
        + "0102030405060708")
    #expect(writer.count == 29)
  }

  @Test func appending() {
    var writer = ByteWriter()
    writer.append([1, 2])
    writer.append([0, 3, 4, 0][1...2])
    writer.append(Bytes32.zero)
    writer.lengthPrefixed([5])
    #expect(writer.bytes == [1, 2, 3, 4] + [UInt8](repeating: 0, count: 32) + [1, 5])
  }

  /// Whatever is written in any order is read in the same order.
  @Test func whatIsWrittenIsRead() throws {
    for seed in 0..<300 {
      var random = SeededGenerator(seed: UInt64(seed))
      let start = random
      var writer = ByteWriter()
      let count = random.int(0...30)
      for _ in 0..<count {
        switch random.int(0...8) {
        case 0: writer.u8(UInt8(truncatingIfNeeded: random.next()))
        case 1: writer.u16le(UInt16(truncatingIfNeeded: random.next()))
        case 2: writer.u16be(UInt16(truncatingIfNeeded: random.next()))
        case 3: writer.u32le(UInt32(truncatingIfNeeded: random.next()))
        case 4: writer.u32be(UInt32(truncatingIfNeeded: random.next()))
        case 5: writer.u64le(random.next())
        case 6: writer.u64be(random.next())
        case 7: writer.append(random.bytes32())
        default: writer.lengthPrefixed(random.bytes(random.int(0...300)))
        }
      }
      var replay = start
      var reader = ByteReader(writer.bytes)
      for _ in 0..<replay.int(0...30) {
        switch replay.int(0...8) {
        case 0: #expect(try reader.u8() == UInt8(truncatingIfNeeded: replay.next()))
        case 1: #expect(try reader.u16le() == UInt16(truncatingIfNeeded: replay.next()))
        case 2: #expect(try reader.u16be() == UInt16(truncatingIfNeeded: replay.next()))
        case 3: #expect(try reader.u32le() == UInt32(truncatingIfNeeded: replay.next()))
        case 4: #expect(try reader.u32be() == UInt32(truncatingIfNeeded: replay.next()))
        case 5: #expect(try reader.u64le() == replay.next())
        case 6: #expect(try reader.u64be() == replay.next())
        case 7: #expect(try reader.bytes32() == replay.bytes32())
        default:
          let expected = replay.bytes(replay.int(0...300))
          #expect(try reader.lengthPrefixed(limit: 300) == expected)
        }
      }
      try reader.finish()
    }
  }
}
