/// What the machine says of its owner and of itself at one moment. Nil: this machine has no such sensor.
public struct OwnerReadings: Equatable, Sendable {
  /// The share of all processors that programs other than jobs and agent used of late, thousandths.
  public var othersLoadMilli: UInt32?
  /// Seconds since somebody last touched a keyboard, a mouse or a terminal.
  public var idleSeconds: UInt64?
  public var isOnBattery: Bool?
  /// The hottest sensor, thousandths of a degree Celsius.
  public var milliCelsius: Int64?
  /// The owner's clock: minutes since midnight.
  public var minuteOfDay: UInt32 = 0
  /// What agent and jobs have written to storage since the agent started.
  public var writtenBytes: UInt64 = 0

  public init() {}
}

/// A part of the day, from one minute to before another; it may go over midnight.
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

/// When jobs have to make way: the section `[owner]` of `zennet.conf`.
public struct OwnerWishes: Equatable, Sendable {
  /// Pause while others use more of the processors than this, thousandths; 0: do not care.
  public var loadMilli: UInt32 = 0
  /// Pause until nobody has touched the machine for so long; 0: do not care.
  public var quietSeconds: UInt64 = 0
  public var worksOnBattery = false
  /// Pause above this; what most processors' own throttling begins at.
  public var maxCelsius: UInt32 = 85
  /// When work may be done; empty: at any time.
  public var hours: [DayPart] = []
  /// The most that agent and jobs may write to storage in a day; 0: do not care.
  public var flashMiBPerDay: UInt32 = 0

  public init() {}
}
