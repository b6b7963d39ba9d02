import Bytes
import Market
import Session

/// The tasks of a lease, sent in order. Each is tracked until its line, output and results are on
/// disk.
final class LeaseTasks {
  /// A task event; `index` is the task's index in the pool.
  enum Event: Equatable {
    case started(index: UInt32, unixSeconds: UInt64)
    /// Its line arrived: the provider has room for another task.
    case ended(index: UInt32)
    /// The line, output and results arrived: store the task, then call ``LeaseTasks/stored(_:)``.
    case complete(index: UInt32, number: UInt32, place: UInt32, TaskLine, hasResults: Bool)
    case refused(index: UInt32, RefusalCode, String)
    /// It was stopped before the provider received it.
    case unsent(index: UInt32)
    /// The line of a task that moved to another lease: only the line count changed.
    case orphanEnded
    /// The provider violated the protocol: its reports are no longer accepted.
    case fault(String)
  }

  private let contract: Contract
  private let context: HiringContext
  private let link: LeaseLink
  private let bundles: BundleServer
  private let streams: TaskStreams
  /// By ascending task number.
  private var runs: [TaskRun] = []
  private var events: [Event] = []
  private(set) var lines: LineLog
  private(set) var lastTask: UInt32
  /// Lines on disk that follow a missing one; the provider sends the missing ones again.
  private var early: [UInt32: TaskLine] = [:]
  /// Tasks whose lines arrived since the start: a repeated line counts once.
  private var counted = Set<UInt32>()
  /// The last results stored here; the provider may not have the confirmation.
  private var heldResults: [(number: UInt32, bytes: UInt64)] = []
  private var pace = TaskPace()
  /// The time in which the lease was suspended.
  private var still = ReservationClock()

  init(
    _ contract: Contract, pool: Bytes32, lines: LineLog = LineLog(), lastTask: UInt32 = 0,
    _ link: LeaseLink, _ context: HiringContext
  ) {
    self.contract = contract
    self.context = context
    self.link = link
    self.lines = lines
    self.lastTask = lastTask
    bundles = BundleServer(link, context.readBundle)
    streams = TaskStreams(contract.id, pool: pool, link, context)
  }

  func nextEvent() -> Event? {
    while let event = streams.nextEvent() {
      switch event {
      case .moved(let run): finishIfComplete(run)
      case .fault(let reason): events.append(.fault(reason))
      }
    }
    return events.isEmpty ? nil : events.removeFirst()
  }

  private func run(_ number: UInt32) -> TaskRun? { runs.first { $0.number == number } }
  private var nowMs: UInt64 { context.now.nowMs }

  // MARK: Queries

  var outstandingCount: Int { runs.lazy.filter(\.isOutstanding).count }
  var startedCount: Int { runs.lazy.filter(\.isStarted).count }
  var isEmpty: Bool { runs.isEmpty }
  var running: [UInt32] { runs.compactMap { $0.isStarted ? $0.index : nil } }
  /// Whether a task could start and none runs.
  var waitsForStart: Bool { !bundles.isBusy && startedCount == 0 && outstandingCount > 0 }

  /// The longest `stopMs` among unfinished tasks.
  var mostStopMs: UInt64 {
    runs.reduce(0) { $1.isOutstanding ? max($0, UInt64($1.order.stopMs)) : $0 }
  }

  func isStarted(_ index: UInt32) -> Bool {
    runs.contains { $0.index == index && $0.isStarted }
  }

  /// Whether to send another task with these limits now: as many as can run at once, plus enough to
  /// keep the provider busy.
  func hasRoom(for limits: TaskLimits) -> Bool {
    let count = outstandingCount
    let depth = pace.depth(atATime: TaskPace.atATime(limits, in: contract.share))
    if count >= Limits.maxQueuedTasks || count >= depth { return false }
    let bytes = runs.reduce(0) { $1.isOutstanding ? $0 + $1.orderBytes : $0 }
    return bytes < Limits.maxQueuedBytes - Limits.maxDocumentBytes
  }

  // MARK: Sending

  /// Allocates the next task number. Store it before ``send(_:index:_:)``.
  func takeNumber() -> UInt32 {
    lastTask += 1
    return lastTask
  }

  func send(_ number: UInt32, index: UInt32, _ spec: TaskSpec) {
    let run = add(number, index: index, spec)
    link.say(.task(run.order))
    streams.openOutput(run)
  }

  @discardableResult
  private func add(_ number: UInt32, index: UInt32, _ spec: TaskSpec) -> TaskRun {
    let run = TaskRun(
      number: number, index: index, order: spec.order(number: number), contract: contract.id,
      nowMs: nowMs)
    runs.append(run)
    runs.sort { $0.number < $1.number }
    bundles.retain(run.order.bundles)
    return run
  }

  private func remove(_ run: TaskRun) {
    runs.removeAll { $0 === run }
    bundles.release(run.order.bundles)
  }

  /// Requests the stop of a task.
  func stop(_ number: UInt32, _ reason: String) {
    guard let run = run(number), run.isOutstanding else { return }
    if run.stoppedAtMs == nil { run.stoppedAtMs = nowMs }
    link.say(.taskStop(number: number, text: PlainText.short(reason)))
  }

  /// Marks all unfinished tasks as stopped: the lease ends.
  func endAsked() {
    for run in runs where run.isOutstanding && run.stoppedAtMs == nil { run.stoppedAtMs = nowMs }
  }

  /// Gives up unfinished tasks for other leases and returns their pool indices and whether each had
  /// started. Their later lines still count.
  ///
  /// - Parameter fetchesResults: keep receiving output and results of ended tasks.
  func giveUp(fetchesResults: Bool) -> [(index: UInt32, hasStarted: Bool)] {
    var lost: [(index: UInt32, hasStarted: Bool)] = []
    for run in runs {
      if run.line != nil {
        if !fetchesResults { abandonRest(run) }
      } else if let index = run.index {
        lost.append((index, run.isStarted))
        run.index = nil
        streams.closeOutput(run)
      }
    }
    return lost
  }

  // MARK: The connection

  /// Both sides exchanged lease states: resends what the provider lacks.
  func compared(_ theirs: LeaseState) {
    for run in runs where run.isOutstanding && run.number > theirs.lastTask {
      // Drops a stopped task that the provider never received.
      if run.index != nil && run.stoppedAtMs == nil {
        link.say(.task(run.order))
      } else {
        remove(run)
        if let index = run.index { events.append(.unsent(index: index)) }
      }
    }
    for run in runs {
      if run.isOutstanding && run.stoppedAtMs != nil {
        link.say(.taskStop(number: run.number, text: []))
      }
      run.movedAtMs = nowMs
      streams.openOutput(run)
      streams.openResults(run)
    }
    for held in heldResults { streams.confirmResults(held.number, held.bytes) }
    acknowledge()
  }

  func disconnected() {
    streams.disconnected()
    bundles.disconnected()
    lines.disconnected()
    for run in runs { run.disconnected() }
  }

  // MARK: After a restart

  /// Restores a task that may have been sent.
  func restore(_ number: UInt32, index: UInt32, _ spec: TaskSpec) {
    add(number, index: index, spec)
    lastTask = max(lastTask, number)
  }

  /// Restores stored lines, by ascending place.
  func restore(lines stored: [(line: TaskLine, place: UInt32, hasResults: Bool)]) {
    for entry in stored {
      lastTask = max(lastTask, entry.line.number)
      if entry.place == lines.received.count + 1 {
        lines.taskStored(place: count(entry.line))
      } else if entry.place > lines.received.count {
        early[entry.line.number] = entry.line
      }
      if entry.hasResults { noteHeld(entry.line.number, entry.line.resultBytes) }
    }
  }

  // MARK: What the provider reports

  func stateReported(_ number: UInt32, _ state: TaskState) {
    guard let run = run(number), run.isOutstanding else { return }
    run.movedAtMs = nowMs
    switch state {
    case .queued: break
    case .started(let unixSeconds):
      if run.isStarted { return }
      run.phase = .started(atMs: nowMs)
      run.stillMsBefore = still.totalMs(nowMs: nowMs)
      if let index = run.index {
        events.append(.started(index: index, unixSeconds: unixSeconds))
      }
    case .refused(let code, let text):
      if run.isStarted { return }
      streams.closeOutput(run)
      remove(run)
      if let index = run.index {
        events.append(.refused(index: index, code, String(decoding: text, as: UTF8.self)))
      }
    }
  }

  func ended(_ line: TaskLine) {
    guard let run = run(line.number) else { return endedElsewhere(line) }
    if !run.isOutstanding { return }
    if line.resultBytes > run.order.maxResultBytes {
      return events.append(.fault("more results than the task may have"))
    }
    if run.isStarted && line.kind == .exited { pace.ended(line.usage) }
    let place = count(line)
    run.phase = .ended(line, place: place)
    run.movedAtMs = nowMs
    guard let index = run.index else {
      lines.taskStored(place: place)
      if line.resultBytes > 0 { streams.confirmResults(line.number, line.resultBytes) }
      remove(run)
      return events.append(.orphanEnded)
    }
    if line.kind == .neverRan { streams.closeOutput(run) }
    if line.resultBytes > 0 { run.fetch = .fetching(TaskRun.Results(line)) }
    events.append(.ended(index: index))
    streams.openResults(run)
    finishIfComplete(run)
  }

  /// A line that is already on disk, or of a task that moved to another lease. It only advances the
  /// count and the chain.
  private func endedElsewhere(_ line: TaskLine) {
    if line.number > lastTask {
      return events.append(.fault("the line of a task that was never sent"))
    }
    if counted.contains(line.number) { return }
    if let known = early.removeValue(forKey: line.number), known != line {
      return events.append(.fault("another line of a task than before"))
    }
    lines.taskStored(place: count(line))
    events.append(.orphanEnded)
  }

  private func count(_ line: TaskLine) -> UInt32 {
    counted.insert(line.number)
    return lines.append(line)
  }

  // MARK: The end of a task

  private func finishIfComplete(_ run: TaskRun) {
    guard run.isComplete, let index = run.index, let (line, place) = run.line else { return }
    // Cleared, so that the event is reported once.
    run.index = nil
    events.append(
      .complete(
        index: index, number: run.number, place: place, line, hasResults: run.hasResults))
  }

  /// The task and its line are on disk: releases the task.
  func stored(_ number: UInt32) {
    guard let run = run(number), let (line, place) = run.line else { return }
    lines.taskStored(place: place)
    streams.stored(run)
    if run.hasResults { noteHeld(number, line.resultBytes) }
    remove(run)
    acknowledge()
  }

  private func noteHeld(_ number: UInt32, _ bytes: UInt64) {
    heldResults.append((number, bytes))
    if heldResults.count > Limits.maxQueuedTasks { heldResults.removeFirst() }
  }

  /// Acknowledges stored lines, so that the provider may delete them.
  func acknowledge() {
    guard link.isLive, let count = lines.toAcknowledge(isIdle: runs.isEmpty) else { return }
    link.say(.linesStored(count: count))
  }

  /// Gives up an ended task's remaining output and results.
  private func abandonRest(_ run: TaskRun) {
    streams.closeOutput(run)
    streams.resultsMissing(run)
  }

  // MARK: Streams

  /// Returns false for an unrelated stream.
  func streamOpened(_ id: StreamId, _ opening: StreamOpening) -> Bool {
    if opening.kind == .fileIn {
      bundles.opened(id, opening)
      return true
    }
    guard opening.kind == .standardInput,
      let run = runs.first(where: { $0.key == opening.key }), run.isOutstanding,
      run.order.hasInput
    else { return false }
    streams.opened(id, opening, by: run)
    return true
  }

  func received(_ id: StreamId, _ bytes: [UInt8]) -> Bool { streams.received(id, bytes) }

  func streamEnded(_ id: StreamId) {
    bundles.closed(id)
    streams.closed(id, isReset: false)
  }

  func streamReset(_ id: StreamId) {
    bundles.closed(id)
    streams.closed(id, isReset: true)
  }

  func credit(_ id: StreamId) { if !bundles.pump(id) { streams.credit(id) } }

  // MARK: Input

  /// Reads the pool's input; set by the pool.
  var input: () -> PoolInput {
    get { streams.input }
    set { streams.input = newValue }
  }

  /// The smallest input offset over all tasks with input; nil if no task reads input.
  var leastInputOffset: UInt64? {
    runs.filter { $0.isOutstanding && $0.order.hasInput }.map { $0.input?.offset ?? 0 }.min()
  }

  func inputGrew() { for run in runs { streams.pumpInput(run) } }

  // MARK: Time

  /// Starts or stops the suspension clock. Suspended time does not count towards tasks' time
  /// limits.
  func set(still isStill: Bool) { still.set(running: isStill, nowMs: nowMs) }

  /// When a task is late; a new connection extends it, so that the provider can report ends.
  private func lateAtMs(_ run: TaskRun) -> UInt64? {
    run.lateAtMs(contract, stillMs: still.totalMs(nowMs: nowMs))
      .map { max($0, link.connectedAtMs + HiringTimes.lateTaskMs) }
  }

  /// Applies timeouts while the provider is connected: a late task is a fault; an ended task's
  /// stalled streams are given up.
  func timePassed() {
    if !link.isLive { return }
    for run in runs {
      if let lateAtMs = lateAtMs(run), nowMs >= lateAtMs {
        return events.append(.fault("task \(run.number) does not end"))
      }
      if let stalledAtMs = run.stalledAtMs, nowMs >= stalledAtMs { abandonRest(run) }
    }
  }

  var nextDeadlineMs: UInt64 {
    if !link.isLive { return UInt64.max }
    var earliest = UInt64.max
    for run in runs {
      if let lateAtMs = lateAtMs(run) { earliest = min(earliest, lateAtMs) }
      if let stalledAtMs = run.stalledAtMs { earliest = min(earliest, stalledAtMs) }
    }
    return earliest
  }
}
