import Channel
import Market

/// Limits of what a publisher may request. A request that no provider would accept is rejected
/// before any payment.
public enum RunLimits {
  /// - Parameter seconds: the time limit of the task.
  public static func task(
    memoryMiB: UInt32, cpus: Double, pids: UInt32, diskMiB: UInt32, seconds: UInt64
  ) throws(RunError) -> TaskLimits {
    // A sandbox does not start with less.
    if memoryMiB < 4 { throw .usage("--memory: at least 4 MiB") }
    if pids < 4 { throw .usage("--pids: at least 4") }
    if diskMiB < 1 { throw .usage("--disk: at least 1 MiB") }
    if !(cpus >= 0.01 && cpus <= 1024) { throw .usage("--cpus: 0.01 to 1024") }
    if seconds < 1 || seconds > 2_592_000 { throw .usage("--time: 1 to 2592000 seconds") }
    return TaskLimits(
      memoryMiB: memoryMiB, milliCpus: UInt32((cpus * 1000).rounded()), pids: pids,
      diskMiB: diskMiB, wallMs: seconds * 1000)
  }

  /// The share that runs `tasksAtOnce` tasks, with disk space for the bundles that the provider
  /// keeps.
  public static func share(
    _ task: TaskLimits, tasksAtOnce: UInt32, bundleBytes: UInt64
  ) throws(RunError) -> ShareLimits {
    func all(_ one: UInt32, most: UInt32, option: String) throws(RunError) -> UInt32 {
      let (product, overflow) = one.multipliedReportingOverflow(by: tasksAtOnce)
      if overflow || product > most {
        throw .usage("\(option): \(tasksAtOnce) tasks at once take more than \(most)")
      }
      return product
    }
    let diskMiB = try all(task.diskMiB, most: Limits.maxMemoryMiB, option: "--disk")
    let bundleMiB = min((bundleBytes + (1 << 20) - 1) >> 20, UInt64(Limits.maxMemoryMiB))
    return ShareLimits(
      memoryMiB: try all(task.memoryMiB, most: Limits.maxMemoryMiB, option: "--memory"),
      milliCpus: try all(task.milliCpus, most: 1_024_000, option: "--cpus"),
      pids: try all(task.pids, most: 1 << 20, option: "--pids"),
      diskMiB: min(diskMiB + UInt32(bundleMiB), Limits.maxMemoryMiB))
  }

  /// The lifetime of a channel in blocks, for `seconds` of work. A quarter of the time and 72
  /// blocks are added, because providers close a channel before its expiry and blocks may come
  /// faster than every ten minutes.
  public static func channelBlocks(forSeconds seconds: UInt64) -> UInt32 {
    UInt32(max(144, min(UInt64(Limits.lifetimeBlocks.upperBound), 72 + seconds * 5 / 4 / 600)))
  }

  /// The fee ladder of a close, in sat/kvB. The highest rate is four times the current one, so that
  /// the close confirms after fees have risen; the lowest is for fallen fees.
  public static func feeLadder(feeRateSatPerKvB: UInt64) -> [UInt32] {
    let most = UInt64(ChannelTerms.maxFeeRateSatPerKvB)
    let top = min(max(4 * min(feeRateSatPerKvB, most), 20_000), most)
    var rungs: [UInt32] = []
    var rate = max(UInt64(ChannelTerms.leastFeeRateSatPerKvB), min(feeRateSatPerKvB, 1_000))
    while rate < top {
      rungs.append(UInt32(rate))
      rate *= 5
    }
    return Array(rungs.suffix(7)) + [UInt32(top)]
  }
}
