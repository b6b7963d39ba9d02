/// The idle policy: decides from sensor readings whether tasks may run, and if not, why. It
/// performs no I/O. After a pause for load or temperature, tasks resume only after some hysteresis.
public struct OwnerRule: Equatable, Sendable {
  public enum Reason: UInt8, CaseIterable, Equatable, Sendable {
    case load, input, battery, temperature, hours, wear
  }

  /// How long the load must stay below its limit before tasks resume.
  public static let calmMs: UInt64 = 30_000
  /// How far the temperature must fall below its limit before tasks resume, in thousandths of a
  /// degree.
  public static let coolerMilliCelsius: Int64 = 5_000
  static let dayMs: UInt64 = 86_400_000

  public let wishes: OwnerWishes
  /// Why tasks are paused, in the order of ``Reason``; empty while they may run.
  public private(set) var reasons: [Reason] = []
  private var readings = OwnerReadings()
  private var lastBusyMs: UInt64?
  private var isHot = false
  private var dayStartMs: UInt64?
  private var dayStartBytes: UInt64 = 0

  public init(_ wishes: OwnerWishes) { self.wishes = wishes }

  public var isPaused: Bool { !reasons.isEmpty }

  /// Evaluates new readings. `nowMs` must not decrease.
  public mutating func read(_ readings: OwnerReadings, nowMs: UInt64) {
    self.readings = readings
    var found: [Reason] = []
    if isBusy(nowMs) { found.append(.load) }
    if wishes.quietSeconds > 0, let idle = readings.idleSeconds, idle < wishes.quietSeconds {
      found.append(.input)
    }
    if !wishes.worksOnBattery && readings.isOnBattery == true { found.append(.battery) }
    if isTooHot() { found.append(.temperature) }
    if !wishes.hours.isEmpty && !wishes.hours.contains(where: { $0.contains(readings.minuteOfDay) })
    {
      found.append(.hours)
    }
    if isWorn(nowMs) { found.append(.wear) }
    reasons = found
  }

  private mutating func isBusy(_ nowMs: UInt64) -> Bool {
    guard wishes.loadMilli > 0 else { return false }
    if let load = readings.othersLoadMilli, load > wishes.loadMilli { lastBusyMs = nowMs }
    guard let lastBusyMs else { return false }
    return nowMs < lastBusyMs + OwnerRule.calmMs
  }

  private mutating func isTooHot() -> Bool {
    guard let now = readings.milliCelsius else { return false }
    let limit = Int64(wishes.maxCelsius) * 1000
    isHot = now > limit || (isHot && now > limit - OwnerRule.coolerMilliCelsius)
    return isHot
  }

  /// Days are counted from the first reading, not from midnight, because the host's clock may be
  /// wrong.
  private mutating func isWorn(_ nowMs: UInt64) -> Bool {
    guard wishes.flashMiBPerDay > 0 else { return false }
    if dayStartMs == nil || nowMs - (dayStartMs ?? 0) >= OwnerRule.dayMs {
      dayStartMs = nowMs
      dayStartBytes = readings.writtenBytes
    }
    let today = readings.writtenBytes - min(dayStartBytes, readings.writtenBytes)
    return today >> 20 >= UInt64(wishes.flashMiBPerDay)
  }

  /// All reasons with their values, for the owner.
  public var text: String {
    var text = ""
    for reason in reasons { text += (text.utf8.isEmpty ? "" : ", ") + describe(reason) }
    return text
  }

  private func describe(_ reason: Reason) -> String {
    switch reason {
    case .load:
      return "other programs use the machine (\((readings.othersLoadMilli ?? 0) / 10) %, more than "
        + "\(wishes.loadMilli / 10) % in the last \(OwnerRule.calmMs / 1000) s)"
    case .input:
      return "last input \(readings.idleSeconds ?? 0) s ago; needs "
        + "\(wishes.quietSeconds) s idle"
    case .battery: return "on battery"
    case .temperature:
      return "too hot (\((readings.milliCelsius ?? 0) / 1000) C, the limit is "
        + "\(wishes.maxCelsius) C)"
    case .hours: return "outside the configured hours"
    case .wear: return "\(wishes.flashMiBPerDay) MiB were written to storage today"
    }
  }
}
