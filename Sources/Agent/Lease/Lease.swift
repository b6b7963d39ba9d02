import Bitcoin
import Bytes
import Channel
import Market
import Sandbox
import Session

/// A lease of a share of this host, from the contract to the last buried close. It moves through
/// its ``LeasePhase``s and delegates to the call, the books and the work.
///
/// After every event ``settle()`` advances the lease, in an order in which stores precede effects
/// that depend on them.
final class Lease {
  let key: LeaseKey
  let call: Call
  let work: LeaseWork
  let books: LeaseBooks
  let talk: LeaseTalk
  let context: AgentContext
  let parts: LeaseParts
  var phase: LeasePhase
  var hasShare = false
  /// Whether the share occupies a place.
  var holdsPlace = true
  /// Whether its announcement was released. Set by ``WorkSearch``.
  var announcementIsFree = false

  // MARK: Making

  /// Signs a contract. Throws if the owner's channel policy rejects it; then no effect was emitted.
  init(
    _ key: LeaseKey, _ agreement: Agreement, call: Call, context: AgentContext
  ) throws(ChannelError) {
    let record = LeaseRecord(
      agreement, providerSignature: agreement.contract.sign(context.secrets.identity),
      startHeight: context.tipHeight)
    let sums = LeaseSums()
    self.key = key
    self.call = call
    self.context = context
    books = LeaseBooks(record, sums, call: call, context: context)
    work = LeaseWork(
      key, record, sums, call: call, account: books.account, context: context)
    talk = LeaseTalk(call, books, work, isAgreed: true, context: context)
    parts = LeaseParts(key: key, call: call, books: books, work: work, context: context)
    phase = .awaitingFunding(
      FundingWait(step: .unfunded, untilMs: context.nowMs + LeaseTimes.fundingMs))
    try books.channels.add(agreement.contract.terms)
    books.store()
    books.channels.drain()
    books.channels.watchLast()
    talk.sayAccept()
    context.info(
      label + "contract signed: channel of \(record.contract.body.terms.capacitySat) sat until "
        + "height \(record.contract.body.terms.expiryHeight), at most "
        + "\(record.contract.body.providerMaxLossSat) sat at risk")
  }

  /// Restores a lease; its sandboxes ended with the earlier run. Throws if a channel's state cannot
  /// be read; the owner must resolve this, because channels hold money.
  init(
    _ key: LeaseKey, restoring record: LeaseRecord, _ stored: StoredLease, call: Call,
    context: AgentContext
  ) throws(ChannelError) {
    var sums = LeaseSums()
    for row in stored.rows where row.number == LeaseSums.row {
      sums = LeaseSums.decode(row.body) ?? sums
    }
    self.key = key
    self.call = call
    self.context = context
    books = LeaseBooks(record, sums, call: call, context: context)
    work = LeaseWork(
      key, record, sums, call: call, account: books.account, context: context)
    talk = LeaseTalk(call, books, work, isAgreed: false, context: context)
    parts = LeaseParts(key: key, call: call, books: books, work: work, context: context)
    phase = .over
    for (index, state) in stored.channels.enumerated() {
      guard let state else {
        // The record was stored before this channel: nothing was promised yet.
        if index > 0 { books.dropTopUps(from: index - 1) }
        break
      }
      try books.channels.restore(state)
    }
    work.restore(stored.rows)
    takeUp(record)
  }

  func takeUp(_ record: LeaseRecord) {
    if books.channels.count == 0 { return drop("its channel was never stored") }
    if record.stage < .closed { books.channels.watch(fromHeight: record.startHeight) }
    books.channels.relay()
    switch record.stage {
    case .awaitingFunding:
      let isFunded = books.channels.first?.funding != nil
      phase = .awaitingFunding(
        FundingWait(
          step: isFunded ? .relaying : .unfunded,
          untilMs: context.nowMs + (isFunded ? LeaseTimes.relayHintMs : LeaseTimes.fundingMs)))
      if isFunded { openShare() }
    case .open:
      phase = .open(OpenLease())
      openShare()
    case .ending: phase = .ending(EndingLease(record.ending ?? .owner))
    case .closing:
      phase = .closing
      holdsPlace = false
      books.channels.close()
    case .closed:
      phase = .closed
      holdsPlace = false
      books.channels.watch(fromHeight: record.startHeight)
    }
    books.channels.drain()
  }

  // MARK: Queries

  var label: String { parts.label }
  var contract: Contract { books.contract }
  var endpoint: Endpoint { books.record.endpoint }
  var announcementTxid: Bytes32 { books.record.announcementTxid }
  var closesUnderWay: [Bytes32] { books.channels.closesUnderWay }

  /// Whether the publisher sent its funding.
  var isFunded: Bool { books.channels.first?.funding != nil }

  var isOver: Bool {
    if case .over = phase { return true }
    return false
  }

  /// Whether the agent may stop without harm to the lease.
  var isSettled: Bool {
    switch phase {
    case .awaitingFunding(let wait): return wait.step == .lapsed
    case .open, .ending: return false
    case .closing, .closed, .over: return true
    }
  }

  /// Whether the lease is ending. Its publisher may still owe: the agent accepts no other lease
  /// from it.
  var isEnding: Bool {
    if case .ending = phase { return true }
    return false
  }

  /// Whether the lease earns nothing and yields its place to a new contract.
  var yields: Bool {
    switch phase {
    case .open(let open): return open.yields(parts)
    case .ending(let ending): return holdsPlace && ending.yields(parts)
    case .awaitingFunding, .closing, .closed, .over: return false
    }
  }

  // MARK: Events

  /// The call has events.
  func called() { settle() }

  func timePassed() {
    call.tick()
    if wantsCall { call.dialIfDue() }
    work.timePassed()
    settle()
  }

  var wantsCall: Bool {
    switch phase {
    case .awaitingFunding, .open, .ending: return true
    case .closing, .closed, .over: return false
    }
  }

  func ownerChanged() { settle() }

  func blockMatched(height: UInt32, _ block: Block) {
    books.channels.blockMatched(height: height, block)
    settle()
  }

  func blocksDisconnected(toHeight: UInt32) {
    books.channels.blocksDisconnected(toHeight: toHeight)
    if case .closed = phase, !books.channels.isCollected {
      phase = .closing
      books.enter(.closing)
      books.channels.close()
    }
    settle()
  }

  func tipChanged() {
    books.channels.tipChanged()
    settle()
  }

  func relayed(_ txid: Bytes32) {
    guard case .awaitingFunding(let wait) = phase, wait.step == .relaying,
      books.channels.hasFunding(txid)
    else { return }
    open()
    settle()
  }

  func conflicted(txid: Bytes32, by other: Bytes32, height: UInt32) {
    books.channels.conflicted(txid: txid, by: other, height: height)
    settle()
  }

  /// The owner stops the agent.
  func ownerStops() {
    if case .ending(var ending) = phase {
      ending.hurry(nowMs: context.nowMs)
      phase = .ending(ending)
    }
    end(.owner)
    settle()
  }

  /// Yields the place to another contract.
  func yield() {
    // An ending lease drops unfetched results.
    if case .ending = phase { closeShare() }
    end(.yielded)
    holdsPlace = false
    settle()
  }

  // MARK: Settling

  /// Advances the lease after an event.
  func settle() {
    for request in talk.drain() { handle(request) }
    drainChannels()
    advance()
    // A lease that closes without a payment is over at once.
    if case .closing = phase { advance() }
    drainChannels()
    updateRisk()
    if case .over = phase { return call.flush() }
    work.pull()
    work.sayLines()
    if mayReport { books.reportIfDue(work) }
    parts.storeRows()
    if mayStart { work.start() }
    call.flush()
    work.destroyEnded()
    if mayStart { work.start() }
    work.releaseDone()
  }

  var mayStart: Bool {
    if case .open(let open) = phase { return open.standing == .running }
    return false
  }

  var mayReport: Bool {
    switch phase {
    case .open: return true
    case .ending(let ending): return ending.mayReport
    case .awaitingFunding, .closing, .closed, .over: return false
    }
  }

  /// Updates the amount that a double spend of the funding would cost, up to the next sample.
  func updateRisk() {
    switch phase {
    case .open(let open):
      var exposed: UInt64 = 0
      if books.channels.isUnconfirmed {
        exposed = books.exposedSat(work)
        if open.standing == .running { exposed += books.account.rule.headroomSat }
      }
      context.unconfirmed.set(exposed, of: key)
    case .ending, .closing:
      context.unconfirmed.set(
        books.channels.isUnconfirmed ? books.exposedSat(work) : 0, of: key)
    case .awaitingFunding, .closed, .over: context.unconfirmed.set(0, of: key)
    }
  }

  func handle(_ request: LeaseRequest) {
    switch request {
    case .resumed: resumed()
    case .disconnected(let lastReceivedMs):
      books.account.silent(sinceMs: lastReceivedMs, nowMs: context.nowMs)
      books.account.reserve(false, nowMs: context.nowMs)
      if case .ending(var ending) = phase {
        ending.disconnected()
        phase = .ending(ending)
      }
    case .funding(let channel, let transaction): fundingOffered(channel, transaction)
    case .end(let text):
      context.info(label + "the publisher ends it: " + text)
      end(.publisher)
    case .broken(let reason): end(reason)
    case .receiptSigned(let signature): receiptSigned(signature)
    case .closeWanted(let channel): closeWanted(channel)
    }
  }

  /// Resends what the publisher may have missed.
  func resumed() {
    switch phase {
    case .awaitingFunding(let wait): if wait.step == .unfunded { talk.sayAccept() }
    case .open(let open):
      if open.standing != .running { parts.say(open.standing, open.text) }
    case .ending(let ending):
      sayLeaving(ending.reason)
      if ending.awaitsSignature { books.sayReceipt(work) }
    case .closing, .closed, .over: break
    }
  }

  func sayLeaving(_ reason: LeaseEnding) {
    if reason == .publisher || !call.isReady { return }
    call.say(.leaving(noticeMs: 0, text: Array(reason.text.utf8)))
  }

  // MARK: Time

  /// When to call ``timePassed()``; `UInt64.max` when no timer is set.
  var nextDeadlineMs: UInt64 {
    var earliest = work.nextDeadlineMs
    if wantsCall || !call.isDown { earliest = min(earliest, call.nextDeadlineMs) }
    switch phase {
    case .awaitingFunding(let wait): earliest = min(earliest, wait.untilMs)
    case .open(let open): earliest = min(earliest, open.nextDeadlineMs(parts))
    case .ending(let ending): earliest = min(earliest, ending.nextDeadlineMs)
    case .closing, .closed, .over: break
    }
    return earliest
  }

  var summary: LeaseSummary {
    var standing = Standing.running
    if case .open(let open) = phase { standing = open.standing }
    return LeaseSummary(parts, standing)
  }
}
