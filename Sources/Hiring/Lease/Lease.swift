import Bitcoin
import Bytes
import Channel
import Market
import Session

/// A share of one provider's machine, from the contract to the last close. What happens comes in as
/// methods in the past tense, what is to be done goes to ``HiringContext/emit(_:)``, and what its pool
/// has to know to ``nextEvent()``.
///
/// Its parts own what they are named after: ``LeaseCourse`` the phase, ``LeaseMoney`` the channels and the
/// account, ``LeaseTasks`` the tasks, ``LeaseBooks`` what both sides sign. The lease itself says what of
/// the provider and of the chain is whose.
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
  /// Whether the pool has more for this lease; set by the pool.
  var hasMoreWork: () -> Bool = { false }

  let books: LeaseBooks
  let course: LeaseCourse
  let plan: PoolPlan
  let context: HiringContext
  let label: String

  // MARK: Making and restoring

  /// A contract with a provider that bid: stored, and to be said with ``propose(on:)``.
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

  /// A lease of an earlier program. Its tasks follow with ``LeaseTasks/restore(_:index:_:)``.
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

  // MARK: What is known

  var stage: LeaseStage { course.stage }
  var worker: UInt16 { contract.workerIndex }
  var provider: Bytes32 { contract.provider }

  /// Nothing more happens to it.
  var isOver: Bool { stage == .closed || stage == .abandoned }
  /// It holds its place of the pool.
  var holdsPlace: Bool { stage <= .open && !course.isOverReported }
  /// It has shown work: a line of a task came.
  var hasWorked: Bool { tasks.lines.received.count > 0 }
  /// Whether it takes tasks now: from the funding on, so that bundles travel while it is relayed.
  var takesTasks: Bool {
    (stage == .funded || stage == .open) && !course.isOverReported
      && course.conduct.standing == .running && link.takesMore
  }

  /// Nothing is left that its pool would wait for.
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

  // MARK: What its pool does with it

  /// Where it stands, on disk before anything that follows.
  func store() { course.store() }
  /// Before the funding nothing is lost.
  func abandon(_ reason: String) { course.abandon(reason) }
  /// No more tasks: what runs is stopped, what was used is paid.
  func end(_ reason: String) { course.end(reason) }
  /// The provider did not do its part: it is not hired again, and its tasks go to others.
  func failed(_ reason: String) { course.failed(reason) }

  /// The wallet has signed the funding of a channel: it is stored here. The caller relays it when all
  /// channels that it funds are stored, and then calls ``sayFunding(_:)``.
  func fund(_ number: Int, _ transaction: Transaction) throws(ChannelError) {
    try money.channels.fund(number, transaction)
    if number == 0 { course.funded() }
  }

  func sayFunding(_ number: Int) { money.channels.sayFunding(number) }

  /// What has not ended here goes to other leases, or is lost.
  func takeLost() -> [(index: UInt32, hasStarted: Bool)] {
    let lost = tasks.giveUp(fetchesResults: course.awaitsRest)
    if !lost.isEmpty { store() }
    return lost
  }

  // MARK: The connection

  /// The contract, to the provider that bid.
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

  /// The provider called about this lease.
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

  /// The connection is over; the streams on it are gone.
  func disconnected() {
    if !link.isConnected { return }
    link.disconnect()
    tasks.disconnected()
    execs.disconnected()
    course.disconnected()
    context.touch(self)
  }

  func disconnected(from call: Call) { if link.call === call { disconnected() } }

  /// Both sides know where the other stands: what the provider lacks is sent again.
  func compared(_ theirs: LeaseState) {
    if link.isLive { return }
    link.compared()
    info("called again (" + stage.text + ")")
    if theirs.lines < tasks.lines.received.count {
      return course.failed("it lost lines of tasks that it had sent")
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
        warning("another transaction spent what was to fund channel \(number)")
      }
    }
    course.closeIfSpent()
  }

  // MARK: Time

  /// Brings everything up to date after an event.
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
      course.end("its owner ends it")
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
      // Its number is used up, and the task's record will not name it any more.
      store()
      course.report(.task(event))
    case .started, .ended, .complete:
      course.conduct.moved()
      course.report(.task(event))
    }
  }

  /// What runs by this side's knowledge: the reservation, and the time in which the share is in use.
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

  /// Whether this side knows why the lease stands still.
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
