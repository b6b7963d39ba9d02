/// The time of the next read from an untrusted program's output. Output that is written byte by byte is
/// read in groups, because a read costs the agent a hundred times what the byte cost the task. The first
/// bytes after a silence, and amounts from `muchBytes` on, are read at once.
public struct StreamRest: Equatable, Sendable {
  /// Each read takes two wake-ups, with the timer: at most a hundred a second.
  public static let restMs: UInt64 = 20
  /// From this amount on the next read does not wait.
  public static let muchBytes = 16_384

  /// 0: read now.
  public private(set) var untilMs: UInt64 = 0

  public init() {}

  public mutating func read(_ bytes: Int, nowMs: UInt64) {
    untilMs = bytes < StreamRest.muchBytes ? nowMs + StreamRest.restMs : 0
  }

  public func isOver(nowMs: UInt64) -> Bool { nowMs >= untilMs }
}
