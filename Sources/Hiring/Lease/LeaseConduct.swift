import Market

/// How a provider behaves while its lease is open: whether tasks run, whether it starts them, whether it
/// is about to leave.
struct LeaseConduct {
  enum Verdict: Equatable {
    case good
    /// The publisher may end at once, and owes no grace.
    case pausedTooLong
    case bad(String)
  }

  private(set) var standing = Standing.running
  private(set) var isLeaving = false
  /// Since when the lease stands still without an excuse.
  private var standsSinceMs: UInt64?
  /// Since when a task could have been started; nil while one runs, or none waits.
  private var couldStartSinceMs: UInt64?

  /// False where nothing changed.
  mutating func stands(_ standing: Standing) -> Bool {
    if standing == self.standing { return false }
    self.standing = standing
    standsSinceMs = nil
    couldStartSinceMs = nil
    return true
  }

  mutating func leaves() { isLeaving = true }

  /// A new connection: its time begins anew.
  mutating func compared() {
    standsSinceMs = nil
    couldStartSinceMs = nil
  }

  /// Something happened that the next start can only follow.
  mutating func moved() { couldStartSinceMs = nil }

  /// - Parameters:
  ///   - waitsForStart: a task could be started, and none runs.
  ///   - isExcused: this side knows why the lease stands still.
  mutating func observe(waitsForStart: Bool, isExcused: Bool, _ nowMs: UInt64) {
    if !waitsForStart {
      couldStartSinceMs = nil
    } else if couldStartSinceMs == nil {
      couldStartSinceMs = nowMs
    }
    if standing == .running || isExcused {
      standsSinceMs = nil
    } else if standsSinceMs == nil {
      standsSinceMs = nowMs
    }
  }

  func startsInTime(_ nowMs: UInt64) -> Bool {
    couldStartSinceMs.map { nowMs < $0 + HiringTimes.startMs } ?? true
  }

  /// A machine that is paused is owed nothing for the end.
  var owesGrace: Bool { standing != .paused }

  private func patienceMs(_ contract: Contract) -> UInt64 {
    standing == .paused ? UInt64(contract.noticeMs) : HiringTimes.standstillMs
  }

  func verdict(_ contract: Contract, _ nowMs: UInt64) -> Verdict {
    if let since = couldStartSinceMs, nowMs >= since + HiringTimes.unreadyMs {
      return .bad("it does not start a task that fits")
    }
    guard let since = standsSinceMs, nowMs >= since + patienceMs(contract) else { return .good }
    return standing == .paused ? .pausedTooLong : .bad("it stands still without a reason")
  }

  /// When the verdict, or what is ready, changes by time alone.
  func deadlineMs(_ contract: Contract, _ nowMs: UInt64) -> UInt64 {
    var times: [UInt64] = []
    if let since = couldStartSinceMs {
      times = [since + HiringTimes.startMs, since + HiringTimes.unreadyMs]
    }
    if let since = standsSinceMs { times.append(since + patienceMs(contract)) }
    return times.filter { $0 > nowMs }.min() ?? UInt64.max
  }
}
