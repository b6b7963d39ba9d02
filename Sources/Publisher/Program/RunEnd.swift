/// What a run comes to: the status that its program exits with, and why.
public struct RunEnd: Equatable, Sendable {
  public let status: ExitStatus
  /// One line for people.
  public let text: String

  /// - Parameters:
  ///   - open: tasks whose end never came.
  ///   - isFinished: else it was left before its end.
  ///   - isStopped: its publisher ended it.
  ///   - hireFailed: places stayed empty for too long.
  ///   - noun: what a task is called: a `worker` of a run, a `task` of a map.
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

  /// Its work is done, but not this.
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
