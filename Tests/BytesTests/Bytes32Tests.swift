import TestSupport
import Testing

@testable import Bytes

@Suite struct Bytes32Tests {
  @Test func keepsEveryByte() {
    var random = SeededGenerator(seed: 1)
    for _ in 0..<200 {
      let bytes = random.bytes(32)
      let value = Bytes32(bytes)
      #expect(value.array == bytes)
      #expect((0..<32).map { value[$0] } == bytes)
      #expect(value.hex == Hex.encode(bytes))
      #expect(Bytes32(hex: value.hex) == value)
      #expect(value.reversed.array == Array(bytes.reversed()))
      #expect(value.reversed.reversed == value)
      var appended: [UInt8] = [9]
      value.append(to: &appended)
      #expect(appended == [9] + bytes)
    }
  }

  @Test func fromTheMiddle() {
    let bytes = (0..<100).map { UInt8($0) }
    #expect(Bytes32(bytes, at: 68).array == Array(68..<100))
  }

  @Test func orderIsByteOrder() {
    var random = SeededGenerator(seed: 2)
    for _ in 0..<500 {
      let left = random.bytes(32)
      var right = left
      // Differ from one place on, so that every word decides now and then.
      for index in random.int(0...32)..<32 { right[index] = UInt8(random.int(0...255)) }
      #expect(
        (Bytes32(left) < Bytes32(right)) == left.lexicographicallyPrecedes(right))
      #expect((Bytes32(left) == Bytes32(right)) == (left == right))
    }
  }

  @Test func zero() {
    #expect(Bytes32.zero.isZero)
    #expect(Bytes32.zero.array == [UInt8](repeating: 0, count: 32))
    for index in 0..<32 {
      var bytes = [UInt8](repeating: 0, count: 32)
      bytes[index] = 1
      #expect(!Bytes32(bytes).isZero)
      #expect(Bytes32(bytes) != .zero)
    }
  }

  @Test(arguments: [0, 1, 31, 33, 64])
  func wrongLength(length: Int) {
    #expect(Bytes32(exactly: [UInt8](repeating: 0, count: length)) == nil)
    #expect(Bytes32(hex: String(repeating: "00", count: length)) == nil)
  }

  @Test func wrongDigits() {
    #expect(Bytes32(exactly: [UInt8](repeating: 7, count: 32)) != nil)
    #expect(Bytes32(hex: String(repeating: "0", count: 63) + "g") == nil)
    #expect(Bytes32(hex: String(repeating: "0", count: 63)) == nil)
  }
}
