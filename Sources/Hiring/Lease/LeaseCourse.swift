import Bitcoin
import Bytes
import Channel
import Market

/// The lease's phase transitions and timeouts. Each phase is stored before any effect that depends
/// on it.
final class LeaseCourse {
  private(set) var phase: LeasePhase
  var conduct = LeaseConduct()
  /// Whether the pool was notified that the lease takes no more tasks.
  private(set) var isOverReported = false

  private let contract: Contract
  private let money: LeaseMoney
  private let tasks: LeaseTasks
  private let books: LeaseBooks
  private let link: LeaseLink
  private let plan: PoolPlan
  private let providers: Providers
  private let context: HiringContext
  private let label: String
  private var events: [LeaseEvent] = []
  private var awaySinceMs: UInt64
  /// Schedules the lease for processing; set by the lease.
  var wake: () -> Void = {}

  init(
    _ phase: LeasePhase, _ money: LeaseMoney, _ tasks: LeaseTasks, _ books: LeaseBooks,
    _ link: LeaseLink, plan: PoolPlan, _ providers: Providers, _ context: HiringContext,
    label: String
  ) {
    self.phase = phase
    contract = money.contract
    self.money = money
    self.tasks = tasks
    self.books = books
    self.link = link
    self.plan = plan
    self.providers = providers
    self.context = context
    self.label = label
    awaySinceMs = context.now.nowMs
  }

  /// After a restore. A channel's funding is stored before the lease's stage, so the stage may lag
  /// behind.
  func restored() {
    isOverReported = stage > .open
    if money.channels.isFunded && stage < .funded {
      phase = .funded(untilMs: now.nowMs + HiringTimes.fundingSeenMs)
    }
    closeIfSpent()
  }

  var stage: LeaseStage { phase.stage }
  private var provider: Bytes32 { contract.provider }
  private var now: Instant { context.now }
  private func info(_ text: String) { context.info(label + text) }
  private func warning(_ text: String) { context.warning(label + text) }

  /// Whether usage reports and payments are accepted.
  var isAtWork: Bool { stage == .open || stage == .ending }

  func nextEvent() -> LeaseEvent? { events.isEmpty ? nil : events.removeFirst() }

  func report(_ event: LeaseEvent) {
    events.append(event)
    wake()
  }

  func store() { books.store(stage) }

  private func enter(_ phase: LeasePhase) {
    self.phase = phase
    store()
    wake()
  }

  /// The connection broke.
  func disconnected() {
    awaySinceMs = now.nowMs
    if isAtWork { warning("the connection broke; tasks run on while they are paid for") }
    if stage == .settled { money.channels.close(.unseen) }
  }

  // MARK: From the contract to the first task

  func accepted(_ signature: [UInt8], nextKey: [UInt8]) {
    guard case .proposed = phase else { return }
    do throws(MarketError) { try contract.verify(signature, by: provider) } catch {
      return abandon(error.message, .unacceptable)
    }
    money.accepted(signature, nextKey: nextKey)
    enter(.accepted(untilMs: now.nowMs + HiringTimes.holdMs))
    info(
      "contract " + contract.id.hex + ": channel of \(contract.terms.capacitySat) sat until height "
        + "\(contract.terms.expiryHeight)")
    report(.accepted)
  }

  /// The first channel's funding is signed, and the channel's state is stored.
  func funded() {
    if let debt = contract.debt { providers.change { $0.carried(debt, of: provider) } }
    enter(.funded(untilMs: now.nowMs + HiringTimes.fundingSeenMs))
  }

  /// The provider has seen the first channel's funding.
  func fundingSeen() {
    guard case .funded = phase else { return }
    books.opened()
    enter(.open)
    info("open: " + contract.share.text)
    report(.opened)
  }

  /// Ends an unfunded lease; no coins are at risk.
  func abandon(_ reason: String, _ code: RefusalCode? = nil) {
    if stage >= .funded { return }
    warning("not hired: " + reason)
    enter(.abandoned)
    link.refuse(.unacceptable, reason)
    report(.abandoned(code))
  }

  // MARK: The end

  func finalStatementCame() {
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

  /// Ends the lease: running tasks are stopped, used time is paid.
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

  func sayEnd(_ reason: String) { link.say(.end(text: PlainText.short(reason))) }

  /// Ends the lease because of the provider: it is not hired again, and its tasks go to other
  /// providers.
  ///
  /// - Parameter isFault: the provider violated the protocol: stop accepting reports and paying.
  func failed(_ reason: String, isFault: Bool = false) {
    if stage >= .settled { return }
    warning("given up: " + reason)
    if isFault { books.distrust(reason) }
    if stage < .funded {
      abandon(reason)
    } else if stage == .ending {
      store()
    } else {
      end(reason)
    }
    over(failed: true)
  }

  /// The provider closed or lost the lease, or was disconnected for too long: further lines,
  /// results and the receipt are not awaited.
  func gone(_ reason: String) {
    guard stage == .funded || isAtWork else { return }
    warning("given up: " + reason)
    over(failed: true)
    settle(hasReceipt: false)
  }

  /// The provider's owner announced the end: the place is refilled while tasks finish.
  func leaves() {
    conduct.leaves()
    progressed()
    if stage < .funded { abandon("ended by its owner", .busy) } else { over(failed: false) }
  }

  /// Notifies the pool, once, that the lease takes no more tasks.
  private func over(failed: Bool) {
    if isOverReported && !failed { return }
    isOverReported = true
    report(.over(failed: failed))
  }

  func progressed() {
    if case .ending(var ending) = phase {
      ending.movedAtMs = now.nowMs
      phase = .ending(ending)
    }
  }

  func settle(hasReceipt: Bool) {
    tasks.endAsked()
    enter(
      .settled(
        LeasePhase.Settlement(
          closesAtHeight: context.tipHeight + HiringTimes.closeBlocks,
          awaitsRest: hasReceipt)))
    if hasReceipt {
      books.noteSettled()
    } else {
      books.noteDebt()
      warning(
        "settled without a receipt; its channels are refunded after height "
          + "\(money.channels.lastTerms.expiryHeight) unless the provider closes them before")
      link.close()
      over(failed: false)
    }
    report(.moved)
  }

  /// Whether the receipt is signed, but its answer waits for remaining output and results.
  var awaitsRest: Bool {
    if case .settled(let settlement) = phase { return settlement.awaitsRest }
    return false
  }

  /// Sends the signed receipt. The provider may then disconnect and delete results, so all output
  /// and results must be here. A stalled stream is given up by its own timeout.
  func answerIfDue() {
    guard case .settled(var settlement) = phase, settlement.awaitsRest else { return }
    if !tasks.isEmpty && (link.isConnected || now.nowMs < awayEndsAtMs) { return }
    settlement.awaitsRest = false
    settlement.hangsUpAtMs = now.nowMs + HiringTimes.farewellMs
    phase = .settled(settlement)
    books.sayReceiptSigned()
    money.channels.close(.unpaid)
    report(.moved)
  }

  func answerAgain() {
    if case .settled(let settlement) = phase, !settlement.awaitsRest {
      books.sayReceiptSigned()
    }
  }

  /// Broadcasts closes that the provider should have broadcast.
  func tipChanged() {
    if case .settled(let settlement) = phase, context.tipHeight >= settlement.closesAtHeight {
      money.channels.close(.unconfirmed)
    }
  }

  /// After a reorganisation, the channels of a closed lease may be unspent again.
  func blocksDisconnected() {
    if stage != .closed || money.channels.areAllSpent { return }
    enter(
      .settled(
        LeasePhase.Settlement(
          closesAtHeight: context.tipHeight + HiringTimes.closeBlocks, awaitsRest: false)))
  }

  /// All channels are spent in blocks.
  func closeIfSpent() {
    if stage < .funded || stage >= .closed || !money.channels.areAllSpent { return }
    if stage < .settled { books.noteDebt() }
    enter(.closed)
    link.close()
    over(failed: false)
    report(.moved)
  }

  // MARK: Time

  func timePassed() {
    switch phase {
    case .proposed(let untilMs):
      if now.nowMs >= untilMs { abandon("did not sign in time") }
    case .accepted(let untilMs):
      if now.nowMs >= untilMs { abandon("could not be funded in time") }
    case .funded(let untilMs):
      if link.isLive ? now.nowMs >= untilMs : now.nowMs >= awayEndsAtMs {
        failed("the provider did not confirm its funding in time")
      }
    case .open:
      if !link.isConnected && now.nowMs >= awayEndsAtMs {
        return gone("the provider did not reconnect in time")
      }
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

  var deadlineMs: UInt64 {
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
        settlement.awaitsRest
        ? (link.isConnected ? UInt64.max : awayEndsAtMs)
        : (link.isConnected ? settlement.hangsUpAtMs : nil) ?? UInt64.max
    case .closed, .abandoned: return UInt64.max
    }
    let paysAtMs =
      isAtWork && books.isTrusted
      ? money.payDeadlineMs(isEnding: stage == .ending) : UInt64.max
    // Past deadlines were handled: they fire only once.
    return [own, paysAtMs, tasks.nextDeadlineMs].filter { $0 > now.nowMs }.min() ?? UInt64.max
  }
}
