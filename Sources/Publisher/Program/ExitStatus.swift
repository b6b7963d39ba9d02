import Hiring
import Market

/// The exit status of `zennet run`, `map`, `resume`, `exec` and `shell`: the program's own status,
/// 128 plus a signal's number, or one of ``meanings``. Help, manual and receipts use this table.
public struct ExitStatus: Equatable, Sendable {
  public let code: UInt8

  public static let success = ExitStatus(code: 0)
  /// As in timeout(1).
  public static let timeLimit = ExitStatus(code: 124)
  // These three are as in docker(1) and shells.
  public static let failure = ExitStatus(code: 125)
  public static let notStarted = ExitStatus(code: 126)
  public static let notFound = ExitStatus(code: 127)
  // Above 128 plus the highest signal.
  public static let outOfMemory = ExitStatus(code: 200)
  public static let unpaid = ExitStatus(code: 201)
  public static let stoppedByPublisher = ExitStatus(code: 202)
  public static let stoppedByOwner = ExitStatus(code: 203)
  public static let lost = ExitStatus(code: 204)
  public static let noResults = ExitStatus(code: 205)
  public static let notWritten = ExitStatus(code: 206)
  public static let left = ExitStatus(code: 207)
  public static let hireFailed = ExitStatus(code: 208)
  /// The provider reported an impossible status.
  static let nonsense = ExitStatus(code: 255)

  /// The statuses set by Zennet, with their meanings.
  public static let meanings: [(status: ExitStatus, text: String)] = [
    (timeLimit, "the time limit ended it"),
    (failure, "zennet failed or was used wrongly; its message gives the reason"),
    (notStarted, "the program could not be started, or its bundle was refused"),
    (notFound, "there is no such program"),
    (outOfMemory, "it needed more memory than it had"),
    (unpaid, "it was unpaid for longer than --hold"),
    (stoppedByPublisher, "its publisher ended it: by zennet stop, a signal, or missing payments"),
    (stoppedByOwner, "the provider's owner ended it"),
    (lost, "the provider lost it, or did not reconnect"),
    (noResults, "the program returned 0, but its results are missing"),
    (notWritten, "the program returned 0, but its results could not be written to --output"),
    (left, "left by a second signal before the end: zennet resume continues it"),
    (hireFailed, "no provider could be hired in time; zennet's messages give the reason"),
  ]

  /// For help: one line each.
  public static var table: String {
    meanings.map { "  \($0.status.code)  \($0.text)" }.joined(separator: "\n")
  }

  /// The meaning of a status set by Zennet; nil for a program's own.
  var meaning: String? { ExitStatus.meanings.first { $0.status == self }?.text }

  /// Maps a reported end. `status` is untrusted: an invalid one never maps to success.
  init(_ kind: ExitKind, _ status: Int32) {
    switch kind {
    case .exited: self = UInt8(exactly: status).map { ExitStatus(code: $0) } ?? .nonsense
    case .signalled:
      self = (1...64).contains(status) ? ExitStatus(code: 128 + UInt8(status)) : .nonsense
    case .outOfMemory: self = .outOfMemory
    case .timeLimit: self = .timeLimit
    case .unpaid: self = .unpaid
    case .stoppedByPublisher: self = .stoppedByPublisher
    case .stoppedByOwner: self = .stoppedByOwner
    case .neverRan: self = status == 2 ? .notFound : .notStarted
    case .lost: self = .lost
    }
  }

  private init(code: UInt8) { self.code = code }

  /// Maps a task's outcome.
  /// - Parameter wantsResults: whether a task without results has failed.
  init(_ outcome: TaskOutcome, wantsResults: Bool) {
    switch outcome {
    case .line(let line, let hasResults):
      let status = ExitStatus(line.kind, line.status)
      self = status == .success && wantsResults && !hasResults ? .noResults : status
    case .lost: self = .lost
    case .notHired: self = .hireFailed
    case .stopped: self = .stoppedByPublisher
    }
  }

  /// The first task, by number, whose status is not 0.
  static func first(of tasks: [ExitStatus]) -> (task: Int, status: ExitStatus)? {
    tasks.enumerated().first { $1 != .success }.map { ($0.offset, $0.element) }
  }
}

extension TaskOutcome {
  /// The exit word for programs: the provider's, or the reason why there is none.
  var exitText: String {
    switch self {
    case .line(let line, _): return line.kind.text
    case .lost: return ExitKind.lost.text
    case .notHired: return "not-hired"
    case .stopped: return ExitKind.stoppedByPublisher.text
    }
  }

  /// For display.
  var told: String {
    switch self {
    case .line(let line, _): return line.kind.told(line.status)
    case .lost, .notHired, .stopped: return exitText
    }
  }

  var line: TaskLine? {
    if case .line(let line, _) = self { return line }
    return nil
  }
}
