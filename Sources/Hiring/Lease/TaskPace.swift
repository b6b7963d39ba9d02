import Market

/// How many tasks a lease is sent ahead: so many that the provider is not idle for the time that a
/// message takes, and no more, for a task that waits there could run elsewhere.
struct TaskPace {
  /// What should be under way to the provider, or wait there.
  private static let aheadMs: UInt64 = 250
  /// Longer tasks are not sent ahead.
  private static let longMs: UInt64 = 2_000

  private var averageMs: UInt64?

  mutating func ended(_ usage: UsageVector) {
    averageMs = averageMs.map { ($0 * 7 + usage.runningMs) / 8 } ?? usage.runningMs
  }

  /// - Parameter atATime: how many can run.
  func depth(atATime: Int) -> Int {
    guard let averageMs, averageMs < TaskPace.longMs else { return atATime }
    let ahead = UInt64(atATime) * TaskPace.aheadMs / max(1, averageMs)
    return min(Limits.maxQueuedTasks, atATime + Int(min(max(1, ahead), 64)))
  }

  /// How many tasks like this run at a time in a share, by its memory and its processes.
  static func atATime(_ limits: TaskLimits, in share: ShareLimits) -> Int {
    let byMemory = share.memoryMiB / max(1, limits.memoryMiB)
    let byPids = share.pids / max(1, limits.pids)
    return max(1, min(Int(byMemory), Int(byPids), Limits.maxQueuedTasks))
  }
}
