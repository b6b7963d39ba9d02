/// A moment, as the driver gives it with every event.
public struct RunTime: Equatable, Sendable {
  /// A clock that never goes back and has no meaning by itself.
  public var nowMs: UInt64
  /// Seconds since 1970, by this machine's clock.
  public var unixSeconds: UInt64

  public init(nowMs: UInt64, unixSeconds: UInt64) {
    self.nowMs = nowMs
    self.unixSeconds = unixSeconds
  }
}
