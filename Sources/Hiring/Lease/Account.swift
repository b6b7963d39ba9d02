import Bitcoin
import Bytes
import Market

/// What a lease owes, from the accepted usage reports, and when payments are due.
struct Account {
  private let contract: Contract
  private let time: LeaseTime
  private let payments: PaymentRule
  private var rule: UsageRule
  private var bound: SpendingBound
  private var clock: ReservationClock
  private var allowance: UseAllowance
  /// The capped amount of a report after the end that exceeded the allowance; the most that is
  /// paid.
  private var cappedSat: UInt64?
  private var lastPaidAtMs: UInt64?

  /// The result of a usage report.
  enum Verdict: Equatable {
    case believed
    /// After the end: above the grace's allowance; paid up to the allowance, and not signed.
    case capped
    case implausible(StaticReason)
  }

  /// A lease that opens now.
  init(_ contract: Contract, _ now: Instant) {
    self.contract = contract
    time = LeaseTime(openedAt: now)
    payments = PaymentRule(contract)
    rule = UsageRule(contract)
    bound = SpendingBound(contract, nowMs: now.nowMs)
    clock = ReservationClock()
    allowance = UseAllowance()
  }

  /// Restores a lease. Assumes that tasks ran during the downtime, and that the reservation ran for
  /// at most one store interval after the last store.
  init(_ contract: Contract, restoring progress: LeaseProgress, _ now: Instant) {
    self.contract = contract
    time = LeaseTime(openedUnixSeconds: progress.openedUnixSeconds, now)
    payments = PaymentRule(contract)
    rule = UsageRule(contract, believed: progress.usage)
    bound = SpendingBound(contract, nowMs: now.nowMs)
    var reservedMs = progress.reservedMs
    if progress.isReserved && now.unixSeconds > progress.storedUnixSeconds {
      let passedMs = (now.unixSeconds - progress.storedUnixSeconds) * 1000
      reservedMs += min(passedMs, HiringTimes.progressMs)
    }
    clock = ReservationClock(countedMs: reservedMs)
    if progress.usableMs > 0 {
      allowance = UseAllowance(countedMs: progress.usableMs)
      allowance.end(atMs: 0)
    } else {
      allowance = UseAllowance(countedMs: time.elapsedMs(now))
    }
    lastPaidAtMs = progress.payments > 0 ? now.nowMs : nil
  }

  // MARK: Clocks

  /// Starts or stops the reservation clock. It runs while the session is up and the lease runs.
  mutating func set(reserved: Bool, _ now: Instant) {
    clock.set(running: reserved, nowMs: now.nowMs)
  }

  var isReserved: Bool { clock.isRunning }
  func reservedMs(_ now: Instant) -> UInt64 { clock.totalMs(nowMs: now.nowMs) }

  /// Starts or stops the clock of possible use. It runs while a task may be running.
  mutating func set(inUse: Bool, _ now: Instant) {
    allowance.set(inUse: inUse, atMs: time.elapsedMs(now))
  }

  /// Ends the lease: use counts for `graceMs` more.
  mutating func end(graceMs: UInt64, _ now: Instant) {
    clock.set(running: false, nowMs: now.nowMs)
    allowance.end(atMs: time.elapsedMs(now) + graceMs)
  }

  /// For ``LeaseProgress/usableMs``; 0 before the end.
  var usableMs: UInt64 { allowance.finalMs.map { max($0, 1) } ?? 0 }

  // MARK: Reports

  var usage: LeaseUsage { rule.believed }

  /// The amount owed by the accepted reports.
  var owedSat: UInt64 { cappedSat ?? rule.owedSat }

  mutating func reported(_ usage: LeaseUsage, owedSat: UInt64, _ now: Instant) -> Verdict {
    let before = rule
    let elapsedMs = time.elapsedMs(now)
    let observed = UsageRule.Observed(
      connectedMs: clock.totalMs(nowMs: now.nowMs), elapsedMs: elapsedMs)
    var problem = rule.reported(usage, owedSat: owedSat, observed)
    if problem == nil, rule.believed != before.believed, !allows(usage.tasks, elapsedMs) {
      problem = "more use than there was time for"
    }
    guard let problem else {
      cappedSat = nil
      return .believed
    }
    rule = before
    if !allowance.hasEnd { return .implausible(problem) }
    cappedSat = max(rule.owedSat, min(owedSat, mostOwedSat(elapsedMs, now)))
    return .capped
  }

  private func usableMs(_ elapsedMs: UInt64) -> UInt64 {
    let ms = allowance.totalMs(atMs: elapsedMs)
    return ms + ms >> 10 + UsageRule.toleranceMs
  }

  private func allows(_ tasks: UsageVector, _ elapsedMs: UInt64) -> Bool {
    let most = Price.fullUse(contract.share, ms: usableMs(elapsedMs)).tasks
    return tasks.cpuMs <= most.cpuMs && tasks.memoryMiBMs <= most.memoryMiBMs
  }

  /// After the end: the most that can be owed.
  private func mostOwedSat(_ elapsedMs: UInt64, _ now: Instant) -> UInt64 {
    var most = Price.fullUse(contract.share, ms: usableMs(elapsedMs))
    most.reservedMs = clock.totalMs(nowMs: now.nowMs)
    // This side cannot bound disk and network use; the accepted reports count.
    most.tasks.diskReadKiB = rule.believed.tasks.diskReadKiB
    most.tasks.diskWriteKiB = rule.believed.tasks.diskWriteKiB
    most.tasks.networkKiB = rule.believed.tasks.networkKiB
    return contract.owedSat(most) ?? rule.owedSat
  }

  // MARK: Payments

  /// The total to have paid now; nil if nothing is due or the spending bound allows nothing.
  mutating func dueSat(paidSat: UInt64, isEnding: Bool, _ now: Instant) -> UInt64? {
    let isDue = payments.isDue(
      owedSat: owedSat, paidSat: paidSat, lastPaidAtMs: lastPaidAtMs, nowMs: now.nowMs,
      isEnding: isEnding)
    if !isDue { return nil }
    let allowedSat = bound.allowanceSat(nowMs: now.nowMs)
    return allowedSat == 0 ? nil : min(owedSat, paidSat + allowedSat)
  }

  mutating func paid(_ amountSat: UInt64, _ now: Instant) {
    bound.paid(amountSat, nowMs: now.nowMs)
    lastPaidAtMs = now.nowMs
  }

  /// When a payment falls due without a further report.
  mutating func dueAtMs(paidSat: UInt64, isEnding: Bool, _ now: Instant) -> UInt64? {
    if owedSat <= paidSat { return nil }
    if dueSat(paidSat: paidSat, isEnding: isEnding, now) != nil {
      // Due, but the channels have no room: retry later.
      return now.nowMs + HiringTimes.retryMs
    }
    if bound.allowanceSat(nowMs: now.nowMs) == 0 { return now.nowMs + HiringTimes.retryMs }
    return payments.dueAtMs(owedSat: owedSat, paidSat: paidSat, lastPaidAtMs: lastPaidAtMs)
  }
}
