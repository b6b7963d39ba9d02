import Bytes
import TestSupport
import Testing

@testable import Bitcoin

struct ScriptTests {
  @Test func pushesAreTheShortest() {
    #expect(Script.push([]) == [0])
    #expect(Script.push([7]) == [1, 7])
    let sizes: [(Int, [UInt8])] = [
      (75, [75]), (76, [0x4c, 76]), (255, [0x4c, 255]), (256, [0x4d, 0, 1]),
      (65_535, [0x4d, 255, 255]), (65_536, [0x4e, 0, 0, 1, 0]),
    ]
    for (size, prefix) in sizes {
      let data = [UInt8](repeating: 9, count: size)
      #expect(Script.push(data) == prefix + data)
      var reader = ScriptReader(Script.push(data))
      #expect(reader.next()?.data == data)
      #expect(reader.isAtEnd)
    }
  }

  @Test func numbersAreMinimal() {
    let cases: [(Int64, [UInt8])] = [
      (0, [0]), (-1, [0x4f]), (1, [0x51]), (16, [0x60]), (17, [1, 17]), (127, [1, 127]),
      (128, [2, 0x80, 0]), (-128, [2, 0x80, 0x80]), (255, [2, 0xff, 0]), (256, [2, 0, 1]),
      (32_768, [3, 0, 0x80, 0]), (-2, [1, 0x82]), (0x7fff_ffff, [4, 0xff, 0xff, 0xff, 0x7f]),
      (500_000_000, [4, 0, 0x65, 0xcd, 0x1d]), (0x8000_0000, [5, 0, 0, 0, 0x80, 0]),
    ]
    for (value, script) in cases { #expect(Script.number(value) == script) }
    #expect(Script.number(Int64.min).count == 10)
  }

  @Test func witnessPrograms() {
    let program = [UInt8](repeating: 3, count: 32)
    #expect(Script.witnessProgram([0x51, 32] + program)?.version == 1)
    #expect(Script.witnessProgram([0x60, 2, 1, 1])?.version == 16)
    #expect(Script.isWitnessProgram(Script.p2wsh(witnessScript: [])))
    #expect(Script.isWitnessProgram(Script.p2tr(outputKey: .zero)))
    for script: [UInt8] in [
      [], [0], [0x51, 1, 1], [0x51, 3, 1, 1], [0x50, 2, 1, 1], [0x61, 2, 1, 1],
      [0x51, 41] + [UInt8](repeating: 0, count: 41), [0x51, 0x4c, 2, 1, 1],
    ] {
      #expect(!Script.isWitnessProgram(script))
    }
  }

  @Test func dataOutputs() {
    #expect(Script.opReturnData(Script.opReturn([1, 2])) == [1, 2])
    let long = [UInt8](repeating: 5, count: 220)
    #expect(Script.opReturnData(Script.opReturn(long)) == long)
    for script: [UInt8] in [[], [0x6a], [0x6a, 2, 1], [0x6a, 1, 1, 1], [0x6a, 0x51], [0x51]] {
      #expect(Script.opReturnData(script) == nil)
    }
  }
}
