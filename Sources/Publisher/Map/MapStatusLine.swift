import Hiring
import Host

/// A map's progress, for the last line of a terminal.
struct MapStatusLine {
  private static let intervalMs: UInt64 = 250
  private var nextAtMs: UInt64 = 0

  /// Nil if the last line is recent; then `status` is not called.
  mutating func text(
    nowMs: UInt64, _ status: () -> PoolStatus?, _ tally: TaskTally
  ) -> String? {
    if nowMs < nextAtMs { return nil }
    nextAtMs = nowMs + MapStatusLine.intervalMs
    guard let status = status() else { return nil }
    var text = "\(tally.ended) done"
    if tally.failed > 0 { text += ", \(tally.failed) of them failed" }
    text += "; \(status.running) running, \(status.waiting) waiting; "
    return text + "\(status.open) of \(status.places) leases"
  }
}
