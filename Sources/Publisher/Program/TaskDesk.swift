import Bundles
import Hiring
import Host
import Market

/// Where what tasks make goes: output to whoever looks on and to the log, results to their folder, ends to
/// the count of ends.
final class TaskDesk {
  private let presenter: any TaskPresenter
  private let timeline: Timeline
  private let options: RunOptions
  private var folder: String?
  /// Which worker has a task; for the log.
  private var workers: [UInt32: UInt16] = [:]
  /// Tasks whose end is counted.
  private var ended = Set<UInt32>()
  /// Tasks whose results are here, but not where they were asked for.
  private var unwritten = Set<UInt32>()
  private(set) var tally = TaskTally()

  init(_ presenter: any TaskPresenter, _ options: RunOptions, _ timeline: Timeline) {
    self.presenter = presenter
    self.options = options
    self.timeline = timeline
  }

  /// The run's folder is there.
  func use(_ folder: String) { self.folder = folder }

  /// Why something could not be printed on standard output, the first time.
  var problem: HostError? { presenter.problem }

  func finish() { presenter.finish() }

  private var results: ResultsWriter? {
    folder.map {
      ResultsWriter(folder: $0, target: options.results, prefix: options.resultPrefix)
    }
  }

  private var wantsResults: Bool { options.tasks.maxResultBytes > 0 }

  // MARK: What happened

  func started(_ task: UInt32, worker: UInt16) {
    workers[task] = worker
    presenter.started(task, worker: worker)
  }

  /// It runs again on another machine: what it printed so far does not count.
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

  /// The results are whole: from here on they are on the disk.
  func keep(_ task: UInt32) throws(RunError) {
    guard let results else { return }
    do { try results.keep(task: task) } catch {
      throw .damaged("the results of task \(task) cannot be kept: \(error)")
    }
    unpack(task, results)
  }

  /// Results that cannot be unpacked stay as they came, and do not end the run, which then has failed.
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

  /// - Returns: false where its end was known.
  @discardableResult func ended(_ task: UInt32, _ outcome: TaskOutcome) -> Bool {
    if !ended.insert(task).inserted { return false }
    workers[task] = nil
    var status = ExitStatus(outcome, wantsResults: wantsResults)
    if status == .success && unwritten.contains(task) { status = .notWritten }
    tally.add(task, status)
    presenter.ended(task, outcome, status)
    return true
  }

  // MARK: Taking up a run

  /// A task of an earlier program, whose end is known.
  func restored(_ task: UInt32, _ outcome: TaskOutcome, worker: UInt16?) {
    if let worker { presenter.started(task, worker: worker) }
    if let results, results.isUnwritten(task: task) { unpack(task, results) }
    ended(task, outcome)
  }
}
