import Bitcoin

/// Which usage of a lease a publisher believes: what its share can have used in the time that passed.
public struct UsageRule: Equatable, Sendable {
  /// What the publisher itself knows at the time of a report.
  public struct Observed: Equatable, Sendable {
    /// Time in which the session was up and the lease neither frozen, paused nor unready.
    public var connectedMs: UInt64
    /// Time since the lease opened.
    public var elapsedMs: UInt64

    public init(connectedMs: UInt64, elapsedMs: UInt64) {
      self.connectedMs = connectedMs
      self.elapsedMs = elapsedMs
    }
  }

  /// How far the provider's clock may be ahead, once a lease. Clocks differ in speed too: a thousandth
  /// of all time is added.
  public static let toleranceMs: UInt64 = 2_000

  let contract: Contract
  /// The last usage that was believed.
  public private(set) var believed = LeaseUsage()

  public init(_ contract: Contract, believed: LeaseUsage = LeaseUsage()) {
    self.contract = contract
    self.believed = believed
  }

  /// What is owed for the last usage that was believed.
  public var owedSat: UInt64 { contract.owedSat(believed) ?? UInt64.max }

  /// A report arrived. Nil where it is believed; else why it cannot be true. A report that is nowhere
  /// above the last one is ignored: the provider may have lost the latest samples in a restart.
  public mutating func reported(
    _ usage: LeaseUsage, owedSat: UInt64, _ observed: Observed
  ) -> StaticReason? {
    if believed.isAtLeast(usage) { return nil }
    if !usage.isAtLeast(believed) { return "a counter fell" }
    if let problem = problem(usage, observed) { return problem }
    guard let ours = contract.owedSat(usage) else { return "more than can be owed" }
    if ours != owedSat { return "what is owed does not follow from the usage" }
    believed = usage
    return nil
  }

  private func problem(_ usage: LeaseUsage, _ observed: Observed) -> StaticReason? {
    if usage.reservedMs > UsageRule.withTolerance(observed.connectedMs) {
      return "more reserved time than the connection lasted"
    }
    let share = contract.share
    let tasks = usage.tasks
    let mostMs = UsageRule.withTolerance(observed.elapsedMs)
    if tasks.cpuMs > Price.saturating(mostMs, UInt64(share.milliCpus)) / 1000 {
      return "more processor time than the share allows"
    }
    if tasks.memoryMiBMs > Price.saturating(mostMs, UInt64(share.memoryMiB))
      || tasks.memoryPeakKiB >> 10 > UInt64(share.memoryMiB)
    {
      return "more memory than the share allows"
    }
    let diskKiB = TrafficAllowance.kib(contract.traffic.diskKiB, elapsedMs: mostMs)
    if tasks.diskReadKiB > diskKiB || tasks.diskWriteKiB > diskKiB {
      return "more disk traffic than the contract allows"
    }
    if tasks.networkKiB > TrafficAllowance.kib(contract.traffic.networkKiB, elapsedMs: mostMs) {
      return "more network traffic than the contract allows"
    }
    return nil
  }

  private static func withTolerance(_ ms: UInt64) -> UInt64 {
    let (sum, overflow) = ms.addingReportingOverflow(ms >> 10 + toleranceMs)
    return overflow ? UInt64.max : sum
  }
}
