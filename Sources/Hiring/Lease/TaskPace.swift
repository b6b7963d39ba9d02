import Market

/// How many tasks to send ahead: enough to keep the provider busy for a round trip, and no more,
/// because a queued task could run elsewhere.
struct TaskPace {
  /// The amount of work to queue at the provider, in ms.
  private static let aheadMs: UInt64 = 250
  /// Tasks that run longer than this on average are not sent ahead.
  private static let longMs: UInt64 = 2_000

  private var averageMs: UInt64?

  mutating func ended(_ usage: UsageVector) {
    averageMs = averageMs.map { ($0 * 7 + usage.runningMs) / 8 } ?? usage.runningMs
  }

  /// - Parameter atATime: how many tasks can run at once.
  func depth(atATime: Int) -> Int {
    guard let averageMs, averageMs < TaskPace.longMs else { return atATime }
    let ahead = UInt64(atATime) * TaskPace.aheadMs / max(1, averageMs)
    return min(Limits.maxQueuedTasks, atATime + Int(min(max(1, ahead), 64)))
  }

  /// How many tasks with these limits fit in a share at once, by memory and processes.
  static func atATime(_ limits: TaskLimits, in share: ShareLimits) -> Int {
    let byMemory = share.memoryMiB / max(1, limits.memoryMiB)
    let byPids = share.pids / max(1, limits.pids)
    return max(1, min(Int(byMemory), Int(byPids), Limits.maxQueuedTasks))
  }
}
