import Bitcoin

/// The provider's rule: a job runs only while nothing that it can do before the next look makes
/// `owed − paid` pass the contract's number; otherwise it is frozen, and after the grace time it
/// ends. Frozen time is not owed, so a freeze bounds the loss.
///
/// The bound holds for what time bounds: processor, memory and time itself. Jobs' files live in
/// memory; where a disk is charged for, `burst` says what it can do between two looks.
public struct FreezeRule: Equatable, Sendable {
  public enum Decision: UInt8, Equatable, Sendable {
    /// Let it run; thaw it if it is frozen.
    case run = 0
    /// Freeze it, or leave it frozen.
    case freeze = 1
    /// The grace time is over: end the job and collect what was paid.
    case end = 2
  }

  public let providerMaxLossSat: UInt64
  public let graceMs: UInt32
  /// The most that can become owed until the next look.
  public let headroomSat: UInt64
  /// When the job was frozen; nil while it runs. On the clock of `nowMs`.
  public private(set) var frozenSinceMs: UInt64?

  /// - Parameters:
  ///   - lookMs: the longest time between two calls of ``decide(owedSat:paidSat:nowMs:)``.
  ///   - burst: what disk and network may add between two looks; nothing by default.
  public init(
    _ contract: Contract, limits: ResourceLimits, lookMs: UInt32,
    burst: UsageVector = UsageVector()
  ) {
    providerMaxLossSat = contract.providerMaxLossSat
    graceMs = contract.graceMs
    headroomSat = FreezeRule.headroomSat(
      contract.rates, limits: limits, lookMs: lookMs, burst: burst)
  }

  /// The most that can become owed between two looks. A job whose number is below that can run only
  /// while it is paid ahead: nobody should bid for it.
  public static func headroomSat(
    _ rates: RateVector, limits: ResourceLimits, lookMs: UInt32,
    burst: UsageVector = UsageVector()
  ) -> UInt64 {
    var usage = Price.fullUse(limits, ms: UInt64(lookMs))
    usage.diskReadKiB = burst.diskReadKiB
    usage.diskWriteKiB = burst.diskWriteKiB
    usage.networkKiB = burst.networkKiB
    // The division of fullUse rounds down: one millisecond more of each covers it.
    usage.cpuMs += 1
    return Price.owedSat(rates, usage) ?? UInt64.max
  }

  init(providerMaxLossSat: UInt64, graceMs: UInt32, headroomSat: UInt64) {
    self.providerMaxLossSat = providerMaxLossSat
    self.graceMs = graceMs
    self.headroomSat = headroomSat
  }

  /// `owedSat` nil (it does not fit 64 bits) counts as more than any payment.
  public mutating func decide(owedSat: UInt64?, paidSat: UInt64, nowMs: UInt64) -> Decision {
    if let owedSat, mayRun(owedSat: owedSat, paidSat: paidSat) {
      frozenSinceMs = nil
      return .run
    }
    let since = frozenSinceMs ?? nowMs
    frozenSinceMs = since
    return nowMs >= since && nowMs - since >= UInt64(graceMs) ? .end : .freeze
  }

  private func mayRun(owedSat: UInt64, paidSat: UInt64) -> Bool {
    let (worstSat, overflow) = owedSat.addingReportingOverflow(headroomSat)
    if overflow { return false }
    return worstSat <= paidSat || worstSat - paidSat <= providerMaxLossSat
  }
}
