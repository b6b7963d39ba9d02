import Foundation
import Hiring
import Host

/// Presents the tasks of `zennet map`: each task's output as a whole after its end, in the order of
/// ends or of arguments; or one JSON line per task.
final class MapPresenter: TaskPresenter {
  private struct Line: Encodable {
    var task: UInt32
    var argument: String?
    var worker: UInt16?
    var exit: String
    var exitStatus: Int32?
    var status: UInt8
    var seconds: Double?
    var stdoutBytes: UInt64
  }

  private struct Shown {
    var argument: String?
    var worker: UInt16?
    /// For standard output and standard error; nil while there is no output.
    var spools: [OutputSpool?] = [nil, nil]
    var end: (outcome: TaskOutcome, status: ExitStatus)?
  }

  private let options: MapOptions
  /// The run's folder, for output too large for memory.
  private var folder = NSTemporaryDirectory()
  private let timeline: Timeline
  private let budget = OutputSpool.Budget()
  /// Tasks that are not shown yet.
  private var tasks: [UInt32: Shown] = [:]
  /// The first task not shown, when tasks are shown in the order of arguments.
  private var next: UInt32 = 0
  private var texts = [TerminalText(), TerminalText()]
  private let cleans = [Terminal.isTerminal(1), Terminal.isTerminal(2)]
  private let write: (Int32, [UInt8]) -> HostError?
  private(set) var problem: HostError?

  init(
    _ options: MapOptions, _ timeline: Timeline,
    write: @escaping (Int32, [UInt8]) -> HostError? = { HostProcess.write($0, $1) }
  ) {
    self.options = options
    self.timeline = timeline
    self.write = write
  }

  /// A task was added.
  func added(_ task: UInt32, argument: String?) {
    tasks[task, default: Shown()].argument = argument
  }

  func use(_ folder: String) { self.folder = folder }

  func started(_ task: UInt32, worker: UInt16) { tasks[task, default: Shown()].worker = worker }

  func restarted(_ task: UInt32) { tasks[task]?.spools = [nil, nil] }

  func printed(_ task: UInt32, isError: Bool, offset: UInt64, _ bytes: [UInt8]) {
    let stream = isError ? 1 : 0
    let spool: OutputSpool
    if let known = tasks[task]?.spools[stream] {
      spool = known
    } else {
      let path = folder + "/output-\(task)-\(stream)"
      spool = OutputSpool(path: path, budget: budget)
      tasks[task, default: Shown()].spools[stream] = spool
    }
    do throws(HostError) { try spool.append(offset: offset, bytes) } catch { note(error) }
  }

  func ended(_ task: UInt32, _ outcome: TaskOutcome, _ status: ExitStatus) {
    if !options.keepsOrder {
      var shown = tasks.removeValue(forKey: task) ?? Shown()
      shown.end = (outcome, status)
      return show(task, shown)
    }
    tasks[task, default: Shown()].end = (outcome, status)
    while let shown = tasks[next], shown.end != nil {
      tasks[next] = nil
      show(next, shown)
      next += 1
    }
  }

  /// Shows ended tasks that waited for a task without an end.
  func finish() {
    for task in tasks.keys.sorted() {
      if let shown = tasks[task], shown.end != nil { show(task, shown) }
    }
    tasks = [:]
  }

  private func show(_ task: UInt32, _ shown: Shown) {
    guard let end = shown.end else { return }
    timeline.clearProgress()
    if options.printsJson { return print(line(task, shown, end.outcome, end.status)) }
    for (stream, spool) in shown.spools.enumerated() {
      guard let spool else { continue }
      do throws(HostError) {
        try spool.read { bytes in
          let shown = self.cleans[stream] ? self.texts[stream].clean(bytes) : bytes
          self.print(shown, on: stream)
        }
      } catch { note(error) }
    }
    if end.status != .success {
      let argument = shown.argument.map { " (\($0))" } ?? ""
      timeline.tell("task \(task)\(argument): \(end.outcome.told)", level: 1)
    }
  }

  private func line(
    _ task: UInt32, _ shown: Shown, _ outcome: TaskOutcome, _ status: ExitStatus
  ) -> [UInt8] {
    let line = Line(
      task: task, argument: shown.argument, worker: shown.worker, exit: outcome.exitText,
      exitStatus: outcome.line?.status, status: status.code,
      seconds: outcome.line.map { Double($0.usage.wallMs) / 1000 },
      stdoutBytes: shown.spools[0]?.sizeBytes ?? 0)
    return ControlJson.encode(line) + [0x0a]
  }

  private func print(_ bytes: [UInt8], on stream: Int = 0) {
    if let failure = write(stream == 0 ? 1 : 2, bytes), stream == 0 { note(failure) }
  }

  /// Records a write error. A closed output does not change how the run ends.
  private func note(_ error: HostError) {
    if !error.isUnread, problem == nil { problem = error }
  }
}
