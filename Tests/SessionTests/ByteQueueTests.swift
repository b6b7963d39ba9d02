import TestSupport
import Testing

@testable import Session

@Suite struct ByteQueueTests {
  @Test(arguments: 0..<20)
  func bytesComeOutAsTheyWentIn(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    var queue = ByteQueue()
    var model: [UInt8] = []
    for _ in 0..<500 {
      if random.once(in: 2) {
        let bytes = random.bytes(random.int(0...50))
        queue.append(bytes[...])
        model += bytes
      } else {
        let length = random.int(0...model.count)
        var taken: [UInt8] = [1]
        queue.take(length, into: &taken)
        #expect(taken == [1] + model.prefix(length))
        model.removeFirst(length)
      }
      #expect(queue.count == model.count && queue.isEmpty == model.isEmpty)
    }
    queue.removeAll()
    #expect(queue.isEmpty)
  }

  @Test(arguments: 0..<20)
  func elementsComeOutAsTheyWentIn(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    var queue = Queue<Int>()
    var next = 0
    var expected = 0
    for _ in 0..<2000 {
      if random.int(0...9) < 6 {
        queue.append(next)
        next += 1
      } else {
        #expect(queue.first == (expected < next ? expected : nil))
        let taken = queue.popFirst()
        #expect(taken == (expected < next ? expected : nil))
        if taken != nil { expected += 1 }
      }
      #expect(queue.count == next - expected)
    }
    while let taken = queue.popFirst() {
      #expect(taken == expected)
      expected += 1
    }
    #expect(expected == next && queue.isEmpty)
    queue.append(1)
    queue.removeAll()
    #expect(queue.popFirst() == nil)
  }
}
