import Bitcoin
import Channel
import Market

/// The chain fees of a lease: its part of the announcement and of the funding transaction, and the
/// close.
public enum ChainCosts {
  /// Virtual bytes: an announcement with change; a funding transaction without channels; each
  /// channel in it.
  private static let announcementBytes: UInt64 = 290
  private static let fundingBytes: UInt64 = 111
  private static let channelBytes: UInt64 = 43

  /// The fees of one of `workers` leases with one channel, in sat.
  public static func satPerLease(workers: UInt16, feeRateSatPerKvB: UInt64) -> UInt64 {
    let shared = announcementBytes + fundingBytes
    let own = channelBytes + UInt64(ClosingTransaction.maxVirtualSize)
    let count = UInt64(max(workers, 1))
    let perLease = (shared + count - 1) / count + own
    let rate = min(feeRateSatPerKvB, UInt64(ChannelTerms.maxFeeRateSatPerKvB))
    return (perLease * rate + 999) / 1000 + (Amount.dustSat + count - 1) / count
  }

  /// A warning if a lease's work can cost less than its chain fees; nil otherwise.
  /// - Parameters:
  ///   - hourlySat: the price of an hour of full use.
  ///   - workMs: the longest use of the lease.
  public static func warning(
    workers: UInt16, hourlySat: UInt64, workMs: UInt64, feeRateSatPerKvB: UInt64
  ) -> String? {
    let chainSat = satPerLease(workers: workers, feeRateSatPerKvB: feeRateSatPerKvB)
    let product = hourlySat.multipliedFullWidth(by: workMs)
    if product.high >= 3_600_000 { return nil }
    let workSat = UInt64(3_600_000).dividingFullWidth(product).quotient
    if workSat >= chainSat { return nil }
    return "short for a lease: its work costs at most \(workSat) sat, its chain fees about "
      + "\(chainSat) sat; use longer leases, more workers at once or a network with lower fees"
  }
}
