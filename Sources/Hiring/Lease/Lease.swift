import Bitcoin
import Bytes
import Channel
import Crypto
import Market
import Session

/// A share of one provider's machine, from the contract to the last close. What happens comes in as
/// methods in the past tense, what is to be done goes to ``HiringContext/emit(_:)``, and what its pool
/// has to know to ``nextEvent()``.
///
/// Its parts own what they are named after: ``LeaseMoney``, ``LeaseTasks``, ``ExecSessions``,
/// ``LeaseLink``. The lease itself owns the phase, and what goes from one part to another.
final class Lease {
  let contract: Contract
  let id: Bytes32
  let pool: Bytes32
  let money: LeaseMoney
  let tasks: LeaseTasks
  let execs: ExecSessions
  let link = LeaseLink()
  var isTouched = false
  private(set) var phase: LeasePhase
  private(set) var nextDeadlineMs = UInt64.max

  private let context: HiringContext
  private let plan: PoolPlan
  private let providers: Providers
  private var events: [LeaseEvent] = []
  private var conduct = LeaseConduct()
  private var openedUnixSeconds: UInt64 = 0
  /// The last that both signed.
  private var statement: Signed<Statement>?
  /// The statement is the receipt.
  private var hasReceipt = false
  private var fault = ""
  private var awaySinceMs: UInt64
  /// More use was reported than the end of the lease allows.
  private var isCapped = false
  /// It was reported as over, with the tasks that were lost.
  private var isOverReported = false

  // MARK: Making and restoring

  /// A contract with a provider that bid: stored, and to be said with ``propose(on:)``.
  init(
    _ record: LeaseRecord, plan: PoolPlan, _ treasury: Treasury, _ providers: Providers,
    _ context: HiringContext
  ) throws {
    contract = record.contract.body
    id = contract.id
    pool = record.pool
    self.context = context
    self.plan = plan
    self.providers = providers
    phase = .proposed(untilMs: context.now.nowMs + HiringTimes.acceptMs)
    awaySinceMs = context.now.nowMs
    money = try LeaseMoney(
      record, plan: plan, link, treasury, context, label: Lease.label(contract))
    tasks = LeaseTasks(contract, pool: record.pool, link, context)
    execs = ExecSessions(contract.id, link, context)
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
    self.context = context
    self.plan = plan
    self.providers = providers
    phase = LeasePhase(progress, context)
    awaySinceMs = context.now.nowMs
    openedUnixSeconds = progress.openedUnixSeconds
    statement = progress.statement
    hasReceipt = progress.hasReceipt
    fault = progress.fault
    money = try LeaseMoney(
      restoring: record, progress, states: states, plan: plan, link, treasury, context,
      label: Lease.label(contract))
    tasks = LeaseTasks(
      contract, pool: record.pool, lines: LineLog(progress.lines), lastTask: progress.lastTask,
      link, context)
    execs = ExecSessions(contract.id, link, context)
    isOverReported = stage > .open
    // The channels are stored before the progress that says what they mean.
    if money.channels.isFunded && stage < .funded {
      phase = .funded(untilMs: context.now.nowMs + HiringTimes.fundingSeenMs)
    }
    if stage >= .funded && stage < .closed && money.channels.areAllSpent { closed() }
  }

  private static func label(_ contract: Contract) -> String { "worker \(contract.workerIndex): " }
  private var label: String { Lease.label(contract) }
  private func info(_ text: String) { context.info(label + text) }
  private func warning(_ text: String) { context.warning(label + text) }

  var stage: LeaseStage { phase.stage }
  var worker: UInt16 { contract.workerIndex }
  var provider: Bytes32 { contract.provider }
  private var now: Instant { context.now }

  /// Nothing more happens to it.
  var isOver: Bool { stage == .closed || stage == .abandoned }
  /// It holds its place of the pool.
  var holdsPlace: Bool { stage <= .open && !isOverReported }
  /// It has shown work: a line of a task came.
  var hasWorked: Bool { tasks.lines.received.count > 0 }
  /// Whether it takes tasks now: from the funding on, so that bundles travel while it is relayed.
  var takesTasks: Bool {
    (stage == .funded || stage == .open) && !isOverReported && !conduct.isLeaving
      && conduct.standing == .running
      && link.takesMore
  }

  /// Nothing is left that its pool would wait for.
  var needsNobody: Bool {
    switch phase {
    case .closed, .abandoned: return true
    case .settled(let settlement):
      if !hasReceipt { return true }
      if plan.waitsForClose || settlement.answersAtMs != nil { return false }
      return !link.isConnected && money.channels.areAllClosing
    case .proposed, .accepted, .funded, .open, .ending: return false
    }
  }

  func nextEvent() -> LeaseEvent? { events.isEmpty ? nil : events.removeFirst() }

  private func report(_ event: LeaseEvent) {
    events.append(event)
    context.touch(self)
  }

  // MARK: Disk

  /// Where it stands, on disk before anything that follows.
  func store() {
    var progress = LeaseProgress(stage: stage)
    progress.openedUnixSeconds = openedUnixSeconds
    progress.storedUnixSeconds = now.unixSeconds
    progress.lastTask = tasks.lastTask
    progress.lines = tasks.lines.stored
    progress.usage = money.account.usage
    progress.reservedMs = money.account.reservedMs(now)
    progress.isReserved = money.account.isReserved
    progress.usableMs = money.account.usableMs
    progress.payments = money.payments
    progress.fault = fault
    progress.statement = statement
    progress.hasReceipt = hasReceipt
    context.emit(.storeLeaseState(contract: id, progress.encode()))
  }

  private func enter(_ phase: LeasePhase) {
    self.phase = phase
    store()
    context.touch(self)
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
    awaySinceMs = now.nowMs
    tasks.disconnected()
    execs.disconnected()
    if stage == .open || stage == .ending {
      warning("the connection broke; tasks run on while they are paid for")
    }
    if stage == .settled { money.channels.close(.unseen) }
    context.touch(self)
  }

  func disconnected(from call: Call) { if link.call === call { disconnected() } }

  /// Both sides know where the other stands: what the provider lacks is sent again.
  private func compared(_ theirs: LeaseState) {
    if link.isLive { return }
    link.compared()
    info("called again (" + stage.text + ")")
    if theirs.lines < tasks.lines.received.count {
      return failed("it lost lines of tasks that it had sent")
    }
    switch phase {
    case .proposed: sayContract()
    case .accepted: break
    case .funded, .open, .ending, .settled:
      money.channels.compared(theirs.paid)
      money.sayTopUp()
      tasks.compared(theirs)
      if stage >= .ending && !hasReceipt { sayEnd("the lease ends") }
      answerAgain()
    case .closed, .abandoned: break
    }
    conduct.compared()
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
    case .accept(let signature, let nextKey): accepted(signature, nextKey)
    case .fundingState(let channel, let sight): fundingSeen(channel, sight)
    case .taskState(let number, let state): tasks.stateReported(number, state)
    case .taskEnded(let line): lineCame(line)
    case .usage(let report): usageReported(report)
    case .paymentStored(let channel, let sequence): money.paymentStored(channel, sequence)
    case .statement(let body, let signature): statementReceived(body, signature)
    case .receipt(let body, let signature, let closes): receiptReceived(body, signature, closes)
    case .closeSigned(let close): closeSigned(close)
    case .standing(let standing, let text): stands(standing, text)
    case .leaving(let noticeMs, let text): leaves(noticeMs, text)
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
    if stage < .funded { return abandon("refused", code) }
    if code == .unknownLease { failed("it does not know the lease any more") }
  }

  // MARK: From the contract to the first task

  private func accepted(_ signature: [UInt8], _ nextKey: [UInt8]) {
    guard case .proposed = phase else { return }
    do { try contract.verify(signature, by: provider) } catch {
      return abandon(error.message, .unacceptable)
    }
    money.accepted(signature, nextKey: nextKey)
    enter(.accepted(untilMs: now.nowMs + HiringTimes.holdMs))
    info(
      "contract " + id.hex + ": channel of \(contract.terms.capacitySat) sat until height "
        + "\(contract.terms.expiryHeight)")
    report(.accepted)
  }

  /// The wallet has signed the funding of a channel: it is stored here. The caller relays it when all
  /// channels that it funds are stored, and then calls ``sayFunding(_:)``.
  func fund(_ number: Int, _ transaction: Transaction) throws(ChannelError) {
    try money.channels.fund(number, transaction)
    if number > 0 { return }
    if let debt = contract.debt { providers.change { $0.carried(debt, of: provider) } }
    enter(.funded(untilMs: now.nowMs + HiringTimes.fundingSeenMs))
  }

  func sayFunding(_ number: Int) { money.channels.sayFunding(number) }

  private func fundingSeen(_ channel: UInt8, _ sight: FundingSight) {
    if Int(channel) >= money.channels.count { return }
    switch sight {
    case .relayed: break
    case .confirmed(let height): info("sees its funding at height \(height)")
    case .lost: warning("a reorganisation took the funding of channel \(channel) out of the chain")
    }
    if case .funded = phase, channel == 0, sight != .lost {
      openedUnixSeconds = now.unixSeconds
      money.opened()
      enter(.open)
      info("open: " + contract.share.text)
      report(.opened)
    }
  }

  /// Before the funding nothing is lost.
  func abandon(_ reason: String, _ code: RefusalCode? = nil) {
    if stage >= .funded { return }
    warning("not hired: " + reason)
    enter(.abandoned)
    link.refuse(.unacceptable, reason)
    report(.abandoned(code))
  }

  // MARK: Work and money

  private func lineCame(_ line: TaskLine) {
    if stage < .open || stage > .ending { return }
    progressed()
    tasks.ended(line)
  }

  private func usageReported(_ usage: UsageReport) {
    if stage < .open || stage > .ending || !fault.isEmpty { return }
    believe(usage.usage, usage.owedSat)
  }

  @discardableResult
  private func believe(_ usage: LeaseUsage, _ owedSat: UInt64) -> Bool {
    switch money.reported(usage, owedSat: owedSat) {
    case .believed: return true
    case .capped:
      if !isCapped { warning("more use than the end of the lease allows is not paid") }
      isCapped = true
    case .implausible(let reason): failed("implausible usage: " + reason.text, isFault: true)
    }
    return false
  }

  private func pay() {
    if stage < .open || stage > .ending || !fault.isEmpty { return }
    if money.pay(isEnding: stage == .ending) { store() }
    if stage == .open && money.isExhausted { end("the channels are paid out") }
  }

  private func stands(_ standing: Standing, _ text: [UInt8]) {
    if stage < .funded || stage > .ending || !conduct.stands(standing) { return }
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
      if try money.topUpAccepted(number, signature, nextKey: nextKey) { report(.toppedUp) }
    } catch { failed("top-up: " + error.message) }
  }

  private func statementReceived(_ body: [UInt8], _ signature: [UInt8]) {
    if stage < .open || stage > .ending || !fault.isEmpty { return }
    do throws(MarketError) {
      let statement = try Statement.decode(body)
      try statement.verify(signature, by: provider)
      progressed()
      if !believe(statement.usage, statement.owedSat) { return }
      try StatementCheck.check(
        statement, contract, lines: tasks.lines.received, paid: money.channels.paid,
        isReceipt: false)
      if self.statement?.body != statement {
        self.statement = Signed(
          statement, publisherSignature: statement.sign(context.secrets.identity),
          providerSignature: signature)
      }
      if statement.isFinal { finalStatementCame() } else { store() }
      link.say(
        .statementSigned(
          digest: statement.digest,
          publisherSignature: self.statement?.publisherSignature ?? []))
    } catch { failed("statement: " + error.message, isFault: true) }
  }

  private func finalStatementCame() {
    switch phase {
    case .open:
      money.end(graceMs: 0)
      enter(.ending(LeasePhase.Ending(movedAtMs: now.nowMs, isFinal: true)))
      over(failed: false)
    case .ending(var ending):
      ending.isFinal = true
      enter(.ending(ending))
    default: break
    }
  }

  // MARK: The end

  /// No more tasks: what runs is stopped, what was used is paid.
  func end(_ reason: String) {
    switch phase {
    case .proposed, .accepted: abandon(reason)
    case .funded, .open:
      info("ends: " + reason)
      let graceMs = UInt64(contract.stopGraceMs) + tasks.mostStopMs
      money.set(reserved: false, inUse: tasks.outstandingCount > 0)
      money.end(graceMs: conduct.owesGrace ? graceMs : 0)
      tasks.endAsked()
      enter(.ending(LeasePhase.Ending(movedAtMs: now.nowMs)))
      sayEnd(reason)
      over(failed: false)
    case .ending, .settled, .closed, .abandoned: break
    }
  }

  private func sayEnd(_ reason: String) { link.say(.end(text: PlainText.short(reason))) }

  /// The provider did not do its part: it is not hired again, and its tasks go to others.
  ///
  /// - Parameter isFault: it broke a rule: nothing more is believed or paid.
  func failed(_ reason: String, isFault: Bool = false) {
    if isOver || stage == .settled { return }
    warning("given up: " + reason)
    if isFault { fault = reason }
    if stage < .funded {
      abandon(reason)
    } else if stage == .ending {
      store()
    } else {
      end(reason)
    }
    over(failed: true)
  }

  private func leaves(_ noticeMs: UInt32, _ text: [UInt8]) {
    warning(
      "the machine's owner ends the lease in \(noticeMs / 1000) s: "
        + String(decoding: text, as: UTF8.self))
    conduct.leaves()
    progressed()
    // Its place is filled again while its tasks go on.
    if stage < .funded { abandon("ended by its owner", .busy) } else { over(failed: false) }
  }

  /// Its pool is told once that it takes no more tasks.
  private func over(failed: Bool) {
    if isOverReported && !failed { return }
    isOverReported = true
    report(.over(failed: failed))
  }

  /// What has not ended here goes to other leases, or is lost.
  func takeLost() -> [(index: UInt32, hasStarted: Bool)] {
    let lost = tasks.giveUp()
    if !lost.isEmpty { store() }
    return lost
  }

  private func progressed() {
    if case .ending(var ending) = phase {
      ending.movedAtMs = now.nowMs
      phase = .ending(ending)
    }
  }

  private func receiptReceived(_ body: [UInt8], _ signature: [UInt8], _ closes: [SignedClose]) {
    if hasReceipt { return answerAgain() }
    if stage != .ending || !fault.isEmpty { return }
    do {
      let receipt = try Statement.decode(body)
      try receipt.verify(signature, by: provider)
      progressed()
      if !believe(receipt.usage, receipt.owedSat) { return }
      try StatementCheck.check(
        receipt, contract, lines: tasks.lines.received, paid: money.channels.paid, isReceipt: true)
      for close in closes { try money.channels.closeReceived(close) }
      statement = Signed(
        receipt, publisherSignature: receipt.sign(context.secrets.identity),
        providerSignature: signature)
    } catch {
      return failed("receipt: " + HiringMachine.text(error))
    }
    settle(hasReceipt: true)
    info(
      "receipt: \(money.owedSat) sat owed, \(money.paidSat) sat paid in \(money.payments) payments")
  }

  private func settle(hasReceipt: Bool) {
    tasks.endAsked()
    self.hasReceipt = hasReceipt
    enter(
      .settled(
        LeasePhase.Settlement(
          closesAtHeight: context.tipHeight + HiringTimes.closeBlocks,
          answersAtMs: hasReceipt ? now.nowMs + HiringTimes.stalledStreamMs : nil)))
    if hasReceipt {
      providers.change { $0.settled(provider) }
    } else {
      noteDebt()
      warning(
        "settled without a receipt; its channels are taken back after height "
          + "\(money.channels.lastTerms.expiryHeight) unless it closes them before")
      link.close()
      over(failed: false)
    }
    report(.moved)
  }

  private func noteDebt() {
    let (owedSat, paidSat) = (money.owedSat, money.paidSat)
    if openedUnixSeconds == 0 {
      if let debt = contract.debt { providers.change { $0.owes(debt, to: provider) } }
    } else if fault.isEmpty && owedSat > paidSat {
      let debt = Debt(lease: id, amountSat: owedSat - paidSat)
      providers.change { $0.owes(debt, to: provider) }
    }
  }

  /// The signed answer lets the provider hang up, so the rest of the output comes first.
  private func answerIfDue() {
    guard case .settled(var settlement) = phase, let atMs = settlement.answersAtMs else { return }
    if !tasks.isEmpty && link.isLive && now.nowMs < atMs { return }
    settlement.answersAtMs = nil
    settlement.hangsUpAtMs = now.nowMs + HiringTimes.farewellMs
    phase = .settled(settlement)
    sayReceiptSigned()
    money.channels.close(.unpaid)
    report(.moved)
  }

  private func answerAgain() {
    if case .settled(let settlement) = phase, settlement.answersAtMs == nil { sayReceiptSigned() }
  }

  private func sayReceiptSigned() {
    guard let statement, hasReceipt else { return }
    link.say(.receiptSigned(publisherSignature: statement.publisherSignature))
  }

  /// The provider signs a close by itself: the funding came too late for it, or it wants an early end.
  private func closeSigned(_ close: SignedClose) {
    do throws(ChannelError) { try money.channels.closeReceived(close) } catch {
      return warning("its close is refused: " + error.message)
    }
    if money.paidSat == 0 && close.signatures.amountSat == 0 {
      if stage == .funded { info("its place was gone when the funding came") }
      money.channels.close(.unpaid)
      if stage < .settled { settle(hasReceipt: false) }
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
    progressed()
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
    if case .settled(let settlement) = phase,
      context.tipHeight >= settlement.closesAtHeight
    {
      money.channels.close(.unconfirmed)
    }
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
    if stage == .closed && !money.channels.areAllSpent {
      enter(
        .settled(
          LeasePhase.Settlement(closesAtHeight: context.tipHeight + HiringTimes.closeBlocks)))
    }
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
    if stage >= .funded && !isOver && money.channels.areAllSpent { closed() }
  }

  private func closed() {
    if stage < .settled { noteDebt() }
    enter(.closed)
    link.close()
    over(failed: false)
    report(.moved)
  }

  // MARK: Time

  /// Brings everything up to date after an event.
  func advance() {
    channelEvents()
    while let event = tasks.nextEvent() { taskMoved(event) }
    pay()
    if stage == .open && fault.isEmpty && !isOverReported && !conduct.isLeaving
      && (tasks.outstandingCount > 0 || !money.isPaidUp || hasMoreWork())
    {
      money.topUpIfNeeded()
    }
    if stage == .open && conduct.isLeaving && tasks.isEmpty { end("its owner ends it") }
    answerIfDue()
    observe()
    nextDeadlineMs = deadlineMs
  }

  /// Whether the pool has more for this lease; set by the pool.
  var hasMoreWork: () -> Bool = { false }

  private func taskMoved(_ event: LeaseTasks.Event) {
    switch event {
    case .fault(let reason): failed(reason, isFault: true)
    case .orphanEnded:
      store()
      tasks.acknowledge()
    case .refused:
      // Its number is used up, and the task's record will not name it any more.
      store()
      report(.task(event))
    case .started, .ended, .complete:
      conduct.moved()
      report(.task(event))
    }
  }

  /// What runs by this side's knowledge: the reservation, and the time in which the share is in use.
  private func observe() {
    let isRunning = conduct.standing == .running
    let heardMs = link.call?.heardAtMs ?? 0
    conduct.observe(
      waitsForStart: stage == .open && link.isLive && isRunning && tasks.waitsForStart,
      isExcused: stage != .open || !link.isLive || isExcused, now.nowMs)
    let isReady =
      now.nowMs < heardMs + HiringTimes.silenceMs && conduct.startsInTime(now.nowMs)
    let wasReserved = money.account.isReserved
    money.set(
      reserved: stage == .open && link.isLive && isRunning && isReady && !isOverReported,
      inUse: (stage == .open || stage == .ending) && tasks.outstandingCount > 0)
    tasks.set(still: !isRunning)
    if wasReserved != money.account.isReserved && stage == .open && !wasReserved { store() }
  }

  /// Whether this side knows why the lease stands still.
  private var isExcused: Bool {
    switch conduct.standing {
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
    switch phase {
    case .proposed(let untilMs):
      if now.nowMs >= untilMs { abandon("did not sign in time") }
    case .accepted(let untilMs):
      if now.nowMs >= untilMs { abandon("could not be funded in time") }
    case .funded(let untilMs):
      if link.isLive ? now.nowMs >= untilMs : now.nowMs >= awayEndsAtMs {
        failed("it did not confirm its funding in time")
      }
    case .open:
      if !link.isConnected && now.nowMs >= awayEndsAtMs { return failed("it is away") }
      judgeConduct()
    case .ending(let ending):
      if now.nowMs >= endsAtMs(ending) { settle(hasReceipt: false) }
    case .settled(let settlement):
      if let atMs = settlement.hangsUpAtMs, now.nowMs >= atMs { link.close() }
    case .closed, .abandoned: break
    }
  }

  private var awayEndsAtMs: UInt64 { awaySinceMs + plan.awayMs }

  private func endsAtMs(_ ending: LeasePhase.Ending) -> UInt64 {
    if !link.isConnected { return max(awayEndsAtMs, ending.movedAtMs + HiringTimes.endingMs) }
    return max(ending.movedAtMs, link.connectedAtMs) + HiringTimes.endingMs + tasks.mostStopMs
  }

  private func judgeConduct() {
    guard link.isLive else { return }
    switch conduct.verdict(contract, now.nowMs) {
    case .good: break
    case .pausedTooLong: end("its owner paused it for longer than the notice")
    case .bad(let reason): failed(reason)
    }
  }

  private var deadlineMs: UInt64 {
    let own: UInt64
    switch phase {
    case .proposed(let untilMs), .accepted(let untilMs): own = untilMs
    case .funded(let untilMs): own = link.isLive ? untilMs : awayEndsAtMs
    case .open:
      own =
        link.isConnected
        ? min(
          conduct.deadlineMs(contract, now.nowMs),
          (link.call?.heardAtMs ?? 0) + HiringTimes.silenceMs)
        : awayEndsAtMs
    case .ending(let ending): own = endsAtMs(ending)
    case .settled(let settlement):
      own =
        settlement.answersAtMs ?? (link.isConnected ? settlement.hangsUpAtMs : nil) ?? UInt64.max
    case .closed, .abandoned: return UInt64.max
    }
    let paysAtMs =
      (stage == .open || stage == .ending) && fault.isEmpty
      ? money.payDeadlineMs(isEnding: stage == .ending) : UInt64.max
    // What has passed already was looked at: it is not looked at again until something happens.
    return [own, paysAtMs, tasks.nextDeadlineMs].filter { $0 > now.nowMs }.min() ?? UInt64.max
  }

  // MARK: Summary

  var summary: LeaseSummary {
    LeaseSummary(
      contract: money.record.contract, report: money.record.report, stage: stage,
      openedUnixSeconds: openedUnixSeconds, channels: money.summaries,
      usage: money.account.usage, owedSat: openedUnixSeconds > 0 || hasReceipt ? money.owedSat : 0,
      paidSat: money.paidSat, payments: money.payments, standing: conduct.standing,
      isConnected: link.isConnected, fault: fault, statement: statement, hasReceipt: hasReceipt,
      running: tasks.running, queued: tasks.outstandingCount - tasks.startedCount,
      execSessions: execs.count)
  }
}
