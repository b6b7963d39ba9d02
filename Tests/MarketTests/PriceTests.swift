import Market
import TestSupport
import Testing

struct PriceTests {
  /// The same sum, slow and obvious, in the standard library's 128 bits; nil where those overflow.
  private func model(_ rates: RateVector, _ usage: UsageVector) -> UInt64?? {
    let pairs = [
      (rates.cpuPsatPerMs, usage.cpuMs), (rates.memoryPsatPerMiBMs, usage.memoryMiBMs),
      (rates.diskReadPsatPerKiB, usage.diskReadKiB),
      (rates.diskWritePsatPerKiB, usage.diskWriteKiB),
      (rates.networkPsatPerKiB, usage.networkKiB), (rates.wallPsatPerMs, usage.runningMs),
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

  private func usage(_ random: inout SeededGenerator) -> UsageVector {
    var usage = UsageVector(
      cpuMs: number(&random), memoryMiBMs: number(&random), diskReadKiB: number(&random),
      diskWriteKiB: number(&random), networkKiB: number(&random), wallMs: number(&random))
    usage.frozenMs = usage.wallMs >> UInt64(random.int(0...63))
    return usage
  }

  private func rates(_ random: inout SeededGenerator) -> RateVector {
    RateVector(
      cpuPsatPerMs: number(&random), memoryPsatPerMiBMs: number(&random),
      diskReadPsatPerKiB: number(&random), diskWritePsatPerKiB: number(&random),
      networkPsatPerKiB: number(&random), wallPsatPerMs: number(&random))
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

  @Test func edges() {
    let most = UsageVector(
      cpuMs: .max, memoryMiBMs: .max, diskReadKiB: .max, diskWriteKiB: .max, networkKiB: .max,
      wallMs: .max)
    let rates = RateVector(
      cpuPsatPerMs: .max, memoryPsatPerMiBMs: .max, diskReadPsatPerKiB: .max,
      diskWritePsatPerKiB: .max, networkPsatPerKiB: .max, wallPsatPerMs: .max)
    #expect(Price.owedSat(rates, most) == nil)
    #expect(Price.owedSat(RateVector(), most) == 0)
    #expect(Price.owedSat(rates, UsageVector()) == 0)
    // One psat is rounded up to a sat, once.
    #expect(Price.owedSat(RateVector(cpuPsatPerMs: 1), UsageVector(cpuMs: 1)) == 1)
    let both = RateVector(cpuPsatPerMs: 1, memoryPsatPerMiBMs: 1)
    #expect(Price.owedSat(both, UsageVector(cpuMs: 1, memoryMiBMs: 1)) == 1)
    let sat = RateVector(cpuPsatPerMs: RateVector.psatPerSat)
    #expect(Price.owedSat(sat, UsageVector(cpuMs: .max)) == .max)
    #expect(Price.owedSat(sat, UsageVector(cpuMs: 7)) == 7)
    var beyond = sat
    beyond.wallPsatPerMs = 1
    #expect(Price.owedSat(beyond, UsageVector(cpuMs: .max, wallMs: 1)) == nil)
  }

  @Test func frozenTimeIsFree() {
    let rates = RateVector(wallPsatPerMs: RateVector.psatPerSat)
    #expect(Price.owedSat(rates, UsageVector(wallMs: 1000)) == 1000)
    #expect(Price.owedSat(rates, UsageVector(wallMs: 1000, frozenMs: 400)) == 600)
    #expect(Price.owedSat(rates, UsageVector(wallMs: 1000, frozenMs: 2000)) == 0)
  }

  @Test func neverFallsWithUse() {
    var random = SeededGenerator(seed: 2)
    let rates = Fixture.rates
    for _ in 0..<5000 {
      var usage = UsageVector()
      var last: UInt64 = 0
      for _ in 0..<5 {
        usage.cpuMs += UInt64(random.int(0...1000))
        usage.memoryMiBMs += UInt64(random.int(0...100_000))
        usage.diskReadKiB += UInt64(random.int(0...1000))
        usage.diskWriteKiB += UInt64(random.int(0...1000))
        usage.networkKiB += UInt64(random.int(0...1000))
        let pause = UInt64(random.int(0...1000))
        usage.wallMs += pause + UInt64(random.int(0...1000))
        usage.frozenMs += pause
        let owed = Price.owedSat(rates, usage)!
        #expect(owed >= last)
        last = owed
      }
    }
  }

  @Test func hourly() {
    let rates = RateVector(
      cpuPsatPerMs: 1_000_000_000, memoryPsatPerMiBMs: 1_000_000, diskReadPsatPerKiB: 0,
      diskWritePsatPerKiB: 1_000_000_000, wallPsatPerMs: 500_000_000)
    let limits = ResourceLimits(
      memoryMiB: 100, milliCpus: 1500, pids: 10, diskMiB: 10, wallMs: 60_000)
    // 5,400 s of processor at 1 sat; 100 MiB for 3,600 s at 0.001; 10,240 KiB at 0.001; 3,600 s at
    // a half.
    #expect(Price.hourlySat(rates, limits) == 5400 + 360 + 11 + 1800)
  }
}
