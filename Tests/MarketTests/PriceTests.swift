import Market
import TestSupport
import Testing

struct PriceTests {
  /// The same sum, slow and obvious, in the standard library's 128 bits; nil where those overflow.
  private func model(_ rates: RateVector, _ lease: LeaseUsage) -> UInt64?? {
    let usage = lease.tasks
    let pairs = [
      (rates.cpuPsatPerMs, usage.cpuMs), (rates.memoryPsatPerMiBMs, usage.memoryMiBMs),
      (rates.diskReadPsatPerKiB, usage.diskReadKiB),
      (rates.diskWritePsatPerKiB, usage.diskWriteKiB),
      (rates.networkPsatPerKiB, usage.networkKiB),
      (rates.reservedPsatPerMs, lease.reservedMs),
    ]
    var sum: UInt128 = 0
    for (rate, amount) in pairs {
      let (next, overflow) = sum.addingReportingOverflow(UInt128(rate) * UInt128(amount))
      if overflow { return .none }
      sum = next
    }
    let sat = sum / 1_000_000_000_000 + (sum % 1_000_000_000_000 == 0 ? 0 : 1)
    return .some(UInt64(exactly: sat))
  }

  private func number(_ random: inout SeededGenerator) -> UInt64 {
    random.next() >> UInt64(random.int(0...63))
  }

  private func usage(_ random: inout SeededGenerator) -> LeaseUsage {
    LeaseUsage(
      tasks: UsageVector(
        cpuMs: number(&random), memoryMiBMs: number(&random), diskReadKiB: number(&random),
        diskWriteKiB: number(&random), networkKiB: number(&random), wallMs: number(&random)),
      reservedMs: number(&random))
  }

  private func rates(_ random: inout SeededGenerator) -> RateVector {
    RateVector(
      cpuPsatPerMs: number(&random), memoryPsatPerMiBMs: number(&random),
      diskReadPsatPerKiB: number(&random), diskWritePsatPerKiB: number(&random),
      networkPsatPerKiB: number(&random), reservedPsatPerMs: number(&random))
  }

  @Test func agreesWithTheModel() {
    var random = SeededGenerator(seed: 1)
    var fits = 0
    for _ in 0..<20_000 {
      let (rates, usage) = (rates(&random), usage(&random))
      switch model(rates, usage) {
      case .some(let sat):
        if sat != nil { fits += 1 }
        #expect(Price.owedSat(rates, usage) == sat)
      case .none: #expect(Price.owedSat(rates, usage) == nil)
      }
    }
    #expect(fits > 5000)
  }

  private func tasks(_ usage: UsageVector, reservedMs: UInt64 = 0) -> LeaseUsage {
    LeaseUsage(tasks: usage, reservedMs: reservedMs)
  }

  @Test func edges() {
    let most = tasks(
      UsageVector(
        cpuMs: .max, memoryMiBMs: .max, diskReadKiB: .max, diskWriteKiB: .max, networkKiB: .max,
        wallMs: .max), reservedMs: .max)
    let rates = RateVector(
      cpuPsatPerMs: .max, memoryPsatPerMiBMs: .max, diskReadPsatPerKiB: .max,
      diskWritePsatPerKiB: .max, networkPsatPerKiB: .max, reservedPsatPerMs: .max)
    #expect(Price.owedSat(rates, most) == nil)
    #expect(Price.owedSat(RateVector(), most) == 0)
    #expect(Price.owedSat(rates, LeaseUsage()) == 0)
    // One psat is rounded up to a sat, once a lease.
    #expect(
      Price.owedSat(RateVector(cpuPsatPerMs: 1), tasks(UsageVector(cpuMs: 1))) == 1)
    let both = RateVector(cpuPsatPerMs: 1, memoryPsatPerMiBMs: 1)
    #expect(Price.owedSat(both, tasks(UsageVector(cpuMs: 1, memoryMiBMs: 1))) == 1)
    let sat = RateVector(cpuPsatPerMs: RateVector.psatPerSat)
    #expect(Price.owedSat(sat, tasks(UsageVector(cpuMs: .max))) == .max)
    #expect(Price.owedSat(sat, tasks(UsageVector(cpuMs: 7))) == 7)
    var beyond = sat
    beyond.reservedPsatPerMs = 1
    #expect(Price.owedSat(beyond, tasks(UsageVector(cpuMs: .max), reservedMs: 1)) == nil)
  }

  @Test func onlyReservedTimeHasAPrice() {
    let rates = RateVector(reservedPsatPerMs: RateVector.psatPerSat)
    #expect(Price.owedSat(rates, tasks(UsageVector(wallMs: 1000, frozenMs: 5))) == 0)
    #expect(Price.owedSat(rates, tasks(UsageVector(), reservedMs: 600)) == 600)
  }

  @Test func neverFallsWithUse() {
    var random = SeededGenerator(seed: 2)
    for _ in 0..<5000 {
      var usage = LeaseUsage()
      var last: UInt64 = 0
      for _ in 0..<5 {
        usage.tasks = usage.tasks.adding(
          UsageVector(
            cpuMs: UInt64(random.int(0...1000)), memoryMiBMs: UInt64(random.int(0...100_000)),
            diskReadKiB: UInt64(random.int(0...1000)), diskWriteKiB: UInt64(random.int(0...1000)),
            networkKiB: UInt64(random.int(0...1000)), wallMs: UInt64(random.int(0...1000))))
        usage.reservedMs += UInt64(random.int(0...1000))
        let owed = Price.owedSat(Fixture.rates, usage)!
        #expect(owed >= last)
        last = owed
      }
    }
  }

  @Test func hourly() {
    let rates = RateVector(
      cpuPsatPerMs: 1_000_000_000, memoryPsatPerMiBMs: 1_000_000, diskReadPsatPerKiB: 0,
      diskWritePsatPerKiB: 1_000_000_000, networkPsatPerKiB: 2_000_000_000,
      reservedPsatPerMs: 500_000_000)
    let share = ShareLimits(memoryMiB: 100, milliCpus: 1500, pids: 10, diskMiB: 10)
    // 5,400 s of processor at 1 sat; 100 MiB for 3,600 s at 0.001; 3,600 s at a half.
    #expect(Price.hourlySat(rates, share) == 5400 + 360 + 1800)
    // 10,240 KiB at 0.001, 1,000 KiB at 0.002.
    let traffic = HourlyTraffic(diskKiB: 10_240, networkKiB: 1000)
    #expect(
      Price.worstHourlySat(rates, share, traffic: traffic) == 5400 + 360 + 1800 + 11 + 2)
  }
}
