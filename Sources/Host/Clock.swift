import CHost

/// The machine's clocks.
public enum Clock {
  /// Milliseconds of a clock that never goes backwards and that no one sets. Its zero means nothing.
  public static func monotonicMs() -> UInt64 { host_monotonic_ns() / 1_000_000 }

  /// The same clock in nanoseconds, for measurements.
  public static func monotonicNs() -> UInt64 { host_monotonic_ns() }

  /// Seconds since 1970 by the machine's own calendar, which may be wrong.
  public static func unixSeconds() -> UInt64 {
    var nanoseconds: UInt32 = 0
    return host_unix_time(&nanoseconds)
  }
}
