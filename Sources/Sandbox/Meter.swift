/// Turns what the kernel counts into what a contract charges for. Integers only; no counter falls, even
/// if the kernel's does.
///
/// Nothing is charged before the job's program runs. How long its bundle takes to unpack depends on the
/// machine, no publisher could tell what of it is true, and no time limit is meant for it.
///
/// Process 1 of the sandbox says where the job's use began and how long it ran: the agent may come to look
/// when all is over, and a job of a millisecond is charged its millisecond. Each other counter is rounded
/// down, once.
struct Meter {
  /// What is charged of what went on before the agent came to look at the start, and after its clock says
  /// that the job was over: half of what a publisher puts up with (`PublisherRule.toleranceMs`).
  static let mostLateMs: UInt64 = 1000
  private var startMs: UInt64?
  private var lastMs: UInt64 = 0
  /// What the cgroup had counted at the start.
  private var before = CgroupReading()
  private var lastMemoryBytes: UInt64 = 0
  /// KiB times milliseconds: finer than the unit that is charged, so that rounding never adds up.
  private var memoryKiBMs: UInt64 = 0
  private var networkBytes: UInt64 = 0
  /// The agent's processor time for the job, the charged part of it, and the job's share of a processor.
  private var workedNs: UInt64 = 0
  private var chargedWorkNs: UInt64 = 0
  private var cpuMilli: UInt64 = 0
  private var frozenSinceMs: UInt64?
  private var frozenMs: UInt64 = 0
  /// Frozen time up to `lastMs`.
  private var lastFrozenMs: UInt64 = 0
  private var highest = CgroupReading()
  /// The end: time after it is not charged.
  private var endMs: UInt64?

  /// - Parameters:
  ///   - cpuNs: processor time that the sandbox had used where the job began; what was counted since is the
  ///     job's.
  ///   - cpuMilli: how many thousandths of a processor the job may use.
  mutating func started(_ reading: CgroupReading, cpuNs: UInt64, cpuMilli: UInt64, nowMs: UInt64) {
    if startMs != nil { return }
    startMs = nowMs
    lastMs = nowMs
    self.cpuMilli = cpuMilli
    before = reading
    let mostNs = Meter.mostLateMs * cpuMilli * 1000
    before.cpuNs -= min(reading.cpuNs - min(reading.cpuNs, cpuNs), mostNs)
    lastMemoryBytes = reading.memoryBytes
    frozenMs = 0
    if frozenSinceMs != nil { frozenSinceMs = nowMs }
    note(reading)
  }

  mutating func transferred(bytes: UInt64) { networkBytes &+= bytes }

  /// Adds the agent's processor time for the job; ignored before its program runs and after its end.
  mutating func worked(ns: UInt64) {
    if startMs != nil && endMs == nil { workedNs &+= ns }
  }

  /// Charges at most the rest of the job's share up to now, because a publisher accepts no more.
  private mutating func chargeWork(untilMs: UInt64) {
    guard let startMs, untilMs > startMs else { return }
    let passedMs = untilMs - startMs
    let mostNs = (passedMs - min(passedMs, frozen(untilMs: untilMs))) &* cpuMilli &* 1000
    let own = highest.cpuNs - before.cpuNs
    chargedWorkNs = max(chargedWorkNs, min(workedNs, mostNs - min(mostNs, own)))
  }

  mutating func froze(nowMs: UInt64) {
    if frozenSinceMs == nil { frozenSinceMs = nowMs }
  }

  mutating func thawed(nowMs: UInt64) {
    if let since = frozenSinceMs, nowMs > since { frozenMs += nowMs - since }
    frozenSinceMs = nil
  }

  /// The job ended after it had run for `ranMs` (nil: until now): its clock stops. Its memory is gone by now,
  /// so it counts as it was at the last look.
  mutating func ended(_ reading: CgroupReading, ranMs: UInt64?, nowMs: UInt64) {
    guard let startMs, endMs == nil else { return }
    note(reading)
    let untilNowMs = max(nowMs, lastMs) - startMs
    let wallMs = min(ranMs ?? untilNowMs, untilNowMs + Meter.mostLateMs)
    let untilMs = max(startMs + wallMs, lastMs)
    thawed(nowMs: untilMs)
    frozenMs = min(frozenMs, untilMs - startMs)
    charge(meanKiB: lastMemoryBytes >> 10, untilMs: untilMs)
    endMs = untilMs
    chargeWork(untilMs: untilMs)
  }

  /// Memory between two samples counts as the mean of both, as the trapezoid rule has it, for the time
  /// that the job was not frozen: frozen time is not owed, or a freeze would not bound the loss.
  mutating func take(_ reading: CgroupReading, nowMs: UInt64) {
    if startMs == nil { return }
    note(reading)
    if endMs != nil || nowMs < lastMs { return }
    charge(
      meanKiB: (lastMemoryBytes >> 11) + (reading.memoryBytes >> 11), untilMs: nowMs)
    lastMemoryBytes = reading.memoryBytes
    chargeWork(untilMs: nowMs)
  }

  private mutating func charge(meanKiB: UInt64, untilMs: UInt64) {
    let frozen = frozen(untilMs: untilMs)
    let passedMs = untilMs - lastMs
    let chargedMs = passedMs - min(passedMs, frozen - min(frozen, lastFrozenMs))
    let (area, overflow) = meanKiB.multipliedReportingOverflow(by: chargedMs)
    if !overflow { memoryKiBMs &+= area }
    lastFrozenMs = frozen
    lastMs = untilMs
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
    sample.cpuMs = (highest.cpuNs - before.cpuNs + chargedWorkNs) / 1_000_000
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
