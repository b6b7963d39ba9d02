import Hiring
import Host

/// Shows what tasks print, and how they end.
protocol TaskPresenter: AnyObject {
  func started(_ task: UInt32, worker: UInt16)
  /// It is to run again: what it printed is dropped, where that is not shown yet.
  func restarted(_ task: UInt32)
  /// `offset` is the place of the first byte in the whole stream; a stream that begins at 0 again replaces
  /// what came before, where that is not shown yet.
  func printed(_ task: UInt32, isError: Bool, offset: UInt64, _ bytes: [UInt8])
  func ended(_ task: UInt32, _ outcome: TaskOutcome, _ status: ExitStatus)
  /// Nothing more comes.
  func finish()
  /// Why something could not be printed on standard output, the first time.
  var problem: HostError? { get }
}

/// Of `zennet run`: as it comes, each task under its worker's number.
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
