import Bitcoin
import Channel
import Market
import Testing

struct RuleTests {
  private func provider(lookMs: UInt32 = 100) throws -> FreezeRule {
    FreezeRule(try Fixture().contract, limits: Fixture.limits, lookMs: lookMs)
  }

  private func publisher() throws -> PublisherRule {
    let fixture = try Fixture()
    return PublisherRule(
      fixture.contract, limits: Fixture.limits, maxResultBytes: fixture.offer.maxResultBytes)
  }

  /// Where nothing is said of it, the most memory that it may hold.
  private func report(_ sequence: UInt64, _ used: UsageVector) -> UsageReport {
    var usage = used
    if usage.memoryPeakKiB == 0 { usage.memoryPeakKiB = UInt64(Fixture.limits.memoryMiB) << 10 }
    return UsageReport(
      sequence: sequence, usage: usage, owedSat: Price.owedSat(Fixture.rates, usage) ?? 0,
      isFrozen: false)
  }

  @Test func freezesThawsAndEnds() throws {
    var rule = try provider()
    #expect(rule.headroomSat == 1)
    #expect(rule.decide(owedSat: 1019, paidSat: 1000, nowMs: 50) == .run)
    #expect(rule.decide(owedSat: 1020, paidSat: 1000, nowMs: 100) == .freeze)
    #expect(rule.frozenSinceMs == 100)
    #expect(rule.decide(owedSat: 1020, paidSat: 1000, nowMs: 5099) == .freeze)
    #expect(rule.decide(owedSat: 1020, paidSat: 1001, nowMs: 5100) == .run)
    #expect(rule.frozenSinceMs == nil)
    #expect(rule.decide(owedSat: 1021, paidSat: 1001, nowMs: 6000) == .freeze)
    #expect(rule.decide(owedSat: 1021, paidSat: 1001, nowMs: 11_000) == .end)
    #expect(rule.decide(owedSat: 1021, paidSat: 1001, nowMs: 90_000) == .end)
  }

  @Test func extremesNeitherTrapNorRun() throws {
    var rule = try provider()
    #expect(rule.decide(owedSat: nil, paidSat: .max, nowMs: 0) == .freeze)
    #expect(rule.decide(owedSat: .max, paidSat: 0, nowMs: 0) == .freeze)
    #expect(rule.decide(owedSat: 0, paidSat: .max, nowMs: 0) == .run)
    #expect(rule.decide(owedSat: .max, paidSat: 0, nowMs: .max) == .freeze)
    // A clock that stands still or goes back does not end a job.
    #expect(rule.decide(owedSat: .max, paidSat: 0, nowMs: 5) == .freeze)
    var contract = try Fixture().contract
    contract.rates.cpuPsatPerMs = .max
    var limits = Fixture.limits
    limits.milliCpus = 1_024_000
    let absurd = FreezeRule(contract, limits: limits, lookMs: .max)
    #expect(absurd.headroomSat == .max)
  }

  @Test func paysWhatIsOwedAndNoMore() throws {
    let fixture = try Fixture()
    var contract = fixture.contract
    contract.openingPaymentSat = 500
    var rule = PublisherRule(contract, limits: Fixture.limits, maxResultBytes: 0)
    #expect(rule.due(paidSat: 0) == .pay(amountSat: 500))
    let early = UsageVector(cpuMs: 900, memoryMiBMs: 10_000, wallMs: 1000)
    #expect(rule.usageReported(report(1, early), elapsedMs: 1000, paidSat: 500) == .wait)
    let later = UsageVector(
      cpuMs: 590_000, memoryMiBMs: 30_000_000, diskWriteKiB: 500_000_000, wallMs: 599_000)
    let owed = Price.owedSat(Fixture.rates, later)!
    #expect(owed > 500)
    #expect(
      rule.usageReported(report(2, later), elapsedMs: 600_000, paidSat: 500)
        == .pay(amountSat: owed))
    #expect(rule.due(paidSat: owed) == .wait)
    // Said twice, and late: nothing new.
    #expect(rule.usageReported(report(1, early), elapsedMs: 600_000, paidSat: owed) == .wait)
    #expect(rule.owedSat == owed)
  }

  @Test func restartedMachineMayHaveForgottenUsage() throws {
    var rule = try publisher()
    let usage = UsageVector(cpuMs: 10, memoryMiBMs: 10, memoryPeakKiB: 2048, wallMs: 1000)
    #expect(rule.usageReported(report(1, usage), elapsedMs: 1000, paidSat: 1000) == .wait)
    for forgotten in [
      UsageVector(memoryPeakKiB: 1),
      UsageVector(cpuMs: 5, memoryMiBMs: 10, memoryPeakKiB: 2048, wallMs: 900),
    ] {
      #expect(rule.usageReported(report(2, forgotten), elapsedMs: 2000, paidSat: 1000) == .wait)
      #expect(rule.last?.usage == usage)
    }
    // Its reports are numbered from 1 again; what is new in them counts.
    let more = UsageVector(cpuMs: 3000, memoryMiBMs: 10, memoryPeakKiB: 2048, wallMs: 4000)
    let claim = report(1, more)
    #expect(
      rule.usageReported(claim, elapsedMs: 4000, paidSat: 0)
        == .pay(amountSat: max(claim.owedSat, rule.openingSat)))
    #expect(rule.last?.usage == more)
  }

  @Test func paysNoMoreThanTheChannelHolds() throws {
    let fixture = try Fixture()
    var contract = fixture.contract
    contract.rates.cpuPsatPerMs = 10 * RateVector.psatPerSat
    var rule = PublisherRule(contract, limits: Fixture.limits, maxResultBytes: 0)
    let usage = UsageVector(cpuMs: 6000, wallMs: 7000)
    let report = UsageReport(
      sequence: 1, usage: usage, owedSat: Price.owedSat(contract.rates, usage)!, isFrozen: false)
    #expect(
      rule.usageReported(report, elapsedMs: 7000, paidSat: 1000) == .pay(amountSat: 50_000))
    #expect(rule.due(paidSat: 50_000) == .exhausted)
  }

  @Test func timeInWhichAJobStandsStillIsNotOfItsLimit() throws {
    var rule = try publisher()
    let paused = UsageVector(cpuMs: 10, memoryMiBMs: 10, wallMs: 5_000_000, frozenMs: 4_400_000)
    #expect(rule.usageReported(report(1, paused), elapsedMs: 5_000_000, paidSat: 1000) == .wait)
    var longer = paused
    longer.wallMs += 2_001
    #expect(
      rule.usageReported(report(2, longer), elapsedMs: 6_000_000, paidSat: 1000)
        == .refuse("more time than the limit"))
  }

  @Test func impossibleUsageIsRefused() throws {
    func refused(
      _ reason: StaticReason, elapsedMs: UInt64 = 10_000, _ usage: UsageVector,
      owedSat: UInt64? = nil
    ) throws {
      var rule = try publisher()
      let good = UsageVector(cpuMs: 10, memoryMiBMs: 10, memoryPeakKiB: 2048, wallMs: 1000)
      #expect(rule.usageReported(report(1, good), elapsedMs: 1000, paidSat: 1000) == .wait)
      var claim = report(2, usage)
      if let owedSat { claim.owedSat = owedSat }
      #expect(
        rule.usageReported(claim, elapsedMs: elapsedMs, paidSat: 1000) == .refuse(reason))
      // What was believed before still stands.
      #expect(rule.last?.sequence == 1)
    }
    // A thousandth more passes, as clocks differ: of 10 seconds 9 ms.
    try refused("a counter fell", UsageVector(cpuMs: 9, memoryMiBMs: 10, wallMs: 2000))
    try refused(
      "more time than has passed", UsageVector(cpuMs: 10, memoryMiBMs: 10, wallMs: 12_010))
    try refused(
      "more time than the limit", elapsedMs: 1 << 60,
      UsageVector(cpuMs: 10, memoryMiBMs: 10, wallMs: 602_001))
    try refused(
      "more time than has passed", elapsedMs: .max,
      UsageVector(cpuMs: 10, memoryMiBMs: 10, wallMs: 602_001))
    try refused(
      "more processor time than the limit allows",
      UsageVector(cpuMs: 12_010, memoryMiBMs: 10, wallMs: 10_000))
    try refused(
      "more processor time than the limit allows",
      UsageVector(cpuMs: 7005, memoryMiBMs: 10, wallMs: 10_000, frozenMs: 5000))
    try refused(
      "more memory than the limit allows",
      UsageVector(cpuMs: 10, memoryMiBMs: 12_000 * 64 + 1, wallMs: 10_000))
    try refused(
      "more memory than the limit allows",
      UsageVector(cpuMs: 10, memoryMiBMs: 10, memoryPeakKiB: 65 << 10, wallMs: 10_000))
    try refused(
      "more memory over time than at any one time",
      UsageVector(cpuMs: 10, memoryMiBMs: 12_001 * 63, memoryPeakKiB: 63 << 10, wallMs: 10_000))
    try refused(
      "more disk traffic than any disk can do",
      UsageVector(cpuMs: 10, memoryMiBMs: 10, diskWriteKiB: 1 << 50, wallMs: 10_000))
    try refused(
      "more network traffic than there was",
      UsageVector(cpuMs: 10, memoryMiBMs: 10, networkKiB: 20_000, wallMs: 10_000))
    try refused(
      "frozen for longer than it ran",
      UsageVector(cpuMs: 10, memoryMiBMs: 10, wallMs: 1000, frozenMs: 1001))
    try refused(
      "what is owed does not follow from the usage",
      UsageVector(cpuMs: 5000, memoryMiBMs: 10, wallMs: 10_000), owedSat: 8)
    try refused(
      "more time than has passed",
      UsageVector(cpuMs: .max, memoryMiBMs: .max, wallMs: .max))
  }
}
