import Bitcoin

/// The provider's rule: a lease runs only while nothing that it can use before the next sample makes
/// `owed − paid` pass the loss that is allowed. Otherwise everything of the lease is frozen. Frozen
/// time is not owed, so a freeze bounds the loss.
///
/// The bound holds for what time bounds: processors, memory and the reservation. Disk and network are
/// bounded by the contract's ``HourlyTraffic``.
public struct FreezeRule: Equatable, Sendable {
  /// The most that can become owed until the next sample.
  public let headroomSat: UInt64

  /// - Parameter sampleMs: the longest time between two samples, late ones included.
  public init(_ rates: RateVector, _ share: ShareLimits, sampleMs: UInt32) {
    var usage = Price.fullUse(share, ms: UInt64(sampleMs))
    // The division of fullUse rounds down: one millisecond more covers it.
    usage.tasks.cpuMs += 1
    headroomSat = Price.owedSat(rates, usage) ?? UInt64.max
  }

  /// - Parameters:
  ///   - owedSat: nil (it does not fit 64 bits) counts as more than any payment.
  ///   - paidSat: what counts: payments on confirmed channels.
  ///   - allowedSat: the contract's loss, or what is left for unconfirmed leases.
  public func mayRun(owedSat: UInt64?, paidSat: UInt64, allowedSat: UInt64) -> Bool {
    guard let owedSat else { return false }
    let (worstSat, overflow) = owedSat.addingReportingOverflow(headroomSat)
    if overflow { return false }
    return worstSat <= paidSat || worstSat - paidSat <= allowedSat
  }
}
