import Hiring
import Market

/// Warns once, at the first contract, if the chain fees exceed what the lease's work can cost.
struct CostWarning {
  let workers: UInt16
  /// The longest use of the lease.
  let workMs: UInt64
  private var isSaid = false

  init(workers: UInt16, workMs: UInt64) {
    self.workers = workers
    self.workMs = workMs
  }

  /// - Parameter body: a stored ``LeaseRecord``.
  mutating func text(_ body: [UInt8], feeRateSatPerKvB: UInt64) -> String? {
    if isSaid { return nil }
    guard let contract = LeaseRecord.decode(body)?.contract.body else { return nil }
    isSaid = true
    return ChainCosts.warning(
      workers: workers,
      hourlySat: Price.hourlySat(contract.rates, contract.share) ?? UInt64.max, workMs: workMs,
      feeRateSatPerKvB: feeRateSatPerKvB)
  }
}
