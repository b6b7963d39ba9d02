/// A moment, as the driver gives it with every event.
public struct Instant: Equatable, Sendable {
  /// A monotonic clock without a meaning of its own.
  public var nowMs: UInt64
  /// Seconds since 1970, by this machine's calendar, right or wrong.
  public var unixSeconds: UInt64

  public init(nowMs: UInt64, unixSeconds: UInt64) {
    self.nowMs = nowMs
    self.unixSeconds = unixSeconds
  }
}
