import Bitcoin

/// How a task ended.
public enum ExitKind: UInt8, Equatable, Sendable {
  /// The program returned; the status is its own.
  case exited = 0
  /// A signal ended it; the status is the signal's number.
  case signalled = 1
  case outOfMemory = 2
  case timeLimit = 3
  /// Frozen for lack of payment for longer than the contract's hold time.
  case unpaid = 4
  case stoppedByPublisher = 5
  case stoppedByOwner = 6
  /// A bundle was refused, or the program could not be started; the status is an errno or 0.
  case neverRan = 7
  /// It vanished: power, kernel, or a killed agent.
  case lost = 8

  public var text: String {
    switch self {
    case .exited: return "exited"
    case .signalled: return "signalled"
    case .outOfMemory: return "out-of-memory"
    case .timeLimit: return "time-limit"
    case .unpaid: return "unpaid"
    case .stoppedByPublisher: return "stopped-by-publisher"
    case .stoppedByOwner: return "stopped-by-owner"
    case .neverRan: return "never-ran"
    case .lost: return "lost"
    }
  }

  static func decode(_ reader: inout DocumentReader) throws(MarketError) -> ExitKind {
    let start = reader.offset
    guard let kind = ExitKind(rawValue: try reader.u8("exit kind")) else {
      throw reader.refuse("exit kind", at: start, "unknown")
    }
    return kind
  }
}
