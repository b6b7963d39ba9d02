import Bitcoin
import Channel
import Market
import Testing

struct RuleTests {
  // MARK: Provider

  @Test func freezesBeforeTheLossIsReached() throws {
    let rule = FreezeRule(Fixture.rates, Fixture.share, sampleMs: 100)
    #expect(rule.headroomSat == 1)
    #expect(rule.mayRun(owedSat: 1019, paidSat: 1000, allowedSat: 20))
    #expect(!rule.mayRun(owedSat: 1020, paidSat: 1000, allowedSat: 20))
    #expect(rule.mayRun(owedSat: 1020, paidSat: 1001, allowedSat: 20))
    #expect(!rule.mayRun(owedSat: 0, paidSat: 0, allowedSat: 0))
  }

  @Test func extremesNeitherTrapNorRun() throws {
    let rule = FreezeRule(Fixture.rates, Fixture.share, sampleMs: 100)
    #expect(!rule.mayRun(owedSat: nil, paidSat: .max, allowedSat: .max))
    #expect(!rule.mayRun(owedSat: .max, paidSat: 0, allowedSat: .max))
    #expect(rule.mayRun(owedSat: 0, paidSat: .max, allowedSat: 0))
    var share = Fixture.share
    share.milliCpus = 1_024_000
    var rates = Fixture.rates
    rates.cpuPsatPerMs = .max
    #expect(FreezeRule(rates, share, sampleMs: .max).headroomSat == .max)
  }

  @Test func riskIsFiveMinutesWithinItsBounds() {
    func risk(_ hourly: UInt64, stranger: UInt64? = nil, owner: UInt64? = nil) -> UInt64 {
      RiskRule.maxLossSat(hourlySat: hourly, strangerSat: stranger, ownerSat: owner)
    }
    #expect(risk(5) == 10)
    #expect(risk(5000) == 416)
    #expect(risk(5000, stranger: RiskRule.strangerSat) == 100)
    #expect(risk(400_000, stranger: 100) == 100)
    #expect(risk(400_000, owner: 50) == 50)
    #expect(risk(0, stranger: 0, owner: 0) == 1)
    #expect(RiskRule.suits(headroomSat: 25, maxLossSat: 100))
    #expect(!RiskRule.suits(headroomSat: 26, maxLossSat: 100))
  }

  // MARK: Publisher

  @Test func theProviderGoesFirst() throws {
    let rule = PaymentRule(try Fixture().contract)
    func isDue(_ owed: UInt64, _ paid: UInt64, last: UInt64?, now: UInt64 = 0, ending: Bool = false)
      -> Bool
    {
      rule.isDue(
        owedSat: owed, paidSat: paid, lastPaidAtMs: last, nowMs: now, isEnding: ending)
    }
    #expect(!isDue(9, 0, last: nil, now: 1 << 40))
    #expect(isDue(10, 0, last: nil))
    #expect(isDue(1, 0, last: nil, ending: true))
    #expect(!isDue(0, 0, last: nil, ending: true))
    // Prepaid by the first payment.
    #expect(!isDue(330, 330, last: 0, now: 1 << 40, ending: true))
    #expect(!isDue(331, 330, last: 100, now: 599))
    #expect(isDue(331, 330, last: 100, now: 600))
    #expect(isDue(340, 330, last: 100, now: 101))
    #expect(rule.dueAtMs(owedSat: 331, paidSat: 330, lastPaidAtMs: 100) == 600)
    #expect(rule.dueAtMs(owedSat: 9, paidSat: 0, lastPaidAtMs: nil) == nil)
    #expect(rule.dueAtMs(owedSat: 330, paidSat: 330, lastPaidAtMs: 100) == nil)
  }

  @Test func channelsAreFilledInOrder() {
    func channel(_ paid: UInt64, _ most: UInt64, _ takes: Bool = true) -> ChannelFill.Channel {
      ChannelFill.Channel(paidSat: paid, maxPayableSat: most, takesPayments: takes)
    }
    func next(_ owed: UInt64, _ channels: [ChannelFill.Channel]) -> [UInt64]? {
      ChannelFill.next(owedSat: owed, channels, firstPaymentSat: 330).map {
        [UInt64($0.place), $0.totalSat]
      }
    }
    #expect(next(10, [channel(0, 1000)]) == [0, 330])
    #expect(next(330, [channel(330, 1000)]) == nil)
    #expect(next(331, [channel(330, 1000)]) == [0, 331])
    #expect(next(1500, [channel(330, 1000), channel(0, 5000)]) == [0, 1000])
    #expect(next(1001, [channel(1000, 1000), channel(0, 5000)]) == [1, 330])
    #expect(next(1001, [channel(1000, 1000), channel(0, 5000, false)]) == nil)
    // A channel too small for its first payment is left out.
    #expect(next(500, [channel(0, 329), channel(0, 400)]) == [1, 400])
    #expect(
      ChannelFill.roomSat([channel(10, 1000), channel(0, 50, false), channel(7, 5)]) == 990)
  }

  private func used(cpu: UInt64 = 0, memory: UInt64 = 0, reserved: UInt64 = 0) -> LeaseUsage {
    LeaseUsage(tasks: UsageVector(cpuMs: cpu, memoryMiBMs: memory), reservedMs: reserved)
  }

  @Test func possibleUsageIsBelieved() throws {
    let contract = try Fixture().contract
    var rule = UsageRule(contract)
    let early = used(cpu: 900, memory: 10_000, reserved: 1000)
    let seen = UsageRule.Observed(connectedMs: 1000, elapsedMs: 1000)
    #expect(rule.reported(early, owedSat: contract.owedSat(early)!, seen) == nil)
    #expect(rule.owedSat == contract.owedSat(early))
    let later = used(cpu: 590_000, memory: 30_000_000, reserved: 599_000)
    let then = UsageRule.Observed(connectedMs: 600_000, elapsedMs: 600_000)
    #expect(rule.reported(later, owedSat: contract.owedSat(later)!, then) == nil)
    // Sent twice, and late: nothing new.
    #expect(rule.reported(early, owedSat: contract.owedSat(early)!, then) == nil)
    #expect(rule.believed == later)
  }

  @Test func impossibleUsageIsRefused() throws {
    let contract = try Fixture().contract
    func refused(
      _ reason: StaticReason, connectedMs: UInt64 = 10_000, elapsedMs: UInt64 = 10_000,
      owedSat: UInt64? = nil, _ change: (inout LeaseUsage) -> Void
    ) {
      var rule = UsageRule(contract)
      let good = used(cpu: 10, memory: 10, reserved: 1000)
      let first = UsageRule.Observed(connectedMs: 1000, elapsedMs: 1000)
      #expect(rule.reported(good, owedSat: contract.owedSat(good)!, first) == nil)
      var claim = good
      claim.reservedMs = 9000
      change(&claim)
      let problem = rule.reported(
        claim, owedSat: owedSat ?? contract.owedSat(claim) ?? .max,
        UsageRule.Observed(connectedMs: connectedMs, elapsedMs: elapsedMs))
      #expect(problem == reason, "\(problem?.text ?? "believed")")
      // What was believed before still stands.
      #expect(rule.believed == good)
    }
    // A thousandth more passes, as clocks differ: of 10 seconds 9 ms, and 2 s once.
    refused("a counter fell") { $0.tasks.cpuMs = 9 }
    refused("more reserved time than the connection lasted") { $0.reservedMs = 12_010 }
    refused("more reserved time than the connection lasted", connectedMs: 1000) {
      $0.reservedMs = 3001
    }
    refused("more processor time than the share allows") { $0.tasks.cpuMs = 12_010 }
    refused("more memory than the share allows") { $0.tasks.memoryMiBMs = 12_010 * 64 }
    refused("more memory than the share allows") { $0.tasks.memoryPeakKiB = 65 << 10 }
    refused("more disk traffic than the contract allows") {
      $0.tasks.diskWriteKiB = 1 << 20 + 1
    }
    refused("more disk traffic than the contract allows") { $0.tasks.diskReadKiB = 1 << 60 }
    refused("more network traffic than the contract allows") {
      $0.tasks.networkKiB = 1 << 22 + 1
    }
    refused("what is owed does not follow from the usage", owedSat: 8) { $0.tasks.cpuMs = 5000 }
    refused("more reserved time than the connection lasted", elapsedMs: .max) {
      $0 = LeaseUsage(
        tasks: UsageVector(cpuMs: .max, memoryMiBMs: .max), reservedMs: .max)
    }
  }

  @Test func trafficIsCutToTheContracts() {
    let traffic = HourlyTraffic(diskKiB: 1000, networkKiB: 3_600_000)
    let usage = UsageVector(diskReadKiB: 999, diskWriteKiB: 1001, networkKiB: .max)
    let charged = TrafficAllowance.charged(usage, traffic, elapsedMs: 5)
    #expect(charged.diskReadKiB == 999 && charged.diskWriteKiB == 1000)
    #expect(charged.networkKiB == 3_600_000)
    let later = TrafficAllowance.charged(usage, traffic, elapsedMs: 7_200_000)
    #expect(later.diskWriteKiB == 1001 && later.networkKiB == 7_200_000)
    #expect(TrafficAllowance.kib(.max, elapsedMs: .max) == .max)
    #expect(TrafficAllowance.kib(0, elapsedMs: .max) == 0)
  }

  @Test func reservationRunsOnlyWhileItIsSet() {
    var clock = ReservationClock()
    clock.set(running: true, nowMs: 100)
    #expect(clock.totalMs(nowMs: 150) == 50)
    clock.set(running: false, nowMs: 200)
    #expect(clock.totalMs(nowMs: 9000) == 100)
    clock.set(running: true, nowMs: 9000)
    clock.set(running: true, nowMs: 9500)
    #expect(clock.totalMs(nowMs: 10_000) == 1100)
    // The monotonic clock of a driver may repeat a moment.
    #expect(clock.totalMs(nowMs: 8000) == 100)
  }

  @Test func aLittleLowerCountIsTakenOver() {
    var clock = ReservationClock(countedMs: 1_024_000)
    #expect(clock.adopt(1_030_000, nowMs: 0) == true)
    #expect(clock.totalMs(nowMs: 0) == 1_024_000)
    #expect(clock.adopt(1_013_000, nowMs: 0) == true)
    #expect(clock.totalMs(nowMs: 0) == 1_013_000)
    #expect(clock.adopt(1_000_000, nowMs: 0) == false)
    #expect(clock.totalMs(nowMs: 0) == 1_013_000)
  }

  @Test func spendingIsBoundedInAnySpan() throws {
    var contract = try Fixture().contract
    contract.priceCeilingSatPerHour = 3600
    contract.publisherMaxLossSat = 500
    var bound = SpendingBound(contract, nowMs: 0)
    #expect(bound.allowanceSat(nowMs: 0) == 500)
    bound.paid(330, nowMs: 0)
    #expect(bound.allowanceSat(nowMs: 0) == 170)
    #expect(bound.allowanceSat(nowMs: 100_000) == 270)
    #expect(bound.allowanceSat(nowMs: 10_000_000) == 500)
    bound.paid(.max, nowMs: 10_000_000)
    #expect(bound.allowanceSat(nowMs: 20_000_000) == 0)
  }
}
