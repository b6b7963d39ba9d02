import Foundation
import Testing

@testable import Host

struct StreamRestTests {
  @Test func littleIsReadFiftyTimesASecondAtMost() {
    var rest = StreamRest()
    var readings = 0
    for nowMs in 0..<10_000 as Range<UInt64> where rest.isOver(nowMs: nowMs) {
      rest.read(1, nowMs: nowMs)
      readings += 1
    }
    #expect(readings == 500)
    rest.read(StreamRest.muchBytes, nowMs: 20_000)
    #expect(rest.isOver(nowMs: 20_000))
    #expect(StreamRest().isOver(nowMs: 0))
  }

  /// A pipe whose writer wants it so keeps writes apart.
  @Test func manyWritesAreOneReading() throws {
    var ends: [Int32] = [-1, -1]
    #expect(pipe(&ends) == 0)
    #if arch(arm) || arch(arm64)
      let direct: Int32 = 0o200000
    #else
      let direct: Int32 = 0o40000
    #endif
    for end in ends { #expect(fcntl(end, F_SETFL, direct | O_NONBLOCK) == 0) }
    defer { close(ends[1]) }
    let reader = Descriptor(owning: ends[0])
    #expect(try reader.read(limit: 100, calls: 16) == .wouldBlock)
    for byte in 0..<10 as Range<UInt8> {
      var byte = byte
      #expect(write(ends[1], &byte, 1) == 1)
    }
    #expect(try reader.read(limit: 100) == .bytes([0]))
    #expect(try reader.read(limit: 100, calls: 4) == .bytes([1, 2, 3, 4]))
    #expect(try reader.read(limit: 3, calls: 16) == .bytes([5, 6, 7]))
    #expect(try reader.read(limit: 100, calls: 16) == .bytes([8, 9]))
  }
}
