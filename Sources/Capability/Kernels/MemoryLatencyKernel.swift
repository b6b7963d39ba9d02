import Bytes

/// Follows a chain through memory: each cache line holds the index of the next one, in one random
/// cycle through all lines. The expected end of a walk is looked up in the cycle itself.
struct MemoryLatencyKernel {
  static let steps: UInt32 = 1 << 16
  /// A line of 64 bytes has sixteen 32-bit words.
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

  /// The timed part: returns the line at which the walk ends. The next walk continues there.
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

  /// Whether the walk ended at the right line; if so, moves the start there.
  mutating func isRight(_ line: UInt32) -> Bool {
    let end = (place + Int(MemoryLatencyKernel.steps)) % order.count
    if order[end] != line { return false }
    place = end
    return true
  }
}
