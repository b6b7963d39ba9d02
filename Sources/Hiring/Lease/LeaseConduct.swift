import Market

/// The provider's behaviour while its lease is open: whether the lease runs, whether tasks start in
/// time, whether the owner announced the end.
struct LeaseConduct {
  enum Verdict: Equatable {
    case good
    /// Paused beyond the notice: the publisher may end the lease without a grace period.
    case pausedTooLong
    case bad(String)
  }

  private(set) var standing = Standing.running
  private(set) var isLeaving = false
  /// Since when the lease is suspended without a verifiable reason.
  private var standsSinceMs: UInt64?
  /// Since when a task could have started; nil while one runs or none waits.
  private var couldStartSinceMs: UInt64?

  /// Returns false if the standing is unchanged.
  mutating func stands(_ standing: Standing) -> Bool {
    if standing == self.standing { return false }
    self.standing = standing
    standsSinceMs = nil
    couldStartSinceMs = nil
    return true
  }

  mutating func leaves() { isLeaving = true }

  /// A new connection resets the timers.
  mutating func compared() {
    standsSinceMs = nil
    couldStartSinceMs = nil
  }

  /// Task progress resets the start timer.
  mutating func moved() { couldStartSinceMs = nil }

  /// - Parameters:
  ///   - waitsForStart: a task could start, and none runs.
  ///   - isExcused: the publisher can verify why the lease is suspended.
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

  /// A paused provider gets no grace period at the end.
  var owesGrace: Bool { standing != .paused }

  private func patienceMs(_ contract: Contract) -> UInt64 {
    standing == .paused ? UInt64(contract.noticeMs) : HiringTimes.standstillMs
  }

  func verdict(_ contract: Contract, _ nowMs: UInt64) -> Verdict {
    if let since = couldStartSinceMs, nowMs >= since + HiringTimes.unreadyMs {
      return .bad("the provider does not start a task that fits")
    }
    guard let since = standsSinceMs, nowMs >= since + patienceMs(contract) else { return .good }
    return standing == .paused
      ? .pausedTooLong : .bad("the provider suspends the lease without a reason")
  }

  /// When ``verdict(_:_:)`` or ``startsInTime(_:)`` changes next without an event.
  func deadlineMs(_ contract: Contract, _ nowMs: UInt64) -> UInt64 {
    var times: [UInt64] = []
    if let since = couldStartSinceMs {
      times = [since + HiringTimes.startMs, since + HiringTimes.unreadyMs]
    }
    if let since = standsSinceMs { times.append(since + patienceMs(contract)) }
    return times.filter { $0 > nowMs }.min() ?? UInt64.max
  }
}
