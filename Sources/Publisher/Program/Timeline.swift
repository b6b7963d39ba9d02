import Foundation
import Host

/// What happens, on standard error: seconds since the start, then one line of text.
public final class Timeline {
  private struct Entry: Encodable {
    var tMs: UInt64
    var level: UInt8
    var event: String
    /// Of the last line: what the program exits with.
    var status: UInt8?

    private enum CodingKeys: String, CodingKey {
      case tMs = "t_ms"
      case level, event, status
    }
  }

  private let startedAtMs = Clock.monotonicMs()
  public let asJson: Bool
  /// 0 error, 1 warning, 2 info, 3 debug: what is above is left out.
  private let most: UInt8

  /// Where every line goes too, as JSON.
  private let file: String?
  private var progress = ProgressLine()

  public init(asJson: Bool = false, most: UInt8 = 2, file: String? = nil) {
    self.asJson = asJson
    self.most = most
    self.file = file
  }

  private var elapsedMs: UInt64 { Clock.monotonicMs() - startedAtMs }
  public var seconds: Double { Double(elapsedMs) / 1000 }

  /// The last word: what the run came to.
  public func tell(_ end: RunEnd) {
    tell(end.text, level: end.status == .success ? 2 : 1, status: end.status)
  }

  public func tell(_ text: String, level: UInt8 = 2, status: ExitStatus? = nil) {
    if level > most { return }
    // Some of it was said by peers: no control character reaches a terminal.
    let clean = String(decoding: TerminalText.line(text), as: UTF8.self)
    let json = asJson || file != nil ? json(clean, level, status) : ""
    if let file { try? Files.append(file, Array((json + "\n").utf8), mode: 0o644) }
    clearProgress()
    HostProcess.write(2, Array(((asJson ? json : line(clean, level)) + "\n").utf8))
  }

  // MARK: Progress on a terminal

  var showsProgress: Bool { progress.isShown && !asJson }

  /// Replaces the last line of the terminal; `text` is this program's own.
  func show(progress text: String) {
    if !showsProgress { return }
    let columns = Terminal(fd: 2).size.map { Int($0.columns) } ?? 80
    progress.show(text, columns: columns, nowMs: Clock.monotonicMs())
  }

  /// Before anything else is printed on the terminal.
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
