/// What a run comes to: the status that its program exits with, and why.
public struct RunEnd: Equatable, Sendable {
  public let status: ExitStatus
  /// One line for people.
  public let text: String

  init(_ machine: RunMachine, unwritten: Set<UInt16> = []) {
    if !machine.isFinished {
      status = .left
      text = RunEnd.told(.left)
      return
    }
    let all = machine.exitStatuses.enumerated().map { worker, status in
      status == .success && unwritten.contains(UInt16(worker)) ? .notWritten : status
    }
    if let (worker, first) = ExitStatus.first(of: all) {
      status = first
      text = RunEnd.told(first, worker: worker)
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

  private static func told(_ status: ExitStatus, worker: Int? = nil) -> String {
    var text = "exit status \(status.code)"
    if let worker { text += ": worker \(worker)" }
    if let meaning = status.meaning { text += ": " + meaning }
    return text
  }
}
