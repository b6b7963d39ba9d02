/// When a stream of a stranger's program may be read again. What is written byte by byte is read when some of
/// it has gathered: each reading costs the reader a hundred times what the byte cost the writer. The first
/// bytes after a silence are read at once, and so is what fills a good part of a pipe.
public struct StreamRest: Equatable, Sendable {
  /// With the timer's, each is two wake-ups: a hundred a second.
  public static let restMs: UInt64 = 20
  /// Reading so much is worth a wake-up.
  public static let muchBytes = 16_384

  /// Zero: now.
  public private(set) var untilMs: UInt64 = 0

  public init() {}

  public mutating func read(_ bytes: Int, nowMs: UInt64) {
    untilMs = bytes < StreamRest.muchBytes ? nowMs + StreamRest.restMs : 0
  }

  public func isOver(nowMs: UInt64) -> Bool { nowMs >= untilMs }
}
