import Bitcoin
import Bytes
import Channel
import Market
import Wallet

/// A number of leases of one offer, with one announcement, and their tasks. It assigns tasks to
/// leases and decides when it is complete. ``Recruiter`` selects providers, ``Funder`` funds
/// channels.
final class Pool {
  var isTouched = false
  private(set) var isFinished = false

  private let state: PoolState
  private let context: HiringContext
  private let treasury: Treasury
  private let providers: Providers
  private let announcer: Announcer
  private let recruiter: Recruiter
  private let funder: Funder
  private var input = PoolInput()
  /// Leases that may have room for a task.
  private var mayTake: [Bytes32: Lease] = [:]

  init(
    id: Bytes32, _ plan: PoolPlan, _ treasury: Treasury, _ providers: Providers,
    _ context: HiringContext
  ) {
    self.treasury = treasury
    self.providers = providers
    self.context = context
    state = PoolState(id: id, plan, context)
    announcer = Announcer(plan, treasury, context)
    recruiter = Recruiter(state, announcer, treasury, providers, context)
    funder = Funder(announcer, treasury, context)
  }

  var id: Bytes32 { state.id }
  var board: TaskBoard { state.board }
  var leases: Roster<Lease> { state.leases }
  var record: PoolRecord? { state.record }

  // MARK: After a restart

  /// Restores a pool. Restore its tasks and leases next.
  convenience init(
    restoring record: PoolRecord, _ treasury: Treasury, _ providers: Providers,
    _ context: HiringContext
  ) {
    self.init(id: record.id, record.plan, treasury, providers, context)
    state.restore(record)
  }

  func restore(
    _ record: LeaseRecord, _ progress: LeaseProgress, states: [UInt8: [UInt8]]
  ) throws(HiringError) {
    let lease = try Lease(
      restoring: record, progress, states: states, plan: state.plan, treasury, providers, context)
    board.restored(lease: lease.id, worker: lease.worker)
    lease.tasks.restore(lines: board.lines(of: lease.id))
    for task in board.assigned(to: lease.id) {
      lease.tasks.restore(task.number, index: task.index, task.spec)
    }
    recruiter.restored(lease, hasFault: !progress.fault.isEmpty)
    adopt(lease)
  }

  private func adopt(_ lease: Lease) {
    state.leases.add(lease, lease.id)
    lease.tasks.input = { [unowned self] in input }
    lease.hasMoreWork = { [unowned self, unowned lease] in
      state.hasWork(for: lease.provider, worker: lease.worker)
    }
    context.touch(lease)
    context.touch(self)
  }

  /// After the restore: assigns fundings to all their channels and relays an unconfirmed
  /// announcement again.
  func relayAgain() {
    Funder.adopt(leases.all)
    if let record, record.announcementHeight == 0, !state.isStopping {
      context.emit(.broadcast(record.announcement))
    }
  }

  func started() {
    recruiter.started()
    for lease in leases.all {
      funder.consider(lease)
      if lease.stage == .settled || lease.isOver { takeLost(lease) }
    }
    context.touch(self)
  }

  // MARK: Requests of the publisher

  func add(_ spec: TaskSpec) -> UInt32 {
    let index = board.add(spec)
    offerWork()
    recruiter.taskAdded()
    context.touch(self)
    return index
  }

  func noMoreTasks() {
    state.completed()
    context.touch(self)
  }

  func stop(_ reason: String) {
    if state.isStopping { return }
    state.stopped()
    board.stop()
    for lease in leases.all { lease.end(reason) }
    context.touch(self)
  }

  /// Stops a task. Returns nil, or the problem.
  func stop(task index: UInt32) -> String? {
    context.touch(self)
    guard let task = board.state(index) else { return "there is no task \(index)" }
    switch task {
    case .waiting, .assigned:
      board.stop(index)
      if case .assigned(let lease, let number) = task {
        leases[lease]?.tasks.stop(number, "stopped by the publisher")
      }
      return nil
    case .line, .lost, .notHired, .stopped: return "the task has already ended"
    }
  }

  // MARK: Input

  /// The smallest input offset that any task may still need.
  private var leastInputOffset: UInt64 {
    if board.waitingCount > 0 || !state.isComplete { return 0 }
    var least = input.endOffset
    for lease in leases.all {
      if let offset = lease.tasks.leastInputOffset { least = min(least, offset) }
    }
    return least
  }

  var inputRoom: Int { input.room(sentOffset: leastInputOffset) }

  func inputRead(_ bytes: [UInt8]) {
    input.append(bytes)
    for lease in leases.all { lease.tasks.inputGrew() }
    input.trim(sentOffset: leastInputOffset)
  }

  func inputEnded() {
    input.end()
    for lease in leases.all { lease.tasks.inputGrew() }
  }

  // MARK: Callers

  var freePlaces: Int { recruiter.openPlaces.count }

  /// Whether the transaction is this pool's announcement.
  func isAnnounced(by txid: Bytes32) -> Bool { record?.announcement.txid == txid }

  /// A caller asks for the announced offer.
  func greeted(_ call: Call) {
    if !recruiter.greeted(call) { return }
    call.enter(.invited(self))
    call.say(.offer(state.plan.offer.encode()))
  }

  /// An invited caller declined to bid.
  func declined(_ call: Call, _ code: RefusalCode, _ text: [UInt8]) {
    recruiter.declined(call, code, text)
  }

  func bidReceived(report: [UInt8], bid: [UInt8], signature: [UInt8], _ call: Call) {
    context.touch(self)
    let candidate = recruiter.bidReceived(
      report: report, bid: bid, signature: signature, call)
    guard let candidate else { return }
    call.enter(.candidate(self))
    recruiter.consider(candidate)
  }

  /// A caller without a lease disconnected.
  func left(_ call: Call) { recruiter.left(call) }

  // MARK: Leases

  func handle(_ lease: Lease) {
    while let event = lease.nextEvent() {
      context.touch(self)
      switch event {
      case .accepted, .toppedUp: funder.consider(lease)
      case .opened: break
      case .task(let event): taskMoved(event, lease)
      case .over(let failed):
        recruiter.emptied(lease, failed: failed)
        if failed { takeLost(lease) }
      case .abandoned(let code):
        if let code { recruiter.refused(lease.provider, code) }
        recruiter.emptied(lease, failed: false)
        state.leases.remove(lease.id)
      case .moved: if lease.stage >= .settled { takeLost(lease) }
      }
    }
    if lease.takesTasks { mayTake[lease.id] = lease }
    if lease.isOver || lease.stage == .settled { context.touch(self) }
  }

  private func takeLost(_ lease: Lease) {
    let lost = lease.takeLost()
    for (index, hasStarted) in lost {
      board.lost(index, provider: lease.provider, hasStarted: hasStarted)
    }
    if !lost.isEmpty { offerWork() }
  }

  /// New tasks are waiting: considers all leases.
  private func offerWork() {
    for lease in leases.all where lease.holdsPlace { mayTake[lease.id] = lease }
  }

  private func taskMoved(_ event: LeaseTasks.Event, _ lease: Lease) {
    switch event {
    case .started(let index, let unixSeconds):
      board.started(index)
      context.emit(
        .taskStarted(
          TaskId(pool: id, index: index), worker: lease.worker, unixSeconds: unixSeconds))
    case .complete(let index, let number, let place, let line, let hasResults):
      let hasEnded = board.complete(
        index, lease: lease.id, provider: lease.provider, place: place, line,
        hasResults: hasResults)
      lease.tasks.stored(number)
      // A task that runs again does not store the line; the lease does.
      if !hasEnded {
        lease.store()
        offerWork()
      }
    case .refused(let index, let code, let text):
      context.warning(
        "worker \(lease.worker): task \(index) is refused (" + code.text + "): " + text)
      board.refused(index, provider: lease.provider)
      offerWork()
    case .unsent(let index): board.lost(index, provider: lease.provider, hasStarted: false)
    case .ended, .orphanEnded, .fault: break
    }
  }

  // MARK: Work

  /// Assigns waiting tasks to leases with room, one at a time in turn.
  private func assign() {
    if state.isStopping { return }
    var takers = mayTake.values.sorted {
      ($0.tasks.outstandingCount, $0.worker, $0.id) < ($1.tasks.outstandingCount, $1.worker, $1.id)
    }
    mayTake = [:]
    while board.waitingCount > 0 && !takers.isEmpty {
      takers.removeAll { lease in
        guard lease.takesTasks,
          let index = board.next(for: lease.provider, worker: lease.worker),
          let spec = board.spec(index), lease.tasks.hasRoom(for: spec.limits)
        else { return true }
        let number = lease.tasks.takeNumber()
        board.assign(index, to: lease.id, worker: lease.worker, number: number)
        lease.tasks.send(number, index: index, spec)
        context.touch(lease)
        return false
      }
    }
  }

  /// Ends leases without tasks.
  private func releaseIdle() {
    if !state.isComplete || record == nil { return }
    for lease in leases.all where lease.holdsPlace && lease.tasks.isEmpty {
      if state.isStopping || !board.hasWork(for: lease.provider, worker: lease.worker) {
        lease.end("no task is left")
      }
    }
  }

  // MARK: After every event

  func advance() {
    if isFinished { return }
    recruiter.announceIfDue()
    recruiter.giveUpPlacesIfDue()
    recruiter.hireIfDue(adopt)
    funder.fundIfDue { leases.all.contains { $0.stage == .proposed } || freePlaces > 0 }
    assign()
    releaseIdle()
    board.storeAdded()
    finishIfDone()
  }

  private func finishIfDone() {
    if !state.isComplete || !board.isAllEnded || !leases.all.allSatisfy(\.needsNobody) { return }
    isFinished = true
    announcer.release()
    recruiter.dismissAll("the work is done")
    if leases.all.allSatisfy(\.isOver) { state.change { $0.isFinished = true } }
    context.emit(.poolFinished(id: id))
  }

  var nextDeadlineMs: UInt64 {
    isFinished ? UInt64.max : min(funder.nextDeadlineMs, recruiter.nextDeadlineMs)
  }

  // MARK: The chain

  /// A block holds a conflicting transaction: the announcement is void.
  func transactionConflicted(_ txid: Bytes32) {
    if record?.announcement.txid == txid { state.change { $0.announcementEndsAt = 0 } }
  }

  func blockMatched(height: UInt32, _ block: Block) {
    if let record, record.announcementHeight != height {
      let txid = record.announcement.txid
      if block.transactions.contains(where: { $0.txid == txid }) {
        state.change { $0.announcementHeight = height }
        context.info("announcement is in block \(height)")
      }
    }
    for lease in leases.all { lease.blockMatched(height: height, block) }
  }

  func blocksDisconnected(toHeight: UInt32) {
    if let record, record.announcementHeight > toHeight {
      state.change { $0.announcementHeight = 0 }
      context.emit(.broadcast(record.announcement))
    }
    for lease in leases.all { lease.blocksDisconnected(toHeight: toHeight) }
  }

  // MARK: Summary

  var status: PoolStatus {
    PoolStatus(
      places: Int(state.plan.offer.workers), hired: leases.all.filter(\.holdsPlace).count,
      open: leases.all.filter { $0.stage == .open }.count, waiting: board.waitingCount,
      running: board.assignedCount, ended: board.endedCount, isComplete: state.isComplete,
      isStopping: state.isStopping, hireFailed: recruiter.hasFailed,
      refusals: recruiter.histogram)
  }
}
