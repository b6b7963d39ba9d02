/// How a run ends: its exit status and the reason.
public struct RunEnd: Equatable, Sendable {
  public let status: ExitStatus
  /// A one-line message.
  public let text: String

  /// - Parameters:
  ///   - open: the number of tasks without an end.
  ///   - isFinished: false if the run was left early.
  ///   - isStopped: the publisher stopped it.
  ///   - hireFailed: places stayed empty for too long.
  ///   - noun: the name of a task: `worker` for a run, `task` for a map.
  init(
    _ tally: TaskTally, open: UInt64 = 0, isFinished: Bool, isStopped: Bool = false,
    hireFailed: Bool = false, noun: String
  ) {
    if !isFinished {
      status = .left
      text = RunEnd.told(.left)
    } else if let (task, first) = tally.firstFailed {
      status = first
      text = RunEnd.told(first, who: "\(noun) \(task)")
    } else if hireFailed && tally.ended == 0 {
      status = .hireFailed
      text = RunEnd.told(.hireFailed)
    } else if isStopped && (open > 0 || tally.ended == 0) {
      status = .stoppedByPublisher
      text = RunEnd.told(.stoppedByPublisher)
    } else if open > 0 {
      status = .lost
      text = RunEnd.told(.lost)
    } else {
      status = .success
      text = "done"
    }
  }

  /// An end with a further problem.
  public init(_ end: RunEnd, problem: String) {
    status = end.status == .success ? .failure : end.status
    text = problem + "; " + (end.status == .success ? RunEnd.told(.failure) : end.text)
  }

  private static func told(_ status: ExitStatus, who: String? = nil) -> String {
    var text = "exit status \(status.code)"
    if let who { text += ": " + who }
    if let meaning = status.meaning { text += ": " + meaning }
    return text
  }
}
