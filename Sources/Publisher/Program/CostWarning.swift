import Hiring
import Market

/// Says once, when a machine is hired, that the chain takes more of its lease than its work can cost.
struct CostWarning {
  let workers: UInt16
  /// How long the lease is used at most.
  let workMs: UInt64
  private var isSaid = false

  init(workers: UInt16, workMs: UInt64) {
    self.workers = workers
    self.workMs = workMs
  }

  /// - Parameter body: a lease's record, as it is stored.
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
