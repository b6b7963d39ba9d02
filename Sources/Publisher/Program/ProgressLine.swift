import Host

/// A progress line at the bottom of a terminal. Other output replaces it, and it is drawn again
/// below.
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

  /// Shows `text`, cut to `columns`, at most once per interval.
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

  /// Removes the line. Call it before other output.
  mutating func clear() {
    if !isVisible { return }
    isVisible = false
    // Return to the start of the line and erase it.
    write(Array("\r\u{1b}[K".utf8))
  }
}
