import Bitcoin
import Channel

/// The publisher's rule: pay what is owed by its own computation, if the reported usage is possible
/// at all, and never further ahead than the contract's number.
public struct PublisherRule: Equatable, Sendable {
  public enum Decision: Equatable, Sendable {
    /// Everything that is owed is paid.
    case wait
    /// Sign a payment of this total.
    case pay(amountSat: UInt64)
    /// The channel is paid out and more is owed: end the job, or let it freeze.
    case exhausted
    /// The report cannot be true: pay nothing more, and end the job.
    case refuse(StaticReason)
  }

  /// Faster than any disk that this is meant for: 2 GiB/s.
  static let maxDiskKiBPerMs: UInt64 = 2048
  /// What terminals and retries may add to the bundle and the results: 1 MiB/s.
  static let maxNetworkKiBPerMs: UInt64 = 1

  public let contract: Contract
  public let limits: ResourceLimits
  public let maxResultBytes: UInt64
  /// How far the provider's clock may be ahead: latency, and the time before `started` was heard. No two
  /// clocks go alike, so a thousandth of all time comes to it.
  public let toleranceMs: UInt64
  /// The last report that was believed.
  public private(set) var last: UsageReport?

  public init(
    _ contract: Contract, limits: ResourceLimits, maxResultBytes: UInt64,
    toleranceMs: UInt64 = 2_000
  ) {
    self.contract = contract
    self.limits = limits
    self.maxResultBytes = maxResultBytes
    self.toleranceMs = toleranceMs
  }

  /// The total that is paid before the job starts.
  public var openingSat: UInt64 { contract.openingPaymentSat }

  /// What is owed for the last report that was believed.
  public var owedSat: UInt64 { last?.owedSat ?? 0 }

  /// A report arrived, `elapsedMs` after the job's start was heard, with `paidSat` signed so far.
  /// A report that says no more than the last changes nothing: it was seen already, or the machine was
  /// restarted and forgot the last of what the job used. Its numbers begin anew then.
  public mutating func usageReported(
    _ report: UsageReport, elapsedMs: UInt64, paidSat: UInt64
  ) -> Decision {
    if let last, last.usage.isAtLeast(report.usage) { return due(paidSat: paidSat) }
    if let problem = problem(report, elapsedMs: elapsedMs) { return .refuse(problem) }
    last = report
    return due(paidSat: paidSat)
  }

  /// What to pay now, for the last report that was believed.
  public func due(paidSat: UInt64) -> Decision {
    let wantedSat = max(owedSat, openingSat)
    let targetSat = min(wantedSat, contract.terms.capacitySat)
    if targetSat > paidSat { return .pay(amountSat: targetSat) }
    return owedSat > paidSat ? .exhausted : .wait
  }

  private func problem(_ report: UsageReport, elapsedMs: UInt64) -> StaticReason? {
    let usage = report.usage
    if let last, !usage.isAtLeast(last.usage) { return "a counter fell" }
    if usage.frozenMs > usage.wallMs { return "frozen for longer than it ran" }
    let (latestMs, overflow) = elapsedMs.addingReportingOverflow(elapsedMs >> 10 + toleranceMs)
    if overflow || usage.wallMs > latestMs { return "more time than has passed" }
    if usage.runningMs > limits.wallMs + toleranceMs { return "more time than the limit" }
    // Processors are counted by a clock of the kernel's that nobody corrects.
    let runningMs = usage.runningMs + usage.runningMs >> 10 + toleranceMs
    let cpuMost = Price.saturating(runningMs, UInt64(limits.milliCpus)) / 1000
    if usage.cpuMs > cpuMost { return "more processor time than the limit allows" }
    // Memory stays held while a job is frozen; whether it is charged is the provider's choice.
    let memoryMost = Price.saturating(usage.wallMs + toleranceMs, UInt64(limits.memoryMiB))
    if usage.memoryMiBMs > memoryMost || usage.memoryPeakKiB >> 10 > UInt64(limits.memoryMiB) {
      return "more memory than the limit allows"
    }
    // A machine that counts no peak counts no memory: what it holds now is what it held at least.
    let heldMost = Price.saturating(usage.wallMs + toleranceMs, usage.memoryPeakKiB)
    if usage.memoryMiBMs > heldMost >> 10 { return "more memory over time than at any one time" }
    let diskMost = Price.saturating(runningMs, PublisherRule.maxDiskKiBPerMs)
    if usage.diskReadKiB > diskMost || usage.diskWriteKiB > diskMost {
      return "more disk traffic than any disk can do"
    }
    let transfersKiB = contract.bundleBytes / 1024 + maxResultBytes / 1024
    if usage.networkKiB > 2 * transfersKiB + runningMs * PublisherRule.maxNetworkKiBPerMs {
      return "more network traffic than there was"
    }
    guard let owedSat = Price.owedSat(contract.rates, usage) else { return "more than can be owed" }
    if owedSat != report.owedSat { return "what is owed does not follow from the usage" }
    return nil
  }
}
