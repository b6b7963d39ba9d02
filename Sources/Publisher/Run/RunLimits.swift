import Market

/// What a publisher may ask of a machine, and for how long it binds its coins: what no machine would take is
/// refused before anything is paid.
public enum RunLimits {
  /// - Parameter seconds: from start to end.
  public static func limits(
    memoryMiB: UInt32, cpus: Double, pids: UInt32, diskMiB: UInt32, seconds: UInt64
  ) throws(RunError) -> ResourceLimits {
    // With less no sandbox starts.
    if memoryMiB < 4 { throw .usage("--memory: at least 4 MiB") }
    if pids < 4 { throw .usage("--pids: at least 4") }
    if !(cpus >= 0.01 && cpus <= 1024) { throw .usage("--cpus: 0.01 to 1024") }
    if seconds < 1 || seconds > 2_592_000 { throw .usage("--time: 1 to 2592000 seconds") }
    return ResourceLimits(
      memoryMiB: memoryMiB, milliCpus: UInt32((cpus * 1000).rounded()), pids: pids,
      diskMiB: diskMiB, wallMs: seconds * 1000)
  }

  /// The lifetime of a channel in blocks, for a job of so many seconds. A machine closes its channel, and ends
  /// its job, some time before the channel's end: a quarter of the time limit is for that, and for blocks that
  /// come faster than every ten minutes.
  public static func channelBlocks(forSeconds seconds: UInt64) -> UInt32 {
    UInt32(max(144, min(52_560, 72 + seconds * 5 / 4 / 600)))
  }
}
