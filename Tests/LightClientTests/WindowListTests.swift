import TestSupport
import Testing

@testable import LightClient

@Suite struct WindowListTests {
  /// Against an obvious model: an array.
  @Test(arguments: [1, 2, 3] as [UInt64])
  func behavesAsAnArrayDoes(_ seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    var list = WindowList<Int>()
    var model: [Int] = []
    for round in 0..<400 {
      switch random.int(0...4) {
      case 0, 1:
        for _ in 0..<random.int(1...1500) {
          list.append(round)
          model.append(round)
        }
      case 2:
        let count = random.int(0...1) == 0 ? 1 : random.int(0...1100)
        list.removeFirst(min(count, model.count))
        model.removeFirst(min(count, model.count))
      case 3:
        let count = random.int(0...9) == 0 ? model.count : random.int(0...1100)
        list.removeLast(min(count, model.count))
        model.removeLast(min(count, model.count))
      default:
        list.append(-round)
        model.append(-round)
      }
      let isSame =
        list.count == model.count && list.isEmpty == model.isEmpty
        && model.indices.allSatisfy { list[$0] == model[$0] }
      #expect(isSame, "round \(round)")
    }
  }

  @Test func aCopyIsItsOwn() {
    var list = WindowList<Int>()
    for number in 0..<3000 { list.append(number) }
    let copy = list
    list.removeFirst(1500)
    list.append(7)
    #expect(copy.count == 3000 && copy[0] == 0 && copy[2999] == 2999)
    #expect(list.count == 1501 && list[0] == 1500 && list[1500] == 7)
  }
}
