import Testing

@testable import Sandbox

struct MeterFreezeTests {
  @Test func frozenMemoryIsNotCharged() {
    var meter = Meter(nowMs: 0)
    var reading = CgroupReading()
    reading.memoryBytes = 10 << 20
    meter.take(reading, nowMs: 0)
    meter.take(reading, nowMs: 1000)
    meter.froze(nowMs: 1500)
    meter.take(reading, nowMs: 2000)
    #expect(meter.sample(nowMs: 2000).memoryMiBMs == 15_000)
    meter.take(reading, nowMs: 60_000)
    #expect(meter.sample(nowMs: 60_000).memoryMiBMs == 15_000)
    meter.thawed(nowMs: 70_000)
    meter.take(reading, nowMs: 71_000)
    #expect(meter.sample(nowMs: 71_000).memoryMiBMs == 25_000)
    #expect(meter.sample(nowMs: 71_000).frozenMs == 68_500)
  }
}
