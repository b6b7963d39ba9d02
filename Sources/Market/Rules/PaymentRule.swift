import Bitcoin

/// When a publisher pays. The provider goes first: nothing is paid until what is owed reaches half the
/// provider's loss, or the lease ends; then each payout interval or half the loss, whichever is first.
public struct PaymentRule: Equatable, Sendable {
  let halfLossSat: UInt64
  let payoutIntervalMs: UInt64

  public init(_ contract: Contract) {
    halfLossSat = max(1, contract.providerMaxLossSat / 2)
    payoutIntervalMs = UInt64(contract.payoutIntervalMs)
  }

  /// Whether a payment is due now.
  ///
  /// - Parameters:
  ///   - paidSat: what was signed so far, over all channels.
  ///   - lastPaidAtMs: when; nil before the first payment.
  ///   - isEnding: no more tasks come: everything is paid.
  public func isDue(
    owedSat: UInt64, paidSat: UInt64, lastPaidAtMs: UInt64?, nowMs: UInt64, isEnding: Bool
  ) -> Bool {
    if owedSat <= paidSat { return false }
    if isEnding || owedSat - paidSat >= halfLossSat { return true }
    guard paidSat > 0, let lastPaidAtMs else { return false }
    return nowMs >= lastPaidAtMs + payoutIntervalMs
  }

  /// When ``isDue(owedSat:paidSat:lastPaidAtMs:nowMs:isEnding:)`` changes by time alone; nil where it
  /// does not.
  public func dueAtMs(owedSat: UInt64, paidSat: UInt64, lastPaidAtMs: UInt64?) -> UInt64? {
    if owedSat <= paidSat || paidSat == 0 { return nil }
    return lastPaidAtMs.map { $0 + payoutIntervalMs }
  }
}
