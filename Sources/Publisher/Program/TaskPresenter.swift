import Hiring
import Host

/// Shows tasks' output and ends.
protocol TaskPresenter: AnyObject {
  func started(_ task: UInt32, worker: UInt16)
  /// The task runs again: discards output that is not shown yet.
  func restarted(_ task: UInt32)
  /// `offset` is the position of the first byte in the stream; offset 0 discards earlier output
  /// that is not shown yet.
  func printed(_ task: UInt32, isError: Bool, offset: UInt64, _ bytes: [UInt8])
  func ended(_ task: UInt32, _ outcome: TaskOutcome, _ status: ExitStatus)
  /// No further calls follow.
  func finish()
  /// The first write error on standard output.
  var problem: HostError? { get }
}

/// Presents the tasks of `zennet run`: output as it arrives, prefixed with the worker's number if
/// there are several.
final class RunPresenter: TaskPresenter {
  private var printer: OutputPrinter
  private let timeline: Timeline

  init(workers: UInt16, _ timeline: Timeline) {
    printer = OutputPrinter(namesWorkers: workers > 1)
    self.timeline = timeline
  }

  func started(_ task: UInt32, worker: UInt16) {}
  func restarted(_ task: UInt32) {}

  func printed(_ task: UInt32, isError: Bool, offset: UInt64, _ bytes: [UInt8]) {
    timeline.clearProgress()
    printer.print(worker: UInt16(truncatingIfNeeded: task), isError: isError, bytes)
  }

  func ended(_ task: UInt32, _ outcome: TaskOutcome, _ status: ExitStatus) {}
  func finish() { printer.finish() }
  var problem: HostError? { printer.problem }
}
