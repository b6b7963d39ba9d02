import Testing

@testable import Sandbox

extension Meter {
  /// Of a job that has run since `nowMs`.
  init(nowMs: UInt64) {
    self.init()
    started(CgroupReading(), cpuNs: 0, cpuMilli: 1000, nowMs: nowMs)
  }
}

extension CgroupReading {
  init(cpuMs: UInt64, memoryMiB: UInt64 = 0) {
    self.init()
    cpuNs = cpuMs * 1_000_000
    memoryBytes = memoryMiB << 20
  }

  init(memoryMiB: UInt64) { self.init(cpuMs: 0, memoryMiB: memoryMiB) }
}

struct MeterTests {
  @Test func memoryIsItsIntegralOverTime() {
    var meter = Meter(nowMs: 1000)
    meter.take(CgroupReading(memoryMiB: 10), nowMs: 2000)
    #expect(meter.sample(nowMs: 2000).memoryMiBMs == 5000)
    meter.take(CgroupReading(memoryMiB: 10), nowMs: 3000)
    #expect(meter.sample(nowMs: 3000).memoryMiBMs == 15_000)
    #expect(meter.sample(nowMs: 3000).memoryPeakKiB == 10_240)
  }

  /// What the agent does for a job is the job's use, within its share of the time that it was not frozen.
  @Test func workOfTheAgentIsChargedWithinTheShare() {
    var meter = Meter()
    meter.worked(ns: 5_000_000)
    meter.started(CgroupReading(), cpuNs: 0, cpuMilli: 500, nowMs: 1000)
    meter.worked(ns: 30_000_000)
    meter.take(CgroupReading(cpuMs: 20), nowMs: 1100)
    #expect(meter.sample(nowMs: 1100).cpuMs == 50)
    meter.worked(ns: 900_000_000)
    meter.take(CgroupReading(cpuMs: 40), nowMs: 1200)
    #expect(meter.sample(nowMs: 1200).cpuMs == 100)
    // Frozen, it could use nothing.
    meter.froze(nowMs: 1200)
    meter.take(CgroupReading(cpuMs: 40), nowMs: 2200)
    #expect(meter.sample(nowMs: 2200).cpuMs == 100)
    meter.thawed(nowMs: 2200)
    // No counter falls at the end either.
    meter.ended(CgroupReading(cpuMs: 45), ranMs: 100, nowMs: 2210)
    #expect(meter.sample(nowMs: 3000).cpuMs >= 100 && meter.sample(nowMs: 3000).cpuMs <= 110)
    let last = meter.sample(nowMs: 3000)
    meter.worked(ns: 1_000_000_000)
    #expect(meter.sample(nowMs: 4000) == last)
  }

  /// However long a bundle takes to unpack: who pays cannot know what of that is true.
  @Test func nothingIsChargedBeforeTheStart() {
    var meter = Meter()
    meter.take(CgroupReading(cpuMs: 4000, memoryMiB: 50), nowMs: 5000)
    meter.froze(nowMs: 6000)
    meter.transferred(bytes: 3 << 20)
    #expect(meter.sample(nowMs: 9000) == UsageSample())
    meter.started(
      CgroupReading(cpuMs: 8000, memoryMiB: 60), cpuNs: 8_000_000_000, cpuMilli: 1000, nowMs: 10_000
    )
    meter.thawed(nowMs: 10_500)
    #expect(meter.sample(nowMs: 11_000).wallMs == 1000)
    #expect(meter.sample(nowMs: 11_000).frozenMs == 500)
    meter.take(CgroupReading(cpuMs: 8300, memoryMiB: 60), nowMs: 11_000)
    let sample = meter.sample(nowMs: 11_000)
    #expect(sample.cpuMs == 300 && sample.memoryMiBMs == 30_000 && sample.networkKiB == 3072)
  }

  @Test func whatNeverRanCostsNothing() {
    var meter = Meter()
    meter.take(CgroupReading(cpuMs: 4000, memoryMiB: 50), nowMs: 5000)
    meter.ended(CgroupReading(cpuMs: 5000), ranMs: 9, nowMs: 6000)
    #expect(meter.sample(nowMs: 9000) == UsageSample())
  }

  @Test func noCounterFalls() {
    var meter = Meter(nowMs: 0)
    meter.take(CgroupReading(cpuMs: 50, memoryMiB: 4), nowMs: 100)
    let before = meter.sample(nowMs: 100)
    meter.take(CgroupReading(cpuMs: 20), nowMs: 90)
    let after = meter.sample(nowMs: 90)
    #expect(after.cpuMs == 50)
    #expect(after.wallMs == before.wallMs)
    #expect(after.memoryMiBMs == before.memoryMiBMs)
  }

  @Test func frozenTimeIsCounted() {
    var meter = Meter(nowMs: 0)
    meter.froze(nowMs: 100)
    #expect(meter.sample(nowMs: 150).frozenMs == 50)
    meter.froze(nowMs: 160)
    meter.thawed(nowMs: 200)
    meter.thawed(nowMs: 300)
    #expect(meter.sample(nowMs: 400).frozenMs == 100)
    #expect(meter.sample(nowMs: 400).wallMs == 400)
  }

  @Test func theClockStopsAtTheEnd() {
    var meter = Meter(nowMs: 0)
    meter.froze(nowMs: 10)
    meter.ended(CgroupReading(cpuMs: 7, memoryMiB: 2), ranMs: nil, nowMs: 100)
    let end = meter.sample(nowMs: 100)
    meter.ended(CgroupReading(cpuMs: 9, memoryMiB: 9), ranMs: nil, nowMs: 900)
    meter.take(CgroupReading(memoryMiB: 50), nowMs: 2000)
    #expect(meter.sample(nowMs: 5000).wallMs == 100)
    #expect(meter.sample(nowMs: 5000).frozenMs == 90)
    #expect(meter.sample(nowMs: 5000).memoryMiBMs == end.memoryMiBMs)
    #expect(meter.sample(nowMs: 5000).cpuMs == 7)
  }

  /// Many samples and few give nearly the same: rounding does not add up.
  @Test func oftenOrSeldomMakesNoDifference() {
    var often = Meter(nowMs: 0)
    var seldom = Meter(nowMs: 0)
    for time in 0...10_000 { often.take(CgroupReading(memoryMiB: 3), nowMs: UInt64(time)) }
    seldom.take(CgroupReading(memoryMiB: 3), nowMs: 0)
    seldom.take(CgroupReading(memoryMiB: 3), nowMs: 10_000)
    #expect(often.sample(nowMs: 10_000) == seldom.sample(nowMs: 10_000))
  }
}
