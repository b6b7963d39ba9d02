import Testing

@testable import Sandbox

/// The first stretch of a job and its last, which nobody looks at while they go on.
struct MeterEndTests {
  /// Of a sandbox that had used `cpuMs` when its job began.
  private func meter(after cpuMs: UInt64, _ reading: CgroupReading, nowMs: UInt64) -> Meter {
    var meter = Meter()
    meter.started(reading, cpuNs: cpuMs * 1_000_000, cpuMilli: 500, nowMs: nowMs)
    return meter
  }

  /// Its start and its end are heard of together.
  @Test func aJobThatWasOverBeforeAnybodyLookedIsCharged() {
    var meter = meter(after: 40, CgroupReading(cpuMs: 52), nowMs: 1000)
    meter.ended(CgroupReading(cpuMs: 53), ranMs: 17, nowMs: 1000)
    let sample = meter.sample(nowMs: 5000)
    #expect(sample.wallMs == 17 && sample.cpuMs == 13 && sample.frozenMs == 0)
  }

  /// However late the agent looks: more than a publisher believes would be worth nothing.
  @Test func onlySoMuchIsChargedThatNobodyLookedAt() {
    var late = meter(after: 40, CgroupReading(cpuMs: 9000), nowMs: 1000)
    #expect(late.sample(nowMs: 1000).cpuMs == 500)
    late.ended(CgroupReading(cpuMs: 9100), ranMs: 60_000, nowMs: 1200)
    #expect(late.sample(nowMs: 5000).wallMs == 1200)
    #expect(late.sample(nowMs: 5000).cpuMs == 600)
  }

  /// A kernel without a clock for it, or a first figure that cannot be true.
  @Test func withoutWordFromInsideTheLookCounts() {
    for cpuMs: UInt64 in [52, 1 << 40] {
      let meter = meter(after: cpuMs, CgroupReading(cpuMs: 52), nowMs: 1000)
      #expect(meter.sample(nowMs: 1000).cpuMs == 0)
    }
    var lost = meter(after: 52, CgroupReading(cpuMs: 52), nowMs: 1000)
    lost.ended(CgroupReading(cpuMs: 60), ranMs: nil, nowMs: 1300)
    #expect(lost.sample(nowMs: 1300).wallMs == 300 && lost.sample(nowMs: 1300).cpuMs == 8)
  }

  /// Of the agent, which hears of the end later.
  @Test func timeAfterTheEndIsNotCharged() {
    var meter = meter(after: 0, CgroupReading(memoryMiB: 8), nowMs: 1000)
    meter.take(CgroupReading(memoryMiB: 8), nowMs: 1100)
    meter.ended(CgroupReading(), ranMs: 150, nowMs: 1900)
    #expect(meter.sample(nowMs: 1900).wallMs == 150)
    #expect(meter.sample(nowMs: 1900).memoryMiBMs == 8 * 150)
  }

  /// What was told once is not taken back.
  @Test func noCounterFallsAtTheEnd() {
    var meter = meter(after: 0, CgroupReading(), nowMs: 1000)
    meter.take(CgroupReading(memoryMiB: 2), nowMs: 1400)
    meter.froze(nowMs: 1500)
    meter.take(CgroupReading(memoryMiB: 2), nowMs: 1600)
    let before = meter.sample(nowMs: 1600)
    meter.ended(CgroupReading(), ranMs: 20, nowMs: 1700)
    let after = meter.sample(nowMs: 1700)
    #expect(after.wallMs == before.wallMs && after.frozenMs == before.frozenMs)
    #expect(after.memoryMiBMs == before.memoryMiBMs)
  }

  /// A usage with more of it is refused as impossible.
  @Test func noMoreIsFrozenThanItRan() {
    var meter = meter(after: 0, CgroupReading(), nowMs: 1000)
    meter.froze(nowMs: 1010)
    meter.thawed(nowMs: 1500)
    meter.ended(CgroupReading(), ranMs: 5, nowMs: 1500)
    let sample = meter.sample(nowMs: 1500)
    #expect(sample.wallMs == 5 && sample.frozenMs == 5)
  }

  /// Its memory is gone when the kernel is asked, which says nothing of how it was used.
  @Test func memoryCountsUntilTheEnd() {
    var meter = meter(after: 0, CgroupReading(memoryMiB: 10), nowMs: 1000)
    meter.take(CgroupReading(memoryMiB: 10), nowMs: 2000)
    meter.ended(CgroupReading(), ranMs: 1900, nowMs: 2905)
    #expect(meter.sample(nowMs: 2905).memoryMiBMs == 19_000)
  }

  @Test func frozenMemoryIsNotChargedAtTheEnd() {
    var meter = meter(after: 0, CgroupReading(memoryMiB: 10), nowMs: 1000)
    meter.take(CgroupReading(memoryMiB: 10), nowMs: 2000)
    meter.froze(nowMs: 2100)
    meter.ended(CgroupReading(), ranMs: nil, nowMs: 2900)
    #expect(meter.sample(nowMs: 2900).memoryMiBMs == 11_000)
    #expect(meter.sample(nowMs: 2900).frozenMs == 800)
  }
}
