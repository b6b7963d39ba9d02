/// The time that a lease's share was reserved: it runs only while the session is up and the lease is
/// neither frozen, paused nor unready. Both ends keep one.
public struct ReservationClock: Equatable, Sendable {
  private var countedMs: UInt64
  private var runsSinceMs: UInt64?

  public init(countedMs: UInt64 = 0) { self.countedMs = countedMs }

  public var isRunning: Bool { runsSinceMs != nil }

  /// Starts or stops it. `nowMs` never goes back.
  public mutating func set(running: Bool, nowMs: UInt64) {
    if running == isRunning { return }
    countedMs = totalMs(nowMs: nowMs)
    runsSinceMs = running ? nowMs : nil
  }

  public func totalMs(nowMs: UInt64) -> UInt64 {
    guard let runsSinceMs else { return countedMs }
    return countedMs + (nowMs > runsSinceMs ? nowMs - runsSinceMs : 0)
  }

  /// After a broken connection the provider takes over the publisher's count where it is a little lower:
  /// at most 10 s and a thousandth. False where it is lower than that: then the lease ends. A higher
  /// count changes nothing.
  public mutating func adopt(_ theirsMs: UInt64, nowMs: UInt64) -> Bool {
    let oursMs = totalMs(nowMs: nowMs)
    if theirsMs >= oursMs { return true }
    if oursMs - theirsMs > 10_000 + oursMs >> 10 { return false }
    countedMs = theirsMs
    if runsSinceMs != nil { runsSinceMs = nowMs }
    return true
  }
}
