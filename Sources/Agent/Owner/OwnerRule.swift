/// The owner's peace: whether jobs may run now, and why not. Pure: readings and time come in, reasons go
/// out. What has ended a moment ago may come back: jobs go on only after some calm.
public struct OwnerRule: Equatable, Sendable {
  public enum Reason: UInt8, CaseIterable, Equatable, Sendable {
    case load, input, battery, temperature, hours, wear
  }

  /// After a reason of this kind is gone, so long it must stay away.
  public static let calmMs: UInt64 = 30_000
  /// Below its limit by this much a hot machine has cooled down, thousandths of a degree.
  public static let coolerMilliCelsius: Int64 = 5_000
  static let dayMs: UInt64 = 86_400_000

  public let wishes: OwnerWishes
  /// Why jobs are paused, in the order of ``Reason``; empty: they may run.
  public private(set) var reasons: [Reason] = []
  private var readings = OwnerReadings()
  private var lastBusyMs: UInt64?
  private var isHot = false
  private var dayStartMs: UInt64?
  private var dayStartBytes: UInt64 = 0

  public init(_ wishes: OwnerWishes) { self.wishes = wishes }

  public var isPaused: Bool { !reasons.isEmpty }

  /// Looks at the machine anew. `nowMs` never goes back.
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

  /// A day begins when the last one is over, not at midnight: this machine may have no right clock.
  private mutating func isWorn(_ nowMs: UInt64) -> Bool {
    guard wishes.flashMiBPerDay > 0 else { return false }
    if dayStartMs == nil || nowMs - (dayStartMs ?? 0) >= OwnerRule.dayMs {
      dayStartMs = nowMs
      dayStartBytes = readings.writtenBytes
    }
    let today = readings.writtenBytes - min(dayStartBytes, readings.writtenBytes)
    return today >> 20 >= UInt64(wishes.flashMiBPerDay)
  }

  /// For the owner's eyes: every reason with its number.
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
      return "somebody uses the machine (\(readings.idleSeconds ?? 0) s ago, wanted are "
        + "\(wishes.quietSeconds) s of quiet)"
    case .battery: return "on battery"
    case .temperature:
      return "too hot (\((readings.milliCelsius ?? 0) / 1000) C, the limit is "
        + "\(wishes.maxCelsius) C)"
    case .hours: return "outside the given hours"
    case .wear: return "\(wishes.flashMiBPerDay) MiB were written to storage today"
    }
  }
}
