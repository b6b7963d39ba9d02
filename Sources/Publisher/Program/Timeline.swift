import Foundation
import Host

/// Log lines on standard error: seconds since the start, then the text.
public final class Timeline {
  private struct Entry: Encodable {
    var tMs: UInt64
    var level: UInt8
    var event: String
    /// In the last line: the exit status.
    var status: UInt8?

    private enum CodingKeys: String, CodingKey {
      case tMs = "t_ms"
      case level, event, status
    }
  }

  private let startedAtMs = Clock.monotonicMs()
  public let asJson: Bool
  /// The highest level shown: 0 error, 1 warning, 2 info, 3 debug.
  private let most: UInt8

  /// A file that receives every line as JSON.
  private let file: String?
  private var progress = ProgressLine()

  public init(asJson: Bool = false, most: UInt8 = 2, file: String? = nil) {
    self.asJson = asJson
    self.most = most
    self.file = file
  }

  private var elapsedMs: UInt64 { Clock.monotonicMs() - startedAtMs }
  public var seconds: Double { Double(elapsedMs) / 1000 }

  /// Logs the run's end, as the last line.
  public func tell(_ end: RunEnd) {
    tell(end.text, level: end.status == .success ? 2 : 1, status: end.status)
  }

  public func tell(_ text: String, level: UInt8 = 2, status: ExitStatus? = nil) {
    if level > most { return }
    // The text may contain peers' data: control characters must not reach a terminal.
    let clean = String(decoding: TerminalText.line(text), as: UTF8.self)
    let json = asJson || file != nil ? json(clean, level, status) : ""
    if let file { try? Files.append(file, Array((json + "\n").utf8), mode: 0o644) }
    clearProgress()
    HostProcess.write(2, Array(((asJson ? json : line(clean, level)) + "\n").utf8))
  }

  // MARK: Progress on a terminal

  var showsProgress: Bool { progress.isShown && !asJson }

  /// Replaces the terminal's progress line; `text` must contain no peers' data.
  func show(progress text: String) {
    if !showsProgress { return }
    let columns = Terminal(fd: 2).size.map { Int($0.columns) } ?? 80
    progress.show(text, columns: columns, nowMs: Clock.monotonicMs())
  }

  /// Removes the progress line. Call it before other terminal output.
  public func clearProgress() { progress.clear() }

  private func json(_ text: String, _ level: UInt8, _ status: ExitStatus?) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let entry = Entry(tMs: elapsedMs, level: level, event: text, status: status?.code)
    return (try? encoder.encode(entry)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }

  private func line(_ text: String, _ level: UInt8) -> String {
    let mark = level == 0 ? "error: " : (level == 1 ? "! " : "")
    return String(format: "[%7.3f] ", seconds) + mark + text
  }
}
