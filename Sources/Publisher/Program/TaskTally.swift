import Hiring

/// Counts the ended tasks of a run.
struct TaskTally: Equatable {
  private(set) var ended: UInt64 = 0
  private(set) var failed: UInt64 = 0
  /// The failed task with the lowest number.
  private(set) var firstFailed: (task: UInt32, status: ExitStatus)?

  mutating func add(_ task: UInt32, _ status: ExitStatus) {
    ended += 1
    if status == .success { return }
    failed += 1
    if let first = firstFailed, first.task < task { return }
    firstFailed = (task, status)
  }

  static func == (left: TaskTally, right: TaskTally) -> Bool {
    left.ended == right.ended && left.failed == right.failed
      && left.firstFailed?.task == right.firstFailed?.task
      && left.firstFailed?.status == right.firstFailed?.status
  }
}
