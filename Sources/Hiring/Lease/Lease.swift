import Bitcoin
import Bytes
import Channel
import Market
import Session

/// A lease of a share of one provider's host, from the contract to the last close. Events arrive
/// through methods in the past tense; effects go to ``HiringContext/emit(_:)``; the pool reads
/// ``nextEvent()``.
///
/// ``LeaseCourse`` owns the phase, ``LeaseMoney`` the channels and the account, ``LeaseTasks`` the
/// tasks, ``LeaseBooks`` the signed statements. The lease routes messages and chain events to them.
final class Lease {
  let contract: Contract
  let id: Bytes32
  let pool: Bytes32
  let money: LeaseMoney
  let tasks: LeaseTasks
  let execs: ExecSessions
  let link = LeaseLink()
  var isTouched = false
  var nextDeadlineMs = UInt64.max
  /// Whether the pool has more tasks for this lease; set by the pool.
  var hasMoreWork: () -> Bool = { false }

  let books: LeaseBooks
  let course: LeaseCourse
  let plan: PoolPlan
  let context: HiringContext
  let label: String

  // MARK: Making and restoring

  /// A new contract with a provider that bid. Stores it; ``propose(on:)`` sends it.
  init(
    _ record: LeaseRecord, plan: PoolPlan, _ treasury: Treasury, _ providers: Providers,
    _ context: HiringContext
  ) throws {
    contract = record.contract.body
    id = contract.id
    pool = record.pool
    label = Lease.label(contract)
    self.context = context
    self.plan = plan
    money = try LeaseMoney(record, plan: plan, link, treasury, context, label: label)
    tasks = LeaseTasks(contract, pool: record.pool, link, context)
    execs = ExecSessions(contract.id, link, context)
    books = LeaseBooks(money, tasks, link, providers, context, label: label)
    course = LeaseCourse(
      .proposed(untilMs: context.now.nowMs + HiringTimes.acceptMs), money, tasks, books, link,
      plan: plan, providers, context, label: label)
    course.wake = { [unowned self] in context.touch(self) }
    store()
  }

  /// Restores a lease. Restore its tasks next, with ``LeaseTasks/restore(_:index:_:)``.
  init(
    restoring record: LeaseRecord, _ progress: LeaseProgress, states: [UInt8: [UInt8]],
    plan: PoolPlan, _ treasury: Treasury, _ providers: Providers, _ context: HiringContext
  ) throws(HiringError) {
    contract = record.contract.body
    id = contract.id
    pool = record.pool
    label = Lease.label(contract)
    self.context = context
    self.plan = plan
    money = try LeaseMoney(
      restoring: record, progress, states: states, plan: plan, link, treasury, context,
      label: label)
    tasks = LeaseTasks(
      contract, pool: record.pool, lines: LineLog(progress.lines), lastTask: progress.lastTask,
      link, context)
    execs = ExecSessions(contract.id, link, context)
    books = LeaseBooks(
      money, tasks, link, providers, context, label: label, restoring: progress)
    course = LeaseCourse(
      LeasePhase(progress, context), money, tasks, books, link, plan: plan, providers, context,
      label: label)
    course.wake = { [unowned self] in context.touch(self) }
    course.restored()
  }

  static func label(_ contract: Contract) -> String { "worker \(contract.workerIndex): " }
  func info(_ text: String) { context.info(label + text) }
  func warning(_ text: String) { context.warning(label + text) }
  var now: Instant { context.now }

  // MARK: Queries

  var stage: LeaseStage { course.stage }
  var worker: UInt16 { contract.workerIndex }
  var provider: Bytes32 { contract.provider }

  /// Whether the lease needs no further action.
  var isOver: Bool { stage == .closed || stage == .abandoned }
  /// Whether it occupies its place in the pool.
  var holdsPlace: Bool { stage <= .open && !course.isOverReported }
  /// Whether a task line has arrived.
  var hasWorked: Bool { tasks.lines.received.count > 0 }
  /// Whether it accepts tasks. It does from the funding on, so that bundles transfer while the
  /// funding is relayed.
  var takesTasks: Bool {
    (stage == .funded || stage == .open) && !course.isOverReported
      && course.conduct.standing == .running && link.takesMore
  }

  /// Whether the pool can finish without waiting for this lease.
  var needsNobody: Bool {
    switch course.phase {
    case .closed, .abandoned: return true
    case .settled(let settlement):
      if !books.hasReceipt { return true }
      if plan.waitsForClose || settlement.awaitsRest { return false }
      return !link.isConnected && money.channels.areAllClosing
    case .proposed, .accepted, .funded, .open, .ending: return false
    }
  }

  func nextEvent() -> LeaseEvent? { course.nextEvent() }

  // MARK: Called by the pool

  /// Stores the lease's state, ahead of later effects.
  func store() { course.store() }
  /// Ends an unfunded lease; no coins are at risk.
  func abandon(_ reason: String) { course.abandon(reason) }
  /// Ends the lease: running tasks are stopped, used time is paid.
  func end(_ reason: String) { course.end(reason) }
  /// Ends the lease because of the provider: it is not hired again, and its tasks go to other
  /// providers.
  func failed(_ reason: String) { course.failed(reason) }

  /// Stores a channel's signed funding. Once all channels that the transaction funds are stored,
  /// the caller relays it and calls ``sayFunding(_:)``.
  func fund(_ number: Int, _ transaction: Transaction) throws(ChannelError) {
    try money.channels.fund(number, transaction)
    if number == 0 { course.funded() }
  }

  func sayFunding(_ number: Int) { money.channels.sayFunding(number) }

  /// Gives up unfinished tasks and returns them for other leases.
  func takeLost() -> [(index: UInt32, hasStarted: Bool)] {
    let lost = tasks.giveUp(fetchesResults: course.awaitsRest)
    if !lost.isEmpty { store() }
    return lost
  }

  // MARK: The connection

  /// Sends the contract to the provider that bid.
  func propose(on call: Call) {
    link.connect(call, isLive: true, nowMs: now.nowMs)
    call.enter(.hired(self))
    sayContract()
  }

  func sayContract() {
    let signed = money.record.contract
    link.say(
      .contract(body: signed.body.encode(), publisherSignature: signed.publisherSignature))
  }

  /// The provider reconnected for this lease.
  func called(_ call: Call) {
    if let former = link.call, former !== call {
      disconnected()
      former.close()
    }
    link.connect(call, isLive: false, nowMs: now.nowMs)
    call.enter(.hired(self))
    let mark = tasks.lines.received
    link.sayFirst(
      .state(
        LeaseState(
          lastTask: tasks.lastTask, lines: mark.count, chain: mark.chain,
          reservedMs: money.account.reservedMs(now), paid: money.channels.state,
          isEnding: stage > .open)))
    context.touch(self)
  }

  /// The connection broke, and its streams with it.
  func disconnected() {
    if !link.isConnected { return }
    link.disconnect()
    tasks.disconnected()
    execs.disconnected()
    course.disconnected()
    context.touch(self)
  }

  func disconnected(from call: Call) { if link.call === call { disconnected() } }

  /// Both sides exchanged lease states: resends what the provider lacks.
  func compared(_ theirs: LeaseState) {
    if link.isLive { return }
    link.compared()
    info("called again (" + stage.text + ")")
    if theirs.lines < tasks.lines.received.count {
      return course.failed("the provider lost task lines that it had sent")
    }
    switch stage {
    case .proposed: sayContract()
    case .accepted: break
    case .funded, .open, .ending, .settled:
      money.channels.compared(theirs.paid)
      money.sayTopUp()
      tasks.compared(theirs)
      if stage >= .ending && !books.hasReceipt { course.sayEnd("the lease ends") }
      course.answerAgain()
    case .closed, .abandoned: break
    }
    course.conduct.compared()
  }

  // MARK: The chain

  func tipChanged() {
    if isOver { return }
    money.channels.tipChanged()
    course.tipChanged()
    context.touch(self)
  }

  func blockMatched(height: UInt32, _ block: Block) {
    if stage == .abandoned { return }
    money.channels.blockMatched(height: height, block)
    context.touch(self)
  }

  func transactionSeen(_ transaction: Transaction) {
    if !isOver { money.channels.transactionSeen(transaction) }
  }

  func blocksDisconnected(toHeight: UInt32) {
    if stage == .abandoned { return }
    money.channels.blocksDisconnected(toHeight: toHeight)
    course.blocksDisconnected()
    context.touch(self)
  }

  func channelEvents() {
    while let event = money.channels.nextEvent() {
      switch event {
      case .spent(let number, let spend, let height):
        let txid = spend.txid.reversed.hex
        info(
          (spend.kind == .close ? "close " : "refund ") + txid + " of channel \(number) is in "
            + "block \(height): \(spend.payoutSat) sat to its owner, \(spend.returnSat) sat back")
      case .fundingConflicted(let number):
        warning("another transaction spent the inputs of channel \(number)'s funding")
      }
    }
    course.closeIfSpent()
  }

  // MARK: Time

  /// Advances the lease after an event.
  func advance() {
    channelEvents()
    while let event = tasks.nextEvent() { taskMoved(event) }
    pay()
    if stage == .open && books.isTrusted && !course.isOverReported
      && (tasks.outstandingCount > 0 || !money.isPaidUp || hasMoreWork())
    {
      money.topUpIfNeeded()
    }
    if stage == .open && course.conduct.isLeaving && tasks.isEmpty {
      course.end("the provider's owner ends it")
    }
    course.answerIfDue()
    observe()
    nextDeadlineMs = course.deadlineMs
  }

  func taskMoved(_ event: LeaseTasks.Event) {
    switch event {
    case .fault(let reason): course.failed(reason, isFault: true)
    case .orphanEnded:
      store()
      tasks.acknowledge()
    case .refused, .unsent:
      // Stored because the number stays used, while the task's record will no longer name it.
      store()
      course.report(.task(event))
    case .started, .ended, .complete:
      course.conduct.moved()
      course.report(.task(event))
    }
  }

  /// Updates the reservation clock and the clock of possible use.
  func observe() {
    let isRunning = course.conduct.standing == .running
    let heardMs = link.call?.heardAtMs ?? 0
    course.conduct.observe(
      waitsForStart: stage == .open && link.isLive && isRunning && tasks.waitsForStart,
      isExcused: stage != .open || !link.isLive || isExcused, now.nowMs)
    let isReady =
      now.nowMs < heardMs + HiringTimes.silenceMs && course.conduct.startsInTime(now.nowMs)
    let wasReserved = money.account.isReserved
    money.set(
      reserved: stage == .open && link.isLive && isRunning && isReady && !course.isOverReported,
      inUse: course.isAtWork && tasks.outstandingCount > 0)
    tasks.set(still: !isRunning)
    if wasReserved != money.account.isReserved && stage == .open && !wasReserved { store() }
  }

  /// Whether the publisher can verify why the lease is suspended.
  var isExcused: Bool {
    switch course.conduct.standing {
    case .running: return true
    case .frozen: return !money.isPaidUp
    case .unconfirmed: return !money.channels.isConfirmed(0)
    case .paused: return false
    case .awaitingTopUp: return !money.channels.isConfirmed(money.channels.count - 1)
    }
  }

  func timePassed() {
    context.touch(self)
    tasks.timePassed()
    course.timePassed()
  }

  // MARK: Summary

  var summary: LeaseSummary {
    LeaseSummary(
      contract: money.record.contract, report: money.record.report, stage: stage,
      openedUnixSeconds: books.openedUnixSeconds, channels: money.summaries,
      usage: money.account.usage, owedSat: books.owedSat,
      paidSat: money.paidSat, payments: money.payments, standing: course.conduct.standing,
      isConnected: link.isConnected, fault: books.fault, statement: books.statement,
      hasReceipt: books.hasReceipt,
      running: tasks.running, queued: tasks.outstandingCount - tasks.startedCount,
      execSessions: execs.count)
  }
}
