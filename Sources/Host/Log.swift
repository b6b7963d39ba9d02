import CHost

/// Lines on standard error: time, level, text. One line for each call, whatever the text contains.
public struct Log {
  public enum Level: Int, Sendable {
    case debug, info, warning, error

    var name: String {
      switch self {
      case .debug: return "debug"
      case .info: return "info"
      case .warning: return "warning"
      case .error: return "error"
      }
    }

    /// The level's colour as an escape sequence.
    fileprivate var colour: String {
      switch self {
      case .debug: return "\u{1b}[2m"
      case .info: return ""
      case .warning: return "\u{1b}[33m"
      case .error: return "\u{1b}[31m"
      }
    }
  }

  /// The lowest level that is logged.
  public var least: Level
  private let isColoured: Bool

  public init(least: Level = .info) {
    self.least = least
    isColoured = host_is_terminal(2) == 1
  }

  public func debug(_ text: @autoclosure () -> String) { write(.debug, text) }
  public func info(_ text: @autoclosure () -> String) { write(.info, text) }
  public func warning(_ text: @autoclosure () -> String) { write(.warning, text) }
  public func error(_ text: @autoclosure () -> String) { write(.error, text) }

  private func write(_ level: Level, _ text: () -> String) {
    if level.rawValue < least.rawValue { return }
    var nanoseconds: UInt32 = 0
    let seconds = host_unix_time(&nanoseconds)
    let line = Log.line(
      level, text(), unixSeconds: seconds, milliseconds: nanoseconds / 1_000_000,
      isColoured: isColoured)
    host_log(line, UInt64(line.count))
  }

  /// A peer's or a task's bytes must not control the terminal: see ``TerminalText``.
  static func line(
    _ level: Level, _ text: String, unixSeconds: UInt64, milliseconds: UInt32, isColoured: Bool
  ) -> [UInt8] {
    var bytes = Array(Timestamp.text(unixSeconds, milliseconds: milliseconds).utf8)
    bytes.append(0x20)
    let colour = isColoured ? level.colour : ""
    bytes.append(contentsOf: Array(colour.utf8))
    let name = Array(level.name.utf8)
    bytes.append(contentsOf: name)
    bytes.append(contentsOf: [UInt8](repeating: 0x20, count: 8 - name.count))
    bytes += TerminalText.line(text)
    if !colour.utf8.isEmpty { bytes.append(contentsOf: Array("\u{1b}[0m".utf8)) }
    bytes.append(0x0a)
    return bytes
  }
}

/// Times in ISO 8601 form.
public enum Timestamp {
  /// `2026-11-22T14:31:05.123Z`; without milliseconds if nil.
  public static func text(_ unixSeconds: UInt64, milliseconds: UInt32? = nil) -> String {
    let day = civil(daysSince1970: Int64(min(unixSeconds, 253_402_300_799) / 86400))
    let second = min(unixSeconds, 253_402_300_799) % 86400
    var text = "\(digits(day.year, 4))-\(digits(day.month, 2))-\(digits(day.day, 2))T"
    text += "\(digits(second / 3600, 2)):\(digits(second / 60 % 60, 2)):\(digits(second % 60, 2))"
    if let milliseconds { text += ".\(digits(UInt64(milliseconds), 3))" }
    return text + "Z"
  }

  private static func digits(_ value: UInt64, _ width: Int) -> String {
    var text = "\(value)"
    while text.utf8.count < width { text = "0" + text }
    return text
  }

  /// The Gregorian date of a day, counted in 400-year cycles of 146,097 days that start on 1 March,
  /// so that the leap day is the last day of its year.
  private static func civil(
    daysSince1970: Int64
  ) -> (year: UInt64, month: UInt64, day: UInt64) {
    let days = UInt64(daysSince1970 + 719_468)
    let cycle = days / 146_097
    let dayOfCycle = days % 146_097
    let yearOfCycle =
      (dayOfCycle - dayOfCycle / 1460 + dayOfCycle / 36524 - dayOfCycle / 146_096) / 365
    let dayOfYear = dayOfCycle - (365 * yearOfCycle + yearOfCycle / 4 - yearOfCycle / 100)
    let shifted = (5 * dayOfYear + 2) / 153
    let month = shifted < 10 ? shifted + 3 : shifted - 9
    let year = cycle * 400 + yearOfCycle + (month <= 2 ? 1 : 0)
    return (year, month, dayOfYear - (153 * shifted + 2) / 5 + 1)
  }
}
