import Market

/// The time in which a lease's share can have been in use, by the publisher's own clock: while it has a
/// task at work, and after a stop no longer than the grace. What a provider reports is held against it.
struct UseAllowance: Equatable {
  private var countedMs: UInt64
  private var runsSinceMs: UInt64?
  /// After a stop: nothing counts from here on.
  private var endsAtMs: UInt64?

  /// - Parameter countedMs: of an earlier program.
  init(countedMs: UInt64 = 0) { self.countedMs = countedMs }

  /// Whether a task is at work, from `atMs` on. Times are milliseconds since the lease opened.
  mutating func set(inUse: Bool, atMs: UInt64) {
    if inUse == (runsSinceMs != nil) { return }
    countedMs = totalMs(atMs: atMs)
    runsSinceMs = inUse ? atMs : nil
  }

  /// No task has to work any more after `atMs`; an earlier end stays.
  mutating func end(atMs: UInt64) { endsAtMs = min(endsAtMs ?? UInt64.max, atMs) }

  var hasEnd: Bool { endsAtMs != nil }

  func totalMs(atMs: UInt64) -> UInt64 {
    guard let runsSinceMs else { return countedMs }
    let untilMs = min(atMs, endsAtMs ?? UInt64.max)
    return countedMs + (untilMs > runsSinceMs ? untilMs - runsSinceMs : 0)
  }

  /// What will have counted at the end, if tasks work until then.
  var finalMs: UInt64? { endsAtMs.map { totalMs(atMs: $0) } }
}

/// The time since a lease opened. The clock that nobody sets stands still while this machine sleeps, and
/// begins anew with it: then the calendar knows better.
struct LeaseTime: Equatable {
  private let opened: Instant
  private let addedMs: UInt64

  /// A lease that opens now.
  init(openedAt now: Instant) {
    opened = now
    addedMs = 0
  }

  /// A lease that an earlier program opened: to the second before.
  init(openedUnixSeconds: UInt64, _ now: Instant) {
    opened = now
    let passed = now.unixSeconds > openedUnixSeconds ? now.unixSeconds - openedUnixSeconds : 0
    addedMs = (passed + 1) * 1000
  }

  func elapsedMs(_ now: Instant) -> UInt64 {
    let clockMs = now.nowMs > opened.nowMs ? now.nowMs - opened.nowMs : 0
    let calendarS =
      now.unixSeconds > opened.unixSeconds ? now.unixSeconds - opened.unixSeconds : 0
    // The calendar counts whole seconds: below two it says nothing that the clock does not.
    let calendarMs = calendarS > 1 ? (calendarS - 1) * 1000 : 0
    return addedMs + max(clockMs, calendarMs)
  }
}
