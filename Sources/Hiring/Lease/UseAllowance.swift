import Market

/// The time in which a lease's share can have been in use, by the publisher's clock: while a task
/// may run, and for at most the grace after a stop. Usage reports are checked against it.
struct UseAllowance: Equatable {
  private var countedMs: UInt64
  private var runsSinceMs: UInt64?
  /// After a stop: no time counts from here on.
  private var endsAtMs: UInt64?

  /// - Parameter countedMs: restored from disk.
  init(countedMs: UInt64 = 0) { self.countedMs = countedMs }

  /// Sets whether a task may run from `atMs` on. Times are milliseconds since the lease opened.
  mutating func set(inUse: Bool, atMs: UInt64) {
    if inUse == (runsSinceMs != nil) { return }
    countedMs = totalMs(atMs: atMs)
    runsSinceMs = inUse ? atMs : nil
  }

  /// Stops counting at `atMs`; an earlier end stays.
  mutating func end(atMs: UInt64) { endsAtMs = min(endsAtMs ?? UInt64.max, atMs) }

  var hasEnd: Bool { endsAtMs != nil }

  func totalMs(atMs: UInt64) -> UInt64 {
    guard let runsSinceMs else { return countedMs }
    let untilMs = min(atMs, endsAtMs ?? UInt64.max)
    return countedMs + (untilMs > runsSinceMs ? untilMs - runsSinceMs : 0)
  }

  /// The total at the end, if tasks run until then.
  var finalMs: UInt64? { endsAtMs.map { totalMs(atMs: $0) } }
}

/// The time since a lease opened. The monotonic clock stops during system sleep and restarts with
/// the system; the wall clock covers both.
struct LeaseTime: Equatable {
  private let opened: Instant
  private let addedMs: UInt64

  /// A lease that opens now.
  init(openedAt now: Instant) {
    opened = now
    addedMs = 0
  }

  /// Restores a lease; up to one second is added, because the stored time has whole seconds.
  init(openedUnixSeconds: UInt64, _ now: Instant) {
    opened = now
    let passed = now.unixSeconds > openedUnixSeconds ? now.unixSeconds - openedUnixSeconds : 0
    addedMs = (passed + 1) * 1000
  }

  func elapsedMs(_ now: Instant) -> UInt64 {
    let clockMs = now.nowMs > opened.nowMs ? now.nowMs - opened.nowMs : 0
    let calendarS =
      now.unixSeconds > opened.unixSeconds ? now.unixSeconds - opened.unixSeconds : 0
    // The wall clock has whole seconds: a difference below 2 s adds nothing.
    let calendarMs = calendarS > 1 ? (calendarS - 1) * 1000 : 0
    return addedMs + max(clockMs, calendarMs)
  }
}
