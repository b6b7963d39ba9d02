/// Repeats a kernel's round within a time budget, and stores the result of each.
struct Rounds {
  /// Fewer rounds do not show the spread; a slow host exceeds its budget.
  static let least: UInt32 = 3
  static let most: UInt32 = 400

  private let kernel: Kernel
  private let startNs: UInt64
  private let budgetNs: UInt64
  private let nowNs: () -> UInt64
  private var values: [UInt64] = []
  private(set) var checksum: UInt64 = 0

  init(_ kernel: Kernel, budgetNs: UInt64, nowNs: @escaping () -> UInt64) {
    self.kernel = kernel
    self.budgetNs = budgetNs
    self.nowNs = nowNs
    startNs = nowNs()
  }

  /// The number of the next round; nil when enough were run.
  var next: UInt32? {
    let count = UInt32(values.count)
    if count < Rounds.least { return count }
    return count >= Rounds.most || nowNs() - startNs >= budgetNs ? nil : count
  }

  /// Adds a round: its value in the kernel's unit, and its checksum.
  mutating func add(_ value: UInt64, checksum more: UInt64) {
    values.append(value)
    checksum = Rounds.fold(checksum, more)
  }

  static func fold(_ checksum: UInt64, _ more: UInt64) -> UInt64 {
    ((checksum << 7 | checksum >> 57) ^ more) &* 0x9e37_79b9_7f4a_7c15
  }

  /// Units per second; `units` is below 2^34. A duration of zero counts as one nanosecond.
  static func perSecond(_ units: UInt64, ns: UInt64) -> UInt64 {
    units * 1_000_000_000 / max(ns, 1)
  }

  var result: KernelResult {
    let sorted = values.sorted()
    return KernelResult(
      kernel: kernel, status: .measured, rounds: UInt32(sorted.count),
      median: sorted[(sorted.count - 1) / 2], least: sorted[0], most: sorted[sorted.count - 1],
      checksum: checksum)
  }
}
