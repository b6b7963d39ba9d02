import Bytes
import Market

/// One task of a pool, for displays and receipts.
public struct TaskSummary: Equatable, Sendable {
  public var index: UInt32
  public var state: TaskRecord.State
  /// The worker index of the provider that has it or last had it.
  public var worker: UInt16?
  /// Whether the provider reported it started.
  public var isRunning: Bool
  /// How often it was lost after its start.
  public var losses: UInt8

  /// Nil before its end.
  public var outcome: TaskOutcome? { state.outcome }
}

/// The tasks of a pool: waiting, assigned and ended. A task that a provider refused or lost goes to
/// another provider.
final class TaskBoard {
  private struct Entry {
    /// Dropped when the task has ended.
    var spec: TaskSpec?
    var state: TaskRecord.State
    var losses: UInt8
    var failedOn: [Bytes32]
    var isStarted = false
    /// Its stop was requested: it does not run again.
    var isStopped = false
    var worker: UInt16?
  }

  private let pool: Bytes32
  private let reruns: UInt8
  private let context: HiringContext
  private var entries: [Entry] = []
  /// Waiting for any lease, in order; entries before `head` are removed.
  private var queue: [UInt32] = []
  private var head = 0
  /// Waiting to run again; these come before `queue`.
  private var again: [UInt32] = []
  private var pinned: [UInt16: [UInt32]] = [:]
  /// Waiting and not on disk.
  private var unstored: [UInt32] = []
  private(set) var endedCount = 0
  private var isStopping = false

  /// How many queued tasks are examined for a provider that may not run the first.
  private static let lookAhead = 64
  /// Refusals after which a task is given up.
  private static let maxRefusals = 8

  init(_ pool: Bytes32, reruns: UInt8, _ context: HiringContext) {
    self.pool = pool
    self.reruns = reruns
    self.context = context
  }

  // MARK: Queries

  var count: Int { entries.count }
  var isAllEnded: Bool { endedCount == entries.count }
  var waitingCount: Int { anyCount + pinned.values.reduce(0) { $0 + $1.count } }
  /// Waiting for any lease.
  private var anyCount: Int { queue.count - head + again.count }
  var assignedCount: Int { entries.count - endedCount - waitingCount }

  func spec(_ index: UInt32) -> TaskSpec? {
    Int(index) < entries.count ? entries[Int(index)].spec : nil
  }

  func state(_ index: UInt32) -> TaskRecord.State? {
    Int(index) < entries.count ? entries[Int(index)].state : nil
  }

  /// The number of waiting tasks pinned to this place, and of those for any place.
  func waitsFor(_ worker: UInt16) -> (own: Int, any: Int) {
    (pinned[worker]?.count ?? 0, anyCount)
  }

  /// Whether a waiting task may run on this provider at this place.
  func hasWork(for provider: Bytes32, worker: UInt16) -> Bool {
    next(for: provider, worker: worker) != nil
  }

  /// Whether any waiting task may run on this provider.
  func hasWork(for provider: Bytes32) -> Bool {
    if next(in: again, provider) != nil || nextInQueue(provider) != nil { return true }
    return pinned.values.contains { next(in: $0, provider) != nil }
  }

  var summaries: [TaskSummary] {
    entries.indices.map { index in
      TaskSummary(
        index: UInt32(index), state: entries[index].state, worker: entries[index].worker,
        isRunning: entries[index].isStarted && entries[index].spec != nil,
        losses: entries[index].losses)
    }
  }

  // MARK: Waiting

  func add(_ spec: TaskSpec) -> UInt32 {
    let index = UInt32(entries.count)
    entries.append(Entry(spec: spec, state: .waiting, losses: 0, failedOn: []))
    wait(index, again: false)
    unstored.append(index)
    return index
  }

  private func wait(_ index: UInt32, again isAgain: Bool) {
    entries[Int(index)].state = .waiting
    entries[Int(index)].isStarted = false
    if let worker = entries[Int(index)].spec?.worker {
      pinned[worker, default: []].append(index)
    } else if isAgain {
      again.append(index)
    } else {
      queue.append(index)
    }
  }

  private func mayRun(_ index: UInt32, _ provider: Bytes32) -> Bool {
    !entries[Int(index)].failedOn.contains(provider)
  }

  private func next(in list: [UInt32], _ provider: Bytes32) -> UInt32? {
    list.first { mayRun($0, provider) }
  }

  private func nextInQueue(_ provider: Bytes32) -> UInt32? {
    queue[head...].prefix(TaskBoard.lookAhead).first { mayRun($0, provider) }
  }

  /// The next task for a lease.
  func next(for provider: Bytes32, worker: UInt16) -> UInt32? {
    next(in: pinned[worker] ?? [], provider) ?? next(in: again, provider) ?? nextInQueue(provider)
  }

  private func leaveLine(_ index: UInt32) {
    if let worker = entries[Int(index)].spec?.worker {
      pinned[worker]?.removeAll { $0 == index }
      return
    }
    if let place = again.firstIndex(of: index) {
      again.remove(at: place)
    } else if let place = queue[head...].firstIndex(of: index) {
      queue.remove(at: place)
      if place == head && head > 4096 {
        queue.removeFirst(head)
        head = 0
      }
    }
  }

  // MARK: Disk

  private func store(_ index: UInt32, spec: TaskSpec? = nil) {
    let entry = entries[Int(index)]
    guard let spec = spec ?? entry.spec else { return }
    let record = TaskRecord(
      spec: spec, state: entry.state, losses: entry.losses, failedOn: entry.failedOn)
    context.emit(.storeTask(TaskId(pool: pool, index: index), record.encode()))
  }

  /// Stores new tasks that were not assigned at once; assigned ones are already stored.
  func storeAdded() {
    for index in unstored where entries[Int(index)].state == .waiting { store(index) }
    unstored = []
  }

  /// Restores a task; call it by ascending index.
  func restore(_ index: UInt32, _ record: TaskRecord) throws(HiringError) {
    if Int(index) != entries.count { throw .unknown("task") }
    entries.append(
      Entry(
        spec: record.spec, state: record.state, losses: record.losses,
        failedOn: record.failedOn))
    switch record.state {
    case .waiting: wait(index, again: false)
    case .assigned: break
    case .line, .lost, .notHired, .stopped:
      endedCount += 1
      entries[Int(index)].spec = nil
    }
  }

  /// Sets the worker index of restored tasks of a lease.
  func restored(lease id: Bytes32, worker: UInt16) {
    for index in entries.indices {
      switch entries[index].state {
      case .assigned(id, _), .line(id, _, _, _): entries[index].worker = worker
      default: break
      }
    }
  }

  /// Restored tasks assigned to a lease, with their numbers in it.
  func assigned(to lease: Bytes32) -> [(index: UInt32, number: UInt32, spec: TaskSpec)] {
    entries.indices.compactMap { index in
      guard case .assigned(lease, let number) = entries[index].state,
        let spec = entries[index].spec
      else { return nil }
      return (UInt32(index), number, spec)
    }
  }

  /// The stored lines of a lease, by ascending place in its chain.
  func lines(of lease: Bytes32) -> [(line: TaskLine, place: UInt32, hasResults: Bool)] {
    entries.compactMap { entry in
      guard case .line(lease, let place, let line, let hasResults) = entry.state else {
        return nil
      }
      return (line, place, hasResults)
    }.sorted { $0.place < $1.place }
  }

  // MARK: Task events

  func assign(_ index: UInt32, to lease: Bytes32, worker: UInt16, number: UInt32) {
    leaveLine(index)
    entries[Int(index)].worker = worker
    entries[Int(index)].state = .assigned(lease: lease, number: number)
    store(index)
  }

  func started(_ index: UInt32) { entries[Int(index)].isStarted = true }

  /// The line, output and results arrived. Returns true if the task has ended, false if it runs
  /// again.
  func complete(
    _ index: UInt32, lease: Bytes32, provider: Bytes32, place: UInt32, _ line: TaskLine,
    hasResults: Bool
  ) -> Bool {
    if TaskBoard.isLoss(line.kind), mayRerun(index) {
      lost(index, provider: provider, hasStarted: true)
      return false
    }
    entries[Int(index)].state = .line(
      lease: lease, place: place, line, hasResults: hasResults)
    end(index)
    context.emit(
      .taskEnded(
        TaskId(pool: pool, index: index), .line(line, hasResults: hasResults)))
    return true
  }

  private func mayRerun(_ index: UInt32) -> Bool {
    let entry = entries[Int(index)]
    return entry.losses < reruns && !entry.isStopped && !isStopping
  }

  /// Whether the task failed for a reason that may not occur on another provider.
  private static func isLoss(_ kind: ExitKind) -> Bool {
    switch kind {
    case .lost, .stoppedByOwner, .unpaid: return true
    case .exited, .signalled, .outOfMemory, .timeLimit, .stoppedByPublisher, .neverRan:
      return false
    }
  }

  private func end(_ index: UInt32) {
    let spec = entries[Int(index)].spec
    entries[Int(index)].spec = nil
    endedCount += 1
    store(index, spec: spec)
  }

  private func end(_ index: UInt32, _ state: TaskRecord.State, _ outcome: TaskOutcome) {
    if entries[Int(index)].spec == nil { return }
    if entries[Int(index)].state == .waiting { leaveLine(index) }
    entries[Int(index)].state = state
    end(index)
    context.emit(.taskEnded(TaskId(pool: pool, index: index), outcome))
  }

  /// The task is no longer assigned to its provider.
  ///
  /// - Parameter hasStarted: it may have run there.
  func lost(_ index: UInt32, provider: Bytes32, hasStarted: Bool) {
    guard case .assigned = entries[Int(index)].state else { return }
    if hasStarted {
      failed(index, on: provider)
      if !mayRerun(index) { return end(index, .lost, .lost) }
      entries[Int(index)].losses += 1
    } else if entries[Int(index)].isStopped || isStopping {
      return end(index, .stopped, .stopped)
    }
    wait(index, again: true)
    store(index)
    if hasStarted { context.emit(.taskRestarted(TaskId(pool: pool, index: index))) }
  }

  /// A provider refused the task.
  func refused(_ index: UInt32, provider: Bytes32) {
    guard case .assigned = entries[Int(index)].state else { return }
    failed(index, on: provider)
    if entries[Int(index)].failedOn.count >= TaskBoard.maxRefusals {
      return end(index, .notHired, .notHired)
    }
    if entries[Int(index)].isStopped || isStopping { return end(index, .stopped, .stopped) }
    wait(index, again: true)
    store(index)
  }

  private func failed(_ index: UInt32, on provider: Bytes32) {
    if mayRun(index, provider) && entries[Int(index)].failedOn.count < TaskRecord.maxFailed {
      entries[Int(index)].failedOn.append(provider)
    }
  }

  /// Ends tasks that wait for this place, or for any place if nil, as not hired.
  func giveUp(_ worker: UInt16?) {
    let indices = worker.map { pinned[$0] ?? [] } ?? (again + queue[head...])
    for index in indices { end(index, .notHired, .notHired) }
  }

  /// Stops the pool: waiting tasks end, assigned ones do not run again.
  func stop() {
    isStopping = true
    for index in again + queue[head...] + pinned.values.flatMap({ $0 }).sorted() {
      end(index, .stopped, .stopped)
    }
  }

  /// The same for one task.
  func stop(_ index: UInt32) {
    entries[Int(index)].isStopped = true
    if entries[Int(index)].state == .waiting { end(index, .stopped, .stopped) }
  }
}
