import Market
import Sandbox

/// Computes the usage of a task that is charged.
enum TaskUsage {
  /// Converts a sandbox sample. Stream traffic is counted with the lease's calls.
  static func of(_ sample: UsageSample) -> UsageVector {
    UsageVector(
      cpuMs: sample.cpuMs, memoryMiBMs: sample.memoryMiBMs, memoryPeakKiB: sample.memoryPeakKiB,
      diskReadKiB: sample.diskReadKiB, diskWriteKiB: sample.diskWriteKiB,
      wallMs: sample.wallMs, frozenMs: min(sample.frozenMs, sample.wallMs))
  }

  /// The most usage that is charged for a task that used `usage` when it was stopped, if full use
  /// is charged for `graceMs` more.
  static func most(_ usage: UsageVector, _ limits: TaskLimits, graceMs: UInt64) -> UsageVector {
    var most = usage
    most.cpuMs += product(graceMs, UInt64(limits.milliCpus)) / 1000
    most.memoryMiBMs += product(graceMs, UInt64(limits.memoryMiB))
    most.memoryPeakKiB = UInt64.max
    most.diskReadKiB = UInt64.max
    most.diskWriteKiB = UInt64.max
    most.wallMs = UInt64.max
    most.frozenMs = UInt64.max
    return most
  }

  private static func product(_ left: UInt64, _ right: UInt64) -> UInt64 {
    // Cannot overflow: limits bound both factors (about two minutes, and 2^20).
    left &* right
  }

  static func cut(_ usage: UsageVector, _ most: UsageVector?) -> UsageVector {
    guard let most else { return usage }
    var cut = usage
    cut.cpuMs = min(usage.cpuMs, most.cpuMs)
    cut.memoryMiBMs = min(usage.memoryMiBMs, most.memoryMiBMs)
    return cut
  }
}
