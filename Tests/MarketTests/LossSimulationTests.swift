import Bitcoin
import Channel
import Foundation
import Market
import TestSupport
import Testing

/// A job and both rules on a simulated clock, each against the worst that the other side can do.
/// `ZENNET_SEEDS` says how many runs.
struct LossSimulationTests {
  private static let seeds =
    Int(ProcessInfo.processInfo.environment["ZENNET_SEEDS"] ?? "") ?? 300

  private static let lookMs: UInt64 = 100

  /// Rates, loss numbers and limits of any plausible size.
  private func contract(_ random: inout SeededGenerator) throws -> (Contract, ResourceLimits) {
    var contract = try Fixture().contract
    let scale = UInt64(1) << UInt64(random.int(0...20))
    contract.rates = RateVector(
      cpuPsatPerMs: 1_000_000 * scale, memoryPsatPerMiBMs: 10_000 * scale,
      wallPsatPerMs: 100_000 * scale)
    var limits = Fixture.limits
    limits.milliCpus = UInt32(random.int(1...4000))
    limits.memoryMiB = UInt32(random.int(1...4096))
    let look = FreezeRule(contract, limits: limits, lookMs: UInt32(Self.lookMs))
    contract.providerMaxLossSat = look.headroomSat + UInt64(random.int(0...50))
    contract.openingPaymentSat = UInt64(random.int(600...2000))
    contract.publisherMaxLossSat = contract.openingPaymentSat + UInt64(random.int(0...100))
    contract.terms.capacitySat = UInt64(random.int(5000...500_000))
    contract.graceMs = UInt32(random.int(100...3000))
    return (contract, limits)
  }

  /// What a hungry job uses in `ms`, never more than its limits.
  private func use(
    _ usage: inout UsageVector, _ limits: ResourceLimits, ms: UInt64, frozen: Bool,
    _ random: inout SeededGenerator
  ) {
    usage.wallMs += ms
    if frozen {
      usage.frozenMs += ms
      return
    }
    let share = random.once(in: 3) ? UInt64(random.int(0...1000)) : 1000
    usage.cpuMs += ms * UInt64(limits.milliCpus) / 1000 * share / 1000
    usage.memoryMiBMs += ms * UInt64(limits.memoryMiB) * share / 1000
    usage.memoryPeakKiB = max(usage.memoryPeakKiB, UInt64(limits.memoryMiB) * share * 1024 / 1000)
  }

  /// The publisher pays late, too little, or not at all. The provider loses at most its number, and
  /// no job stays frozen beyond the grace time.
  @Test func providerLosesAtMostItsNumber() throws {
    for seed in 1...Self.seeds {
      var random = SeededGenerator(seed: UInt64(seed))
      let (contract, limits) = try contract(&random)
      var rule = FreezeRule(contract, limits: limits, lookMs: UInt32(Self.lookMs))
      #expect(rule.headroomSat <= contract.providerMaxLossSat)
      var usage = UsageVector()
      var paid = contract.openingPaymentSat
      var stopsPaying = false
      var unpaidMs: UInt64 = 0
      var nowMs: UInt64 = 0
      for _ in 0..<400 {
        let owed = Price.owedSat(contract.rates, usage)
        let decision = rule.decide(owedSat: owed, paidSat: paid, nowMs: nowMs)
        if decision == .end { break }
        // Looks come late now and then, never later than was said.
        let ms = UInt64(random.int(1...Int(Self.lookMs)))
        use(&usage, limits, ms: ms, frozen: decision == .freeze, &random)
        nowMs += ms
        let after = Price.owedSat(contract.rates, usage) ?? .max
        #expect(
          after <= paid || after - paid <= contract.providerMaxLossSat,
          "seed \(seed): owed \(after), paid \(paid)")
        if decision == .freeze { unpaidMs += ms } else { unpaidMs = 0 }
        #expect(unpaidMs < UInt64(contract.graceMs) + Self.lookMs, "seed \(seed): frozen for ever")
        if random.once(in: 100) { stopsPaying = true }
        if !stopsPaying && random.once(in: 4) && after > paid {
          paid += UInt64(random.int(0...Int(min(after - paid, 1000))))
        }
      }
    }
  }

  /// The provider reports what it likes: the publisher never pays further ahead than its number,
  /// and never for more than the job could have used in the time that passed.
  @Test func publisherLosesAtMostItsNumber() throws {
    var refusals = 0
    var payments = 0
    for seed in 1...Self.seeds {
      var random = SeededGenerator(seed: UInt64(seed))
      let (contract, limits) = try contract(&random)
      var rule = PublisherRule(contract, limits: limits, maxResultBytes: 0)
      var claimed = UsageVector()
      var paid: UInt64 = 0
      var elapsedMs: UInt64 = 0
      for turn in 1...100 {
        elapsedMs += UInt64(random.int(0...500))
        var claim = claimed
        let greed = UInt64(random.int(0...800))
        claim.wallMs += greed
        claim.cpuMs += greed * UInt64(random.int(0...5000)) / 1000
        claim.memoryMiBMs += greed * UInt64(random.int(0...5000))
        claim.memoryPeakKiB = max(
          claim.memoryPeakKiB, UInt64(limits.memoryMiB) * UInt64(random.int(0...1030)))
        if random.once(in: 20) { claim.cpuMs = random.next() }
        if random.once(in: 20) { claim.wallMs = random.next() >> 20 }
        if random.once(in: 20) { claim.cpuMs /= 2 }
        var owed = Price.owedSat(contract.rates, claim) ?? .max
        if random.once(in: 20) { owed += UInt64(random.int(1...100)) }
        let report = UsageReport(
          sequence: UInt64(turn), usage: claim, owedSat: owed, isFrozen: false)
        switch rule.usageReported(report, elapsedMs: elapsedMs, paidSat: paid) {
        case .pay(let amountSat):
          #expect(amountSat > paid)
          paid = amountSat
          payments += 1
          claimed = claim
        case .wait, .exhausted: claimed = claim
        case .refuse: refusals += 1
        }
        #expect(paid <= contract.terms.capacitySat)
        #expect(
          paid <= rule.owedSat || paid - rule.owedSat <= contract.publisherMaxLossSat,
          "seed \(seed): paid \(paid), owed \(rule.owedSat)")
        // Full use of the time that passed, with the tolerance, bounds every lie.
        let mostMs = elapsedMs + 2 * rule.toleranceMs
        let most = UsageVector(
          cpuMs: mostMs * UInt64(limits.milliCpus) / 1000,
          memoryMiBMs: mostMs * UInt64(limits.memoryMiB), wallMs: mostMs)
        let bound = max(contract.openingPaymentSat, Price.owedSat(contract.rates, most) ?? .max)
        #expect(paid <= bound, "seed \(seed): paid \(paid), possible \(bound)")
      }
    }
    #expect(refusals > 0 && payments > 0)
  }

  /// Both sides honest: the job is paid to the last sat, and freezes only for want of a payment.
  @Test func honestSidesAgreeToTheSat() throws {
    for seed in 1...Self.seeds {
      var random = SeededGenerator(seed: UInt64(seed))
      let (contract, limits) = try contract(&random)
      var freeze = FreezeRule(contract, limits: limits, lookMs: UInt32(Self.lookMs))
      var rule = PublisherRule(contract, limits: limits, maxResultBytes: 0)
      var usage = UsageVector()
      var paid: UInt64 = 0
      if case .pay(let amountSat) = rule.due(paidSat: paid) { paid = amountSat }
      var nowMs: UInt64 = 0
      for turn in 1...200 {
        let owed = Price.owedSat(contract.rates, usage)!
        let decision = freeze.decide(owedSat: owed, paidSat: paid, nowMs: nowMs)
        if paid < contract.terms.capacitySat { #expect(decision == .run, "seed \(seed)") }
        use(&usage, limits, ms: Self.lookMs, frozen: decision != .run, &random)
        nowMs += Self.lookMs
        let report = UsageReport(
          sequence: UInt64(turn), usage: usage, owedSat: Price.owedSat(contract.rates, usage)!,
          isFrozen: decision != .run)
        switch rule.usageReported(report, elapsedMs: nowMs, paidSat: paid) {
        case .pay(let amountSat): paid = amountSat
        case .refuse(let reason): Issue.record("seed \(seed): refused: \(reason.text)")
        case .wait: #expect(paid >= report.owedSat)
        case .exhausted: #expect(paid == contract.terms.capacitySat)
        }
      }
    }
  }
}
