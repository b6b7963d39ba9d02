import Bitcoin
import Channel
import Foundation
import Market
import TestSupport
import Testing

/// A lease and both sides' rules on a simulated clock, each against the worst that the other side can
/// do. `ZENNET_SEEDS` sets the number of runs.
struct LossSimulationTests {
  private static let seeds =
    Int(ProcessInfo.processInfo.environment["ZENNET_SEEDS"] ?? "") ?? 300

  private static let sampleMs: UInt64 = 100

  /// Rates, loss limits and shares of any plausible size.
  private func contract(_ random: inout SeededGenerator) throws -> Contract {
    var contract = try Fixture().contract
    let scale = UInt64(1) << UInt64(random.int(0...20))
    contract.rates = RateVector(
      cpuPsatPerMs: 1_000_000 * scale, memoryPsatPerMiBMs: 10_000 * scale,
      reservedPsatPerMs: 100_000 * scale)
    contract.share.milliCpus = UInt32(random.int(1...4000))
    contract.share.memoryMiB = UInt32(random.int(1...4096))
    let headroomSat = freezeRule(contract).headroomSat
    contract.providerMaxLossSat = max(10, 4 * headroomSat + UInt64(random.int(0...50)))
    contract.priceCeilingSatPerHour = try #require(
      Price.worstHourlySat(contract.rates, contract.share, traffic: contract.traffic))
    contract.publisherMaxLossSat =
      330 + contract.providerMaxLossSat + UInt64(random.int(0...2000))
    contract.terms.capacitySat = UInt64(random.int(20_000...500_000))
    return contract
  }

  private func freezeRule(_ contract: Contract) -> FreezeRule {
    FreezeRule(contract.rates, contract.share, sampleMs: UInt32(Self.sampleMs))
  }

  /// What hungry tasks use in `ms`, never more than their share.
  private func use(
    _ usage: inout LeaseUsage, _ share: ShareLimits, ms: UInt64, _ random: inout SeededGenerator
  ) {
    let part = random.once(in: 3) ? UInt64(random.int(0...1000)) : 1000
    usage.reservedMs += ms
    usage.tasks.wallMs += ms
    usage.tasks.cpuMs += ms * UInt64(share.milliCpus) / 1000 * part / 1000
    usage.tasks.memoryMiBMs += ms * UInt64(share.memoryMiB) * part / 1000
    usage.tasks.memoryPeakKiB = max(
      usage.tasks.memoryPeakKiB, UInt64(share.memoryMiB) * part * 1024 / 1000)
  }

  private func pay(_ owedSat: UInt64, _ paidSat: UInt64, _ contract: Contract) -> UInt64 {
    let channel = ChannelFill.Channel(
      paidSat: paidSat, maxPayableSat: contract.terms.maxPayableSat, takesPayments: true)
    return ChannelFill.next(
      owedSat: owedSat, [channel], firstPaymentSat: contract.firstPaymentSat)?.totalSat ?? paidSat
  }

  /// The publisher pays late, too little, or not at all: the provider loses at most its limit.
  @Test func providerLosesAtMostItsLimit() throws {
    for seed in 1...Self.seeds {
      var random = SeededGenerator(seed: UInt64(seed))
      let contract = try contract(&random)
      let rule = freezeRule(contract)
      #expect(
        RiskRule.suits(headroomSat: rule.headroomSat, maxLossSat: contract.providerMaxLossSat))
      var usage = LeaseUsage()
      var paid: UInt64 = 0
      var stopsPaying = false
      var frozen = 0
      for _ in 0..<400 {
        let runs = rule.mayRun(
          owedSat: contract.owedSat(usage), paidSat: paid,
          allowedSat: contract.providerMaxLossSat)
        // Samples come late now and then, never later than the rule covers.
        let ms = UInt64(random.int(1...Int(Self.sampleMs)))
        if runs { use(&usage, contract.share, ms: ms, &random) } else { frozen += 1 }
        let owed = contract.owedSat(usage) ?? .max
        #expect(
          owed <= paid || owed - paid <= contract.providerMaxLossSat,
          "seed \(seed): owed \(owed), paid \(paid)")
        if random.once(in: 100) { stopsPaying = true }
        if !stopsPaying && random.once(in: 4) && owed > paid {
          paid += UInt64(random.int(0...Int(min(owed - paid, 1000))))
        }
      }
      if stopsPaying && rule.headroomSat > 3 { #expect(frozen > 0, "seed \(seed)") }
    }
  }

  /// The provider reports what it likes: the publisher never pays for more than the share could have
  /// used in the time that passed, and in any span no more than the ceiling allows beside its loss.
  @Test func publisherLosesAtMostItsLimit() throws {
    var refusals = 0
    var payments = 0
    for seed in 1...Self.seeds {
      var random = SeededGenerator(seed: UInt64(seed))
      let contract = try contract(&random)
      var rule = UsageRule(contract)
      var bound = SpendingBound(contract, nowMs: 0)
      let timing = PaymentRule(contract)
      var claimed = LeaseUsage()
      var paid: UInt64 = 0
      var lastPaidAtMs: UInt64?
      var elapsedMs: UInt64 = 0
      var history: [(atMs: UInt64, paidSat: UInt64)] = [(0, 0)]
      for _ in 1...100 {
        elapsedMs += UInt64(random.int(0...500))
        var claim = claimed
        let greed = UInt64(random.int(0...800))
        claim.reservedMs += greed
        claim.tasks.cpuMs += greed * UInt64(random.int(0...5000)) / 1000
        claim.tasks.memoryMiBMs += greed * UInt64(random.int(0...5000))
        claim.tasks.memoryPeakKiB = max(
          claim.tasks.memoryPeakKiB,
          UInt64(contract.share.memoryMiB) * UInt64(random.int(0...1030)))
        if random.once(in: 20) { claim.tasks.cpuMs = random.next() }
        if random.once(in: 20) { claim.reservedMs = random.next() >> 20 }
        if random.once(in: 20) { claim.tasks.cpuMs /= 2 }
        var owed = contract.owedSat(claim) ?? .max
        if random.once(in: 20) { owed &+= UInt64(random.int(1...100)) }
        let seen = UsageRule.Observed(connectedMs: elapsedMs, elapsedMs: elapsedMs)
        if rule.reported(claim, owedSat: owed, seen) == nil {
          claimed = rule.believed
        } else {
          refusals += 1
        }
        let isDue = timing.isDue(
          owedSat: rule.owedSat, paidSat: paid, lastPaidAtMs: lastPaidAtMs, nowMs: elapsedMs,
          isEnding: false)
        if isDue {
          let total = pay(rule.owedSat, paid, contract)
          if total > paid && total - paid <= bound.allowanceSat(nowMs: elapsedMs) {
            bound.paid(total - paid, nowMs: elapsedMs)
            paid = total
            lastPaidAtMs = elapsedMs
            payments += 1
          }
        }
        history.append((elapsedMs, paid))
        #expect(paid <= contract.terms.maxPayableSat)
        #expect(paid <= max(rule.owedSat, contract.firstPaymentSat), "seed \(seed)")
        // Full use of the time that passed, with the tolerance, bounds every lie.
        let most = Price.fullUse(contract.share, ms: elapsedMs + elapsedMs / 1000 + 2_001)
        let possible = max(contract.firstPaymentSat, contract.owedSat(most) ?? .max)
        #expect(paid <= possible, "seed \(seed): paid \(paid), possible \(possible)")
        for earlier in history {
          let span = elapsedMs - earlier.atMs
          let allowed =
            contract.priceCeilingSatPerHour.multipliedReportingOverflow(by: span).partialValue
            / 3_600_000 + contract.publisherMaxLossSat + 1
          // Millions of these: `#expect` would take most of the time.
          if paid - earlier.paidSat > allowed { Issue.record("seed \(seed): in \(span) ms") }
        }
      }
    }
    #expect(refusals > 0 && payments > 0)
  }

  /// Both sides honest: the books agree to the sat, and the lease freezes only where the channel is full.
  @Test func honestSidesAgreeToTheSat() throws {
    for seed in 1...Self.seeds {
      var random = SeededGenerator(seed: UInt64(seed))
      let contract = try contract(&random)
      let freeze = freezeRule(contract)
      var rule = UsageRule(contract)
      let timing = PaymentRule(contract)
      var usage = LeaseUsage()
      var paid: UInt64 = 0
      var lastPaidAtMs: UInt64?
      var nowMs: UInt64 = 0
      for turn in 1...200 {
        let runs = freeze.mayRun(
          owedSat: contract.owedSat(usage), paidSat: paid,
          allowedSat: contract.providerMaxLossSat)
        if paid < contract.terms.maxPayableSat { #expect(runs, "seed \(seed)") }
        if runs { use(&usage, contract.share, ms: Self.sampleMs, &random) }
        nowMs += Self.sampleMs
        let owed = contract.owedSat(usage)!
        let seen = UsageRule.Observed(connectedMs: nowMs, elapsedMs: nowMs)
        #expect(rule.reported(usage, owedSat: owed, seen) == nil, "seed \(seed)")
        #expect(rule.owedSat == owed)
        let isDue = timing.isDue(
          owedSat: owed, paidSat: paid, lastPaidAtMs: lastPaidAtMs, nowMs: nowMs,
          isEnding: turn == 200)
        if isDue {
          paid = pay(owed, paid, contract)
          lastPaidAtMs = nowMs
        }
      }
      let owed = contract.owedSat(usage)!
      #expect(paid >= min(owed, contract.terms.maxPayableSat), "seed \(seed)")
    }
  }
}
