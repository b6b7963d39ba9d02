import Host

/// One line at the bottom of a terminal that says how far a run has come. What else is printed there
/// takes its place, and it comes again below.
struct ProgressLine {
  private static let intervalMs: UInt64 = 200

  let isShown: Bool
  private var text = ""
  private var isVisible = false
  private var shownAtMs: UInt64 = 0
  private let write: ([UInt8]) -> Void

  init() {
    self.init(isShown: Terminal.isTerminal(2)) { HostProcess.write(2, $0) }
  }

  init(isShown: Bool, write: @escaping ([UInt8]) -> Void) {
    self.isShown = isShown
    self.write = write
  }

  /// Shows `text`, cut to `columns`, no more often than a person can read.
  mutating func show(_ text: String, columns: Int, nowMs: UInt64) {
    if !isShown || (isVisible && (text == self.text || nowMs < shownAtMs + ProgressLine.intervalMs))
    {
      return
    }
    clear()
    self.text = text
    shownAtMs = nowMs
    isVisible = true
    write(Array(("\r" + String(text.prefix(max(columns - 1, 10)))).utf8))
  }

  /// Before something else is printed.
  mutating func clear() {
    if !isVisible { return }
    isVisible = false
    // To the start of the line, and what is on it goes.
    write(Array("\r\u{1b}[K".utf8))
  }
}
