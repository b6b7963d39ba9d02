/// Turns what the kernel counts into what a contract charges for. Integers only; no counter falls, even
/// if the kernel's does.
struct Meter {
  private let startMs: UInt64
  private var lastMs: UInt64
  private var lastMemoryBytes: UInt64 = 0
  /// KiB times milliseconds: finer than the unit that is charged, so that rounding never adds up.
  private var memoryKiBMs: UInt64 = 0
  private var networkBytes: UInt64 = 0
  private var frozenSinceMs: UInt64?
  private var frozenMs: UInt64 = 0
  /// Frozen time up to `lastMs`.
  private var lastFrozenMs: UInt64 = 0
  private var highest = CgroupReading()
  /// The end: time after it is not charged.
  private var endMs: UInt64?

  init(nowMs: UInt64) {
    startMs = nowMs
    lastMs = nowMs
  }

  mutating func transferred(bytes: UInt64) { networkBytes &+= bytes }

  mutating func froze(nowMs: UInt64) {
    if frozenSinceMs == nil { frozenSinceMs = nowMs }
  }

  mutating func thawed(nowMs: UInt64) {
    if let since = frozenSinceMs, nowMs > since { frozenMs += nowMs - since }
    frozenSinceMs = nil
  }

  /// The job ended: its clock stops.
  mutating func ended(_ reading: CgroupReading, nowMs: UInt64) {
    if endMs != nil { return }
    take(reading, nowMs: nowMs)
    thawed(nowMs: nowMs)
    endMs = max(nowMs, lastMs)
  }

  /// Memory between two samples counts as the mean of both, as the trapezoid rule has it, for the time
  /// that the job was not frozen: frozen time is not owed, or a freeze would not bound the loss.
  mutating func take(_ reading: CgroupReading, nowMs: UInt64) {
    highest.cpuNs = max(highest.cpuNs, reading.cpuNs)
    highest.memoryPeakBytes = max(
      highest.memoryPeakBytes, max(reading.memoryPeakBytes, reading.memoryBytes))
    highest.diskReadBytes = max(highest.diskReadBytes, reading.diskReadBytes)
    highest.diskWriteBytes = max(highest.diskWriteBytes, reading.diskWriteBytes)
    if endMs != nil || nowMs < lastMs { return }
    let meanKiB = (lastMemoryBytes >> 11) + (reading.memoryBytes >> 11)
    let frozen = frozen(untilMs: nowMs)
    let chargedMs = nowMs - lastMs - min(nowMs - lastMs, frozen - min(frozen, lastFrozenMs))
    let (area, overflow) = meanKiB.multipliedReportingOverflow(by: chargedMs)
    if !overflow { memoryKiBMs &+= area }
    lastFrozenMs = frozen
    lastMemoryBytes = reading.memoryBytes
    lastMs = nowMs
  }

  func sample(nowMs: UInt64) -> UsageSample {
    let untilMs = endMs ?? max(nowMs, lastMs)
    var sample = UsageSample()
    sample.cpuMs = highest.cpuNs / 1_000_000
    sample.memoryMiBMs = memoryKiBMs >> 10
    sample.memoryPeakKiB = highest.memoryPeakBytes >> 10
    sample.diskReadKiB = highest.diskReadBytes >> 10
    sample.diskWriteKiB = highest.diskWriteBytes >> 10
    sample.networkKiB = networkBytes >> 10
    sample.wallMs = untilMs - startMs
    sample.frozenMs = frozen(untilMs: untilMs)
    return sample
  }

  private func frozen(untilMs: UInt64) -> UInt64 {
    guard let since = frozenSinceMs, untilMs > since else { return frozenMs }
    return frozenMs + (untilMs - since)
  }
}
