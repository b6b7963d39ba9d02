import Bundles
import Hiring
import Host
import Market

/// Distributes what tasks produce: output to the presenter and the log, results to their folder,
/// ends to the tally.
final class TaskDesk {
  private let presenter: any TaskPresenter
  private let timeline: Timeline
  private let options: RunOptions
  private var folder: String?
  /// The worker of each running task, for the log.
  private var workers: [UInt32: UInt16] = [:]
  /// Tasks whose end is counted.
  private var ended = Set<UInt32>()
  /// Tasks whose results are here, but could not be unpacked.
  private var unwritten = Set<UInt32>()
  private(set) var tally = TaskTally()

  init(_ presenter: any TaskPresenter, _ options: RunOptions, _ timeline: Timeline) {
    self.presenter = presenter
    self.options = options
    self.timeline = timeline
  }

  /// Sets the run's folder.
  func use(_ folder: String) { self.folder = folder }

  /// The first write error on standard output.
  var problem: HostError? { presenter.problem }

  func finish() { presenter.finish() }

  private var results: ResultsWriter? {
    folder.map {
      ResultsWriter(folder: $0, target: options.results, prefix: options.resultPrefix)
    }
  }

  private var wantsResults: Bool { options.tasks.maxResultBytes > 0 }

  // MARK: Events

  func started(_ task: UInt32, worker: UInt16) {
    workers[task] = worker
    presenter.started(task, worker: worker)
  }

  /// It runs again on another provider: its output so far is discarded.
  func restarted(_ task: UInt32) { presenter.restarted(task) }

  func printed(_ task: UInt32, isError: Bool, offset: UInt64, _ bytes: [UInt8]) {
    presenter.printed(task, isError: isError, offset: offset, bytes)
    guard let folder else { return }
    JobLog.append(folder, worker: workers[task] ?? 0, task: task, isError: isError, bytes)
  }

  func received(_ task: UInt32, offset: UInt64, _ bytes: [UInt8]) throws(RunError) {
    do throws(HostError) { try results?.append(task: task, offset: offset, bytes) } catch {
      throw .host(error)
    }
  }

  /// The results are complete: makes them durable and unpacks them.
  func keep(_ task: UInt32) throws(RunError) {
    guard let results else { return }
    do { try results.keep(task: task) } catch {
      throw .damaged("the results of task \(task) cannot be kept: \(error)")
    }
    unpack(task, results)
  }

  /// Unpacks results. On failure the archive is kept, the run continues and counts as failed.
  private func unpack(_ task: UInt32, _ results: ResultsWriter) {
    let name = "\(options.resultPrefix) \(task): "
    do {
      let leftOut = try results.write(task: task, limitBytes: options.tasks.maxResultBytes)
      unwritten.remove(task)
      if let text = leftOut.text { timeline.tell(name + text, level: 1) }
    } catch {
      unwritten.insert(task)
      let reason = (error as? any CopyProblem)?.message ?? "\(error)"
      timeline.tell(
        "\(name)its results cannot be written: \(reason); they are in \(results.archive(task)), "
          + "and `zennet resume` tries again", level: 0)
    }
  }

  /// - Returns: false if its end was already counted.
  @discardableResult func ended(_ task: UInt32, _ outcome: TaskOutcome) -> Bool {
    if !ended.insert(task).inserted { return false }
    workers[task] = nil
    var status = ExitStatus(outcome, wantsResults: wantsResults)
    if status == .success && unwritten.contains(task) { status = .notWritten }
    tally.add(task, status)
    presenter.ended(task, outcome, status)
    return true
  }

  // MARK: Resuming a run

  /// Restores an ended task.
  func restored(_ task: UInt32, _ outcome: TaskOutcome, worker: UInt16?) {
    if let worker { presenter.started(task, worker: worker) }
    if let results, results.isUnwritten(task: task) { unpack(task, results) }
    ended(task, outcome)
  }
}
