/// Sensor readings of the host at one moment. Nil: the host has no such sensor.
public struct OwnerReadings: Equatable, Sendable {
  /// Recent processor load of programs other than tasks and agent, in thousandths of all
  /// processors.
  public var othersLoadMilli: UInt32?
  /// Seconds since the last input on a keyboard, a mouse or a terminal.
  public var idleSeconds: UInt64?
  public var isOnBattery: Bool?
  /// The hottest sensor, in thousandths of a degree Celsius.
  public var milliCelsius: Int64?
  /// Local time: minutes since midnight.
  public var minuteOfDay: UInt32 = 0
  /// Bytes written to storage by agent and tasks since the agent started.
  public var writtenBytes: UInt64 = 0

  public init() {}
}

/// A part of the day, from one minute up to, but not including, another; it may span midnight.
public struct DayPart: Equatable, Sendable {
  public var fromMinute: UInt32
  public var toMinute: UInt32

  public init(fromMinute: UInt32, toMinute: UInt32) {
    self.fromMinute = fromMinute
    self.toMinute = toMinute
  }

  public func contains(_ minute: UInt32) -> Bool {
    if fromMinute <= toMinute { return minute >= fromMinute && minute < toMinute }
    return minute >= fromMinute || minute < toMinute
  }
}

/// The idle policy's settings: the section `[owner]` of `zennet.conf`.
public struct OwnerWishes: Equatable, Sendable {
  /// Pause while other programs' load exceeds this, in thousandths of all processors; 0 for no
  /// limit.
  public var loadMilli: UInt32 = 0
  /// Pause until there was no input for this many seconds; 0 for no limit.
  public var quietSeconds: UInt64 = 0
  public var worksOnBattery = false
  /// Pause above this temperature. Most processors begin to throttle near the default.
  public var maxCelsius: UInt32 = 85
  /// When tasks may run; empty for any time.
  public var hours: [DayPart] = []
  /// The most that agent and tasks may write to storage in a day, in MiB; 0 for no limit.
  public var flashMiBPerDay: UInt32 = 0

  public init() {}
}
