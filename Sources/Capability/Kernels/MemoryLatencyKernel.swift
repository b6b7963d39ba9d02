import Bytes

/// Follows a chain through memory: each cache line holds the place of the next one, and the order is
/// one random cycle through all of them. Where a walk must end is looked up in the order itself.
struct MemoryLatencyKernel {
  static let steps: UInt32 = 1 << 16
  /// Sixteen 32-bit words are a line of 64 bytes.
  private static let lineWords = 16

  private var lines: [UInt32]
  private let order: [UInt32]
  private var place = 0

  init(_ seed: KernelSeed, sizeBytes: Int) {
    let count = max(sizeBytes / 64, 64)
    var numbers = seed.numbers(0)
    var order: [UInt32] = []
    order.reserveCapacity(count)
    for index in 0..<count { order.append(UInt32(index)) }
    var index = count - 1
    while index > 0 {
      order.swapAt(index, Int(numbers.below(UInt32(index + 1))))
      index -= 1
    }
    lines = [UInt32](repeating: 0, count: count * MemoryLatencyKernel.lineWords)
    for index in 0..<count {
      let line = Int(order[index]) * MemoryLatencyKernel.lineWords
      lines[line] = order[index + 1 == count ? 0 : index + 1]
    }
    self.order = order
  }

  /// What is timed: the line where the walk ends. The next walk goes on there.
  @inline(never)
  func run() -> UInt32 {
    lines.withUnsafeBufferPointer { lines in
      var line = order[place]
      for _ in 0..<MemoryLatencyKernel.steps {
        line = lines[Int(line) * MemoryLatencyKernel.lineWords]
      }
      return line
    }
  }

  /// Whether the walk ended there; moves on when it did.
  mutating func isRight(_ line: UInt32) -> Bool {
    let end = (place + Int(MemoryLatencyKernel.steps)) % order.count
    if order[end] != line { return false }
    place = end
    return true
  }
}
