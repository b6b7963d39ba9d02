/// Turns what the kernel counts into what a contract charges for. Integers only; no counter falls, even
/// if the kernel's does.
///
/// Nothing is charged before the job's program runs. How long its bundle takes to unpack depends on the
/// machine, no publisher could tell what of it is true, and no time limit is meant for it.
struct Meter {
  private var startMs: UInt64?
  private var lastMs: UInt64 = 0
  /// What the cgroup had counted at the start.
  private var before = CgroupReading()
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

  mutating func started(_ reading: CgroupReading, nowMs: UInt64) {
    if startMs != nil { return }
    startMs = nowMs
    lastMs = nowMs
    before = reading
    lastMemoryBytes = reading.memoryBytes
    frozenMs = 0
    if frozenSinceMs != nil { frozenSinceMs = nowMs }
    note(reading)
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
    if endMs != nil || startMs == nil { return }
    take(reading, nowMs: nowMs)
    thawed(nowMs: nowMs)
    endMs = max(nowMs, lastMs)
  }

  /// Memory between two samples counts as the mean of both, as the trapezoid rule has it, for the time
  /// that the job was not frozen: frozen time is not owed, or a freeze would not bound the loss.
  mutating func take(_ reading: CgroupReading, nowMs: UInt64) {
    if startMs == nil { return }
    note(reading)
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

  private mutating func note(_ reading: CgroupReading) {
    highest.cpuNs = max(highest.cpuNs, reading.cpuNs)
    highest.memoryPeakBytes = max(
      highest.memoryPeakBytes, max(reading.memoryPeakBytes, reading.memoryBytes))
    highest.diskReadBytes = max(highest.diskReadBytes, reading.diskReadBytes)
    highest.diskWriteBytes = max(highest.diskWriteBytes, reading.diskWriteBytes)
  }

  /// All zero where the job never ran.
  func sample(nowMs: UInt64) -> UsageSample {
    var sample = UsageSample()
    guard let startMs else { return sample }
    let untilMs = endMs ?? max(nowMs, lastMs)
    sample.cpuMs = (highest.cpuNs - before.cpuNs) / 1_000_000
    sample.memoryMiBMs = memoryKiBMs >> 10
    sample.memoryPeakKiB = highest.memoryPeakBytes >> 10
    sample.diskReadKiB = (highest.diskReadBytes - before.diskReadBytes) >> 10
    sample.diskWriteKiB = (highest.diskWriteBytes - before.diskWriteBytes) >> 10
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
