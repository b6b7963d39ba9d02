import Bitcoin

/// The publisher's own bound on spending: in any span of time it pays at most the ceiling's price of that
/// span and its loss limit, whatever a bid, a report or a machine says. A leaky bucket.
public struct SpendingBound: Equatable, Sendable {
  private let ceilingSatPerHour: UInt64
  private let maxLossSat: UInt64
  /// What was paid and has not leaked yet, in sat times 3,600,000.
  private var level: UInt64 = 0
  private var atMs: UInt64

  private static let hourMs: UInt64 = 3_600_000

  public init(_ contract: Contract, nowMs: UInt64) {
    ceilingSatPerHour = contract.priceCeilingSatPerHour
    maxLossSat = contract.publisherMaxLossSat
    atMs = nowMs
  }

  private mutating func leak(nowMs: UInt64) {
    if nowMs <= atMs { return }
    let leaked = Price.saturating(nowMs - atMs, ceilingSatPerHour)
    level = level > leaked ? level - leaked : 0
    atMs = nowMs
  }

  /// How much may be paid now.
  public mutating func allowanceSat(nowMs: UInt64) -> UInt64 {
    leak(nowMs: nowMs)
    let limit = Price.saturating(maxLossSat, SpendingBound.hourMs)
    return limit > level ? (limit - level) / SpendingBound.hourMs : 0
  }

  /// A payment was signed that raised the total by `amountSat`.
  public mutating func paid(_ amountSat: UInt64, nowMs: UInt64) {
    leak(nowMs: nowMs)
    let (sum, overflow) = level.addingReportingOverflow(
      Price.saturating(amountSat, SpendingBound.hourMs))
    level = overflow ? UInt64.max : sum
  }
}
