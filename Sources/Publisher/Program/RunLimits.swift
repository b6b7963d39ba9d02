import Channel
import Market

/// What a publisher may ask of a machine, and for how long it binds its coins: what no machine would take is
/// refused before anything is paid.
public enum RunLimits {
  /// - Parameter seconds: from start to end.
  public static func task(
    memoryMiB: UInt32, cpus: Double, pids: UInt32, diskMiB: UInt32, seconds: UInt64
  ) throws(RunError) -> TaskLimits {
    // With less no sandbox starts.
    if memoryMiB < 4 { throw .usage("--memory: at least 4 MiB") }
    if pids < 4 { throw .usage("--pids: at least 4") }
    if diskMiB < 1 { throw .usage("--disk: at least 1 MiB") }
    if !(cpus >= 0.01 && cpus <= 1024) { throw .usage("--cpus: 0.01 to 1024") }
    if seconds < 1 || seconds > 2_592_000 { throw .usage("--time: 1 to 2592000 seconds") }
    return TaskLimits(
      memoryMiB: memoryMiB, milliCpus: UInt32((cpus * 1000).rounded()), pids: pids,
      diskMiB: diskMiB, wallMs: seconds * 1000)
  }

  /// The share of a machine in which so many tasks run at once, with room for the bundles that the
  /// machine keeps.
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

  /// The lifetime of a channel in blocks, for work of so many seconds. A machine closes its channel, and ends
  /// its lease, some time before the channel's end: a quarter of the time is for that, and for blocks that
  /// come faster than every ten minutes.
  public static func channelBlocks(forSeconds seconds: UInt64) -> UInt32 {
    UInt32(max(144, min(UInt64(Limits.lifetimeBlocks.upperBound), 72 + seconds * 5 / 4 / 600)))
  }

  /// The rates at which a close can be sent, in sat/kvB. The highest is four times what is paid now, so
  /// that the close gets into a block when fees have risen; the lowest is for when they have fallen.
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
