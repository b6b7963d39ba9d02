import Bytes
import Hiring
import Market

/// Why a control request failed.
struct ControlProblem: Error {
  let text: String
  init(_ text: String) { self.text = text }
}

/// Answers queries about a live run and resolves task names.
struct RunQuery {
  let machine: HiringMachine
  let pool: Bytes32
  let offer: Offer
  let options: RunOptions

  private var name: String { RunFolder.name(pool) }
  private var isMap: Bool { options.map != nil }

  /// The name of a task on the command line.
  func name(ofTask task: UInt32) -> String {
    name + (isMap ? "/task-\(task)" : "/\(task)")
  }

  // MARK: Status

  func status(_ tally: TaskTally, addedTasks: UInt64, startedUnixSeconds: UInt64) -> RunStatus {
    var last: [Bytes32: (place: UInt32, task: RunReceipt.Task)] = [:]
    for task in machine.tasks(of: pool) {
      guard case .line(let lease, let place, _, _) = task.state, place > last[lease]?.place ?? 0,
        let outcome = task.state.outcome
      else { continue }
      let status = ExitStatus(outcome, wantsResults: wantsResults)
      last[lease] = (place, RunReceipt.Task(task.index, outcome, status))
    }
    let leases = machine.leases(of: pool)
    let workers = leases.map { lease in
      WorkerStatus(LeaseView(lease), run: name, last: last[lease.id]?.task)
    }
    var counts = RunStatus.TaskCounts()
    counts.all = addedTasks
    counts.running = UInt64(leases.reduce(0) { $0 + $1.running.count })
    counts.ended = tally.ended
    counts.failed = tally.failed
    return RunStatus(
      id: name, offer, command: options.tasks.command, isMap: isMap,
      startedUnixSeconds: startedUnixSeconds, workers: workers, tasks: counts)
  }

  private var wantsResults: Bool { options.tasks.maxResultBytes > 0 }

  // MARK: Resolving tasks

  /// The task in whose sandbox an exec session runs.
  func target(of request: ControlRequest) -> Result<UInt32, ControlProblem> {
    if let task = request.task { return .success(task) }
    let worker = request.worker ?? 0
    if worker >= offer.workers { return .failure(ControlProblem("there is no worker \(worker)")) }
    let running = machine.leases(of: pool).filter { $0.worker == worker }.flatMap(\.running)
    guard let first = running.first else {
      return .failure(ControlProblem("no task is running on worker \(worker)"))
    }
    if running.count > 1 {
      return .failure(
        ControlProblem(
          "\(running.count) tasks are running on worker \(worker): name one, as "
            + name(ofTask: first)))
    }
    return .success(first)
  }

  /// The unfinished tasks of a worker, or the named task.
  func openTasks(of request: ControlRequest) -> Result<Set<UInt32>, ControlProblem> {
    let tasks = machine.tasks(of: pool)
    if let index = request.task {
      guard let task = tasks.first(where: { $0.index == index }) else {
        return .failure(ControlProblem("there is no task \(index)"))
      }
      if task.state.outcome != nil {
        return .failure(ControlProblem("the task has already ended"))
      }
      return .success([index])
    }
    let open = tasks.filter { $0.state.outcome == nil }
    guard let worker = request.worker else { return .success(Set(open.map(\.index))) }
    if worker >= offer.workers { return .failure(ControlProblem("there is no worker \(worker)")) }
    let own = open.filter { isMap ? $0.worker == worker : $0.index == UInt32(worker) }
    if own.isEmpty {
      return .failure(
        ControlProblem(
          isMap ? "worker \(worker) has no task" : "the task has already ended"))
    }
    return .success(Set(own.map(\.index)))
  }
}
