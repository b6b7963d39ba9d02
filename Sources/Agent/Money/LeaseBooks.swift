import Bitcoin
import Bytes
import Channel
import Market

/// A lease's record, channels, account and statements.
final class LeaseBooks {
  private(set) var record: LeaseRecord
  let channels: ChannelSet
  let account: Account
  private let call: Call
  private let context: AgentContext
  let contract: Contract
  let id: Bytes32

  /// The last statement signed by both sides.
  private var statement: Signed<Statement>?
  /// Sent, and not signed by the publisher.
  private var proposed: Signed<Statement>?
  private var statedLines: UInt32
  /// The amount owed when a reorganisation removed the funding, in sat.
  private(set) var lostAtSat: UInt64

  // Reports on this connection.
  private var reportCount: UInt64 = 0
  private var reportedAtMs: UInt64?
  private var reportedOwedSat: UInt64 = 0
  private var toldLadderSatPerKvB: UInt32 = 0
  private var hasErased = false

  init(_ record: LeaseRecord, _ sums: LeaseSums, call: Call, context: AgentContext) {
    self.record = record
    self.call = call
    self.context = context
    contract = record.contract.body
    id = record.contract.body.id
    channels = ChannelSet(record, context: context)
    account = Account(record.contract.body, sums, nowMs: context.nowMs)
    statement = sums.statement
    statedLines = sums.statement?.body.lines ?? 0
    lostAtSat = sums.lostAtSat
  }

  // MARK: The record

  func store() { context.emit(.storeLease(contract: id, record.encode())) }

  /// Enters a stage and stores it, ahead of later effects.
  func enter(_ stage: LeaseStage, ending: LeaseEnding? = nil) {
    record.stage = stage
    if let ending { record.ending = ending }
    if stage == .open && record.openedUnixSeconds == 0 {
      record.openedUnixSeconds = max(1, context.now.unixSeconds)
    }
    store()
    context.info(
      "lease " + id.leaseText + ": " + stage.text + (ending.map { ": " + $0.text } ?? ""))
  }

  /// Erases all task orders from disk, once.
  func eraseTraces() {
    if hasErased { return }
    hasErased = true
    context.emit(.eraseTraces)
  }

  // MARK: Sums

  func usage(_ work: LeaseWork) -> LeaseUsage {
    account.usage(lines: work.lines.usage, running: work.usage, nowMs: context.nowMs)
  }

  func owedSat(_ work: LeaseWork) -> UInt64 { account.owedSat(usage(work)) }

  /// The loss from a double spend: the amount owed, without the debt of an earlier lease.
  func exposedSat(_ work: LeaseWork) -> UInt64 {
    let owed = owedSat(work)
    let before = (contract.debt?.amountSat ?? 0) + lostAtSat
    return owed - min(owed, before)
  }

  func fundingLost(_ work: LeaseWork) {
    lostAtSat = owedSat(work) - min(owedSat(work), contract.debt?.amountSat ?? 0)
    work.sumsChanged()
  }

  func fundingConfirmed(_ work: LeaseWork) {
    if lostAtSat == 0 { return }
    lostAtSat = 0
    work.sumsChanged()
  }

  func sums(_ work: LeaseWork) -> LeaseSums {
    var sums = LeaseSums()
    sums.lines = work.lines.stored
    sums.chain = work.lines.storedChain
    sums.usage = work.lines.storedUsage
    sums.lastLine = work.lines.storedLast
    sums.lastTask = work.lastStored
    sums.reported = account.reported
    sums.trafficBytes = account.trafficBytes
    sums.lostAtSat = lostAtSat
    sums.statement = statement
    return sums
  }

  // MARK: Reports

  private var halfLossSat: UInt64 { max(1, contract.providerMaxLossSat / 2) }

  func disconnected() {
    reportCount = 0
    reportedAtMs = nil
    proposed = nil
    toldLadderSatPerKvB = 0
  }

  /// Reports usage at payout intervals and when half the loss limit is owed; a statement comes
  /// first if lines were added.
  func reportIfDue(_ work: LeaseWork) {
    if !call.isReady { return }
    let usage = usage(work)
    let owed = account.owedSat(usage)
    let paid = channels.paidSat
    let isFirst = reportedAtMs == nil
    let interval = UInt64(contract.payoutIntervalMs)
    let isTime = context.nowMs >= (reportedAtMs ?? 0) + interval
    let wasHalf = reportedOwedSat >= paid && reportedOwedSat - paid >= halfLossSat
    let isHalf = owed >= paid && owed - paid >= halfLossSat && !wasHalf
    if !isFirst && !isTime && !isHalf { return }
    if work.lines.count > statedLines { state(work, usage, isFinal: false) }
    if !isFirst && !isHalf && usage == account.reported {
      // Nothing changed: check again after an interval.
      reportedAtMs = context.nowMs
      return
    }
    report(work, usage, owed)
  }

  private func report(_ work: LeaseWork, _ usage: LeaseUsage, _ owed: UInt64) {
    reportCount += 1
    reportedAtMs = context.nowMs
    reportedOwedSat = owed
    if usage != account.reported {
      account.report(usage)
      work.sumsChanged()
    }
    call.say(.usage(UsageReport(sequence: reportCount, usage: usage, owedSat: owed)))
  }

  /// When ``reportIfDue(_:)`` is due next.
  func nextReportMs(isCounting: Bool, hasLines: Bool) -> UInt64 {
    guard call.isReady, isCounting || hasLines else { return UInt64.max }
    return (reportedAtMs ?? context.nowMs) + UInt64(contract.payoutIntervalMs)
  }

  /// The amount until half the loss limit is owed; `UInt64.max` once it is.
  func reportRoomSat(_ work: LeaseWork) -> UInt64 {
    let owed = owedSat(work)
    let limit = channels.paidSat + halfLossSat
    return owed < limit ? limit - owed : UInt64.max
  }

  func hasUnstatedLines(_ work: LeaseWork) -> Bool { work.lines.count > statedLines }

  private func make(_ work: LeaseWork, _ usage: LeaseUsage, isFinal: Bool) -> Signed<Statement> {
    let statement = Statement(
      contract: id, lines: work.lines.count, lastTask: work.lines.last, chain: work.lines.chain,
      usage: usage, owedSat: account.owedSat(usage), paid: channels.paid, isFinal: isFinal)
    return Signed(statement, providerSignature: statement.sign(context.secrets.identity))
  }

  private func state(_ work: LeaseWork, _ usage: LeaseUsage, isFinal: Bool) {
    let made = make(work, usage, isFinal: isFinal)
    proposed = made
    statedLines = work.lines.count
    if usage != account.reported {
      account.report(usage)
      work.sumsChanged()
    }
    call.say(
      .statement(body: made.body.encode(), providerSignature: made.providerSignature))
  }

  /// All tasks have ended: sends the final statement and report.
  func stateFinally(_ work: LeaseWork) {
    let usage = usage(work)
    state(work, usage, isFinal: true)
    report(work, usage, account.owedSat(usage))
  }

  /// Stores the publisher's signature of a statement. Returns false if it is invalid.
  func statementSigned(_ digest: Bytes32, _ signature: [UInt8], _ work: LeaseWork) -> Bool {
    guard var signed = proposed, signed.body.digest == digest else { return true }
    do { try signed.body.verify(signature, by: contract.publisher) } catch { return false }
    signed.publisherSignature = signature
    statement = signed
    proposed = nil
    work.sumsChanged()
    return true
  }

  // MARK: The receipt

  /// Sends the receipt (the final statement with the payments) and all signed closes. Erases the
  /// task orders first.
  func sayReceipt(_ work: LeaseWork) {
    let closes = channels.signCloses()
    let made = make(work, usage(work), isFinal: true)
    if record.receipt?.body != made.body || record.receipt?.publisherSignature.isEmpty == true {
      record.receipt = made
      store()
    }
    eraseTraces()
    call.say(
      .receipt(
        body: made.body.encode(), providerSignature: made.providerSignature, closes: closes))
  }

  /// Stores the publisher's signature of the receipt. Returns false if it is invalid.
  func receiptSigned(_ signature: [UInt8]) -> Bool {
    guard let receipt = record.receipt else { return true }
    do { try receipt.body.verify(signature, by: contract.publisher) } catch { return false }
    record.receipt?.publisherSignature = signature
    return true
  }

  // MARK: Channels

  /// Handles a top-up. Returns nil if accepted, else the refusal.
  func topUp(_ body: [UInt8], _ signature: [UInt8]) -> Refusal? {
    let topUp: TopUp
    do throws(MarketError) {
      topUp = try TopUp.decode(body)
      try topUp.verify(signature, by: contract.publisher)
    } catch { return Refusal(.badMessage, "top-up: " + error.message) }
    let index = Int(topUp.number) - 1
    if index < record.topUps.count {
      if record.topUps[index].body != topUp {
        return Refusal(.unacceptable, "another top-up of the same number")
      }
    } else if let refusal = add(topUp, signature) {
      return refusal
    }
    call.say(
      .topUpAccepted(
        number: topUp.number, providerSignature: record.topUps[index].providerSignature,
        nextKey: channels.key(index + 2)))
    return nil
  }

  private func add(_ topUp: TopUp, _ signature: [UInt8]) -> Refusal? {
    if channels.count >= Limits.maxChannels {
      return Refusal(.channel, "the lease has \(Limits.maxChannels) channels, the most it may have")
    }
    if channels.newest?.funding == nil {
      return Refusal(.channel, "the former channel is not funded yet")
    }
    do throws(MarketError) {
      try topUp.check(
        against: contract, former: channels.terms, providerKey: channels.nextKey)
    } catch { return Refusal(.unacceptable, "top-up: " + error.message) }
    do throws(ChannelError) { try channels.add(topUp.terms) } catch {
      return Refusal(.channel, "top-up: " + error.message)
    }
    record.topUps.append(
      Signed(
        topUp, publisherSignature: signature,
        providerSignature: topUp.sign(context.secrets.identity)))
    store()
    channels.drain()
    channels.watchLast()
    context.info(
      "lease " + id.leaseText + ": channel \(topUp.number) of \(topUp.terms.capacitySat) sat until "
        + "height \(topUp.terms.expiryHeight)")
    return nil
  }

  /// Drops top-ups whose channel was not stored.
  func dropTopUps(from index: Int) {
    record.topUps.removeLast(record.topUps.count - index)
    store()
  }

  /// Whether the newest channel's ladder is too low for current fees. Sends the required top rate
  /// to the publisher.
  func ladderIsLow() -> Bool {
    guard let newest = channels.newest,
      newest.needsHigherLadder(estimateSatPerKvB: context.feeRateSatPerKvB)
    else { return false }
    let wanted = UInt32(LadderRule.wantedTopSatPerKvB(context.feeRateSatPerKvB))
    if wanted <= newest.terms.topRateSatPerKvB { return false }
    if call.isReady && wanted > toldLadderSatPerKvB {
      toldLadderSatPerKvB = wanted
      call.say(.topUpWanted(topRungSatPerKvB: wanted))
    }
    return true
  }

  /// The lease state, exchanged after a reconnection.
  func state(_ work: LeaseWork, isEnding: Bool) -> LeaseState {
    LeaseState(
      lastTask: work.lastNumber, lines: work.lines.count, chain: work.lines.chain,
      reservedMs: account.reservedMs(nowMs: context.nowMs), paid: channels.state,
      isEnding: isEnding)
  }

  /// Sends the state of a channel's funding.
  func sayFunding(_ number: UInt8) {
    guard let channel = channels.channel(number), channel.funding != nil, call.isReady else {
      return
    }
    if channel.isConfirmed, let height = channel.fundingHeight {
      call.say(.fundingState(channel: number, sight: .confirmed(height: height)))
    } else if channel.spend == nil {
      call.say(.fundingState(channel: number, sight: .relayed))
    }
  }

  // MARK: The end

  /// Records the publisher's debt, or that it paid in full.
  func remember(_ work: LeaseWork) {
    let owed = owedSat(work)
    let paid = channels.isDoubleSpent ? channels.countingSat : channels.paidSat
    if owed > paid {
      context.memory.debtors.record(
        contract.publisher, Debt(lease: id, amountSat: min(owed - paid, Amount.maxSat)))
      context.store(.debtors)
      context.warning("lease " + id.leaseText + ": \(owed - paid) of \(owed) sat are still owed")
      return
    }
    if context.memory.debtors.settled(contract.publisher) { context.store(.debtors) }
    if paid > 0 && channels.countingSat == paid {
      context.memory.history.settled(contract.publisher)
      context.store(.history)
    }
  }
}
