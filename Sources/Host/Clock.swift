import CHost

/// The host's clocks.
public enum Clock {
  /// Milliseconds of a monotonic clock that cannot be set. Its zero is arbitrary.
  public static func monotonicMs() -> UInt64 { host_monotonic_ns() / 1_000_000 }

  /// The same clock in nanoseconds, for measurements.
  public static func monotonicNs() -> UInt64 { host_monotonic_ns() }

  /// Seconds since 1970 by the host's real-time clock, which may be wrong.
  public static func unixSeconds() -> UInt64 {
    var nanoseconds: UInt32 = 0
    return host_unix_time(&nanoseconds)
  }
}
