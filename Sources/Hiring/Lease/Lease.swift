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
  private(set) var nextDeadlineMs = UInt64.max
  /// Whether the pool has more for this lease; set by the pool.
  var hasMoreWork: () -> Bool = { false }

  private let books: LeaseBooks
  private let course: LeaseCourse
  private let plan: PoolPlan
  private let context: HiringContext
  private let label: String

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

  private static func label(_ contract: Contract) -> String { "worker \(contract.workerIndex): " }
  private func info(_ text: String) { context.info(label + text) }
  private func warning(_ text: String) { context.warning(label + text) }
  private var now: Instant { context.now }

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
      if plan.waitsForClose || settlement.answersAtMs != nil { return false }
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
    let lost = tasks.giveUp()
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

  private func sayContract() {
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
  private func compared(_ theirs: LeaseState) {
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

  // MARK: Messages

  /// One message of the provider. What makes no sense is refused and ends the connection, never the
  /// lease.
  func received(_ message: SessionMessage) {
    context.touch(self)
    if !link.isLive {
      switch message {
      case .state(let theirs): return compared(theirs)
      case .refuse(let code, let text): return refused(code, text)
      default: return link.refuse(.badMessage, "before both sides said where they stand")
      }
    }
    switch message {
    case .accept(let signature, let nextKey):
      course.accepted(signature, nextKey: nextKey)
    case .fundingState(let channel, let sight): fundingSeen(channel, sight)
    case .taskState(let number, let state): tasks.stateReported(number, state)
    case .taskEnded(let line): lineCame(line)
    case .usage(let report):
      trusting { () throws(LeaseFault) in
        try books.believe(report.usage, owedSat: report.owedSat)
      }
    case .paymentStored(let channel, let sequence): money.paymentStored(channel, sequence)
    case .statement(let body, let signature): statementReceived(body, signature)
    case .receipt(let body, let signature, let closes): receiptReceived(body, signature, closes)
    case .closeSigned(let close): closeSigned(close)
    case .standing(let standing, let text): stands(standing, text)
    case .leaving(let noticeMs, let text):
      warning(
        "the machine's owner ends the lease in \(noticeMs / 1000) s: "
          + String(decoding: text, as: UTF8.self))
      course.leaves()
    case .topUpAccepted(let number, let signature, let nextKey):
      topUpAccepted(number, signature, nextKey)
    case .topUpWanted(let rate): money.topUpWanted(rate)
    case .execStarted(let id): execs.started(id)
    case .execEnded(let end): execs.ended(end)
    case .refuse(let code, let text): refused(code, text)
    // What was said before the contract may be said again.
    case .unknown, .state, .hello, .bid: break
    case .welcome, .offer, .contract, .funding, .task, .linesStored, .taskStop,
      .payment, .statementSigned, .end, .receiptSigned, .closeWanted, .topUp, .execute,
      .execSignal, .execResize:
      link.refuse(.badMessage, "out of place")
    }
  }

  private func refused(_ code: RefusalCode, _ text: [UInt8]) {
    warning("the machine refused: " + String(decoding: text, as: UTF8.self))
    link.close()
    if stage < .funded { return course.abandon("refused", code) }
    if code == .unknownLease { course.failed("it does not know the lease any more") }
  }

  // MARK: Work and money

  private func fundingSeen(_ channel: UInt8, _ sight: FundingSight) {
    if Int(channel) >= money.channels.count { return }
    switch sight {
    case .relayed: break
    case .confirmed(let height): info("sees its funding at height \(height)")
    case .lost: warning("a reorganisation took the funding of channel \(channel) out of the chain")
    }
    if channel == 0 && sight != .lost { course.fundingSeen() }
  }

  private func lineCame(_ line: TaskLine) {
    if !course.isAtWork { return }
    course.progressed()
    tasks.ended(line)
  }

  /// Runs what the provider's word leads to; a fault ends the lease.
  private func trusting(_ body: () throws(LeaseFault) -> Void) {
    if !course.isAtWork || !books.isTrusted { return }
    do throws(LeaseFault) { try body() } catch { course.failed(error.reason, isFault: true) }
  }

  private func pay() {
    if !course.isAtWork || !books.isTrusted { return }
    if money.pay(isEnding: stage == .ending) { store() }
    if stage == .open && money.isExhausted { course.end("the channels are paid out") }
  }

  private func stands(_ standing: Standing, _ text: [UInt8]) {
    if stage < .funded || stage > .ending || !course.conduct.stands(standing) { return }
    let reason = text.isEmpty ? "" : " (" + String(decoding: text, as: UTF8.self) + ")"
    switch standing {
    case .running: info("runs again")
    case .frozen:
      warning("frozen: \(money.owedSat) sat owed, \(money.paidSat) sat paid" + reason)
    case .unconfirmed: warning("stands still until its funding confirms" + reason)
    case .paused: warning("paused by the machine's owner" + reason)
    case .awaitingTopUp: warning("stands still until its next channel is seen" + reason)
    }
  }

  private func topUpAccepted(_ number: UInt8, _ signature: [UInt8], _ nextKey: [UInt8]) {
    do throws(MarketError) {
      if try money.topUpAccepted(number, signature, nextKey: nextKey) { course.report(.toppedUp) }
    } catch { course.failed("top-up: " + error.message) }
  }

  private func statementReceived(_ body: [UInt8], _ signature: [UInt8]) {
    trusting { () throws(LeaseFault) in
      course.progressed()
      guard let statement = try books.statementReceived(body, signature) else { return }
      if statement.isFinal { course.finalStatementCame() } else { store() }
      books.sayStatementSigned()
    }
  }

  private func receiptReceived(_ body: [UInt8], _ signature: [UInt8], _ closes: [SignedClose]) {
    if books.hasReceipt { return course.answerAgain() }
    if stage != .ending { return }
    trusting { () throws(LeaseFault) in
      course.progressed()
      if !(try books.receiptReceived(body, signature, closes)) { return }
      course.settle(hasReceipt: true)
      info(
        "receipt: \(money.owedSat) sat owed, \(money.paidSat) sat paid in \(money.payments) "
          + "payments")
    }
  }

  /// The provider signs a close by itself: the funding came too late for it, or it wants an early end.
  private func closeSigned(_ close: SignedClose) {
    do throws(ChannelError) { try money.channels.closeReceived(close) } catch {
      return warning("its close is refused: " + error.message)
    }
    if money.paidSat == 0 && close.signatures.amountSat == 0 {
      if stage == .funded { info("its place was gone when the funding came") }
      money.channels.close(.unpaid)
      if stage < .settled { course.settle(hasReceipt: false) }
    }
  }

  // MARK: Streams: a task's, a bundle's or an exec session's

  func streamOpened(_ id: StreamId, _ opening: StreamOpening) {
    context.touch(self)
    if !link.isLive || !(tasks.streamOpened(id, opening) || execs.streamOpened(id, opening)) {
      link.resetStream(id)
    }
  }

  func streamReceived(_ id: StreamId, _ bytes: [UInt8]) {
    context.touch(self)
    course.progressed()
    if !tasks.received(id, bytes) && !execs.received(id, bytes) { link.resetStream(id) }
  }

  func streamEnded(_ id: StreamId) {
    context.touch(self)
    tasks.streamEnded(id)
    execs.streamEnded(id)
  }

  func streamReset(_ id: StreamId) {
    context.touch(self)
    tasks.streamReset(id)
    execs.streamReset(id)
  }

  func streamCredit(_ id: StreamId) {
    context.touch(self)
    tasks.credit(id)
    execs.credit(id)
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

  private func channelEvents() {
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

  private func taskMoved(_ event: LeaseTasks.Event) {
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
  private func observe() {
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
  private var isExcused: Bool {
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
