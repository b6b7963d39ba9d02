import Bitcoin
import Bytes
import Channel
import Market
import Sandbox
import Session

/// A lease of a share of this machine, from the contract to the last buried close. It moves through its
/// ``LeasePhase``s; what a phase does not decide its parts do: the call, the books, the work.
///
/// After every event ``settle()`` brings everything up to date, in an order that makes what is stored
/// precede what relies on it.
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
  /// The share counts among this machine's places.
  var holdsPlace = true
  /// Its announcement may be called again. Set by the machine.
  var announcementIsFree = false

  // MARK: Making

  /// A contract that both sign. Throws what the owner's policy for channels objects to; then nothing was
  /// emitted.
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

  /// A lease that an earlier run stored: its sandboxes died with that run. Throws where a channel's state
  /// cannot be read: then somebody has to look, as it is money.
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
        // Stored before its channel was: nothing was promised yet.
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

  // MARK: What can be asked

  var label: String { parts.label }
  var contract: Contract { books.contract }
  var endpoint: Endpoint { books.record.endpoint }
  var announcementTxid: Bytes32 { books.record.announcementTxid }
  var closesUnderWay: [Bytes32] { books.channels.closesUnderWay }

  /// Whether its funding was handed over.
  var isFunded: Bool { books.channels.first?.funding != nil }

  var isOver: Bool {
    if case .over = phase { return true }
    return false
  }

  /// Nothing is left that needs the agent to go on running.
  var isSettled: Bool {
    switch phase {
    case .awaitingFunding(let wait): return wait.step == .lapsed
    case .open, .ending: return false
    case .closing, .closed, .over: return true
    }
  }

  /// Its publisher may still owe something: no other lease of the same is wanted meanwhile.
  var isEnding: Bool {
    if case .ending = phase { return true }
    return false
  }

  /// It earns nothing, and a contract that pays may have its place.
  var yields: Bool {
    switch phase {
    case .open(let open): return open.yields(parts)
    case .ending(let ending): return holdsPlace && ending.yields(parts)
    case .awaitingFunding, .closing, .closed, .over: return false
    }
  }

  // MARK: Events

  /// Something came on the call.
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

  /// Another contract gets its place.
  func yield() {
    // A lease that is ending gives up the results that nobody fetched.
    if case .ending = phase { closeShare() }
    end(.yielded)
    holdsPlace = false
    settle()
  }

  // MARK: Settling

  /// Brings the lease up to date after an event.
  func settle() {
    for request in talk.drain() { handle(request) }
    drainChannels()
    advance()
    // A lease that closes without a payment has nothing to wait for.
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

  /// What would be lost if the funding were double-spent now, until the next sample.
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

  /// The publisher may have missed what was said last.
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

  /// When ``timePassed()`` is wanted; `UInt64.max` when only events matter.
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
