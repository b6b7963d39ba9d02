import Bytes

/// Adds a number to every word of a buffer and sums the words: one sequential pass that reads and
/// writes each word. The words are an arithmetic progression, so the sum is known.
struct MemoryBandwidthKernel {
  private var words: [UInt64]
  private var first: UInt64
  private let step: UInt64

  /// `sizeBytes` should be far more than the caches.
  init(_ seed: KernelSeed, sizeBytes: Int) {
    var numbers = seed.numbers(0)
    first = numbers.next()
    step = numbers.next()
    words = []
    let count = max(sizeBytes / 8, 1024)
    words.reserveCapacity(count)
    var value = first
    for _ in 0..<count {
      words.append(value)
      value &+= step
    }
  }

  /// The amount of memory read and written in a pass.
  var movedKiB: UInt64 { UInt64(words.count) * 16 / 1024 }

  /// The timed part: the sum of the words after `addend` was added to each.
  @inline(never)
  mutating func run(_ addend: UInt64) -> UInt64 {
    first &+= addend
    return words.withUnsafeMutableBufferPointer { words in
      var sum: UInt64 = 0
      for index in 0..<words.count {
        let value = words[index] &+ addend
        words[index] = value
        sum &+= value
      }
      return sum
    }
  }

  /// The expected last sum: count·first + step·count·(count − 1)/2.
  var expectedSum: UInt64 {
    let count = UInt64(words.count)
    let pairs = count % 2 == 0 ? count / 2 * (count - 1) : (count - 1) / 2 * count
    return count &* first &+ step &* pairs
  }
}
