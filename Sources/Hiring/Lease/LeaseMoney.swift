import Bitcoin
import Bytes
import Channel
import Market
import Wallet

/// A lease's account, its channels, and the documents that open them.
final class LeaseMoney {
  let channels: ChannelSet
  private(set) var record: LeaseRecord
  private(set) var account: Account
  private(set) var payments: UInt64
  private let plan: PoolPlan
  private let context: HiringContext
  private let treasury: Treasury
  private let link: LeaseLink
  private let label: String
  private var topUps: TopUps
  private let halt: PaymentHalt

  /// A new lease. Stores the first channel before the record that names it.
  init(
    _ record: LeaseRecord, plan: PoolPlan, _ link: LeaseLink, _ treasury: Treasury,
    _ context: HiringContext, label: String
  ) throws {
    let contract = record.contract.body
    self.record = record
    self.plan = plan
    self.context = context
    self.treasury = treasury
    self.link = link
    self.label = label
    channels = ChannelSet(contract, link, context)
    account = Account(contract, context.now)
    payments = 0
    topUps = TopUps(plan, contract)
    halt = PaymentHalt(plan)
    try channels.add(contract.terms, channelIndex: record.channels[0].channelIndex)
    storeRecord()
    watch()
  }

  /// Restores a lease. `states` holds the channels' states by number.
  init(
    restoring record: LeaseRecord, _ progress: LeaseProgress, states: [UInt8: [UInt8]],
    plan: PoolPlan, _ link: LeaseLink, _ treasury: Treasury, _ context: HiringContext,
    label: String
  ) throws(HiringError) {
    let contract = record.contract.body
    self.record = record
    self.plan = plan
    self.context = context
    self.treasury = treasury
    self.link = link
    self.label = label
    channels = ChannelSet(contract, link, context)
    account = Account(contract, restoring: progress, context.now)
    payments = progress.payments
    topUps = TopUps(plan, contract)
    halt = PaymentHalt(plan)
    for (number, channel) in record.channels.enumerated() {
      treasury.channelIndexUsed(channel.channelIndex)
      guard let state = states[UInt8(number)] else { throw .unknown("channel") }
      try channels.restore(state, channelIndex: channel.channelIndex)
    }
    watch()
  }

  var contract: Contract { record.contract.body }
  private var id: Bytes32 { contract.id }

  private func storeRecord() {
    context.emit(.storeLease(contract: id, pool: record.pool, record.encode()))
  }

  private func watch(from number: Int = 0) {
    for terms in channels.terms[number...] {
      context.emit(
        .watch(script: terms.lock.scriptPubKey, fromHeight: record.startHeight))
    }
  }

  // MARK: The contract

  func accepted(_ signature: [UInt8], nextKey: [UInt8]) {
    record.contract.providerSignature = signature
    record.nextProviderKey = nextKey
    storeRecord()
  }

  func opened() { account = Account(contract, context.now) }

  // MARK: Clocks

  func set(reserved: Bool, inUse: Bool) {
    account.set(reserved: reserved, context.now)
    account.set(inUse: inUse, context.now)
  }

  func end(graceMs: UInt64) { account.end(graceMs: graceMs, context.now) }

  // MARK: Paying

  var owedSat: UInt64 { account.owedSat }
  var paidSat: UInt64 { channels.paidSat }
  var isPaidUp: Bool { owedSat <= paidSat }

  func reported(_ usage: LeaseUsage, owedSat: UInt64) -> Account.Verdict {
    account.reported(usage, owedSat: owedSat, context.now)
  }

  /// Pays what is due. Returns whether a payment was made; the caller then stores the lease.
  func pay(isEnding: Bool) -> Bool {
    if halt.holds(payments: payments, context) { return false }
    guard let dueSat = account.dueSat(paidSat: paidSat, isEnding: isEnding, context.now) else {
      return false
    }
    let paid = channels.pay(dueSat)
    if paid.payments == 0 { return false }
    account.paid(paid.sat, context.now)
    payments += paid.payments
    return true
  }

  func paymentStored(_ number: UInt8, _ sequence: UInt64) {
    guard Int(number) < channels.count, channels[Int(number)].last?.sequence == sequence else {
      return
    }
    context.info(
      label + "payment \(payments): \(paidSat) sat paid, \(owedSat) sat owed"
        + (channels.count > 1 ? " (channel \(number))" : ""))
  }

  func payDeadlineMs(isEnding: Bool) -> UInt64 {
    if let atMs = halt.endsAtMs(context) { return atMs }
    if halt.isHolding { return UInt64.max }
    return account.dueAtMs(paidSat: paidSat, isEnding: isEnding, context.now) ?? UInt64.max
  }

  // MARK: Further channels

  /// The number of a top-up channel that is not signed by the provider or not funded.
  private var pendingTopUp: Int? {
    let last = channels.count - 1
    return last > 0 && channels[last].funding == nil ? last : nil
  }

  /// Numbers of channels that both sides signed and that are not funded.
  var unfunded: [Int] {
    (0..<channels.count).filter { number in
      channels[number].funding == nil
        && (number == 0
          ? record.contract.isComplete : record.channels[number].topUp?.isComplete == true)
    }
  }

  /// The channels' funding transactions; each may also fund other leases' channels.
  var fundingTransactions: [Transaction] {
    (0..<channels.count).compactMap { channels[$0].fundingTransaction }
  }

  func terms(_ number: Int) -> ChannelTerms { record.terms(number) }
  func channelIndex(_ number: Int) -> UInt32 { record.channels[number].channelIndex }

  func topUpWanted(_ topRungSatPerKvB: UInt32) {
    topUps.wanted(topRungSatPerKvB: topRungSatPerKvB)
  }

  /// Whether an amount is owed that no channel can pay, and no further channel can be opened.
  var isExhausted: Bool {
    !isPaidUp && channels.roomSat == 0 && pendingTopUp == nil
      && channels.count >= min(1 + Int(plan.maxTopUps), Limits.maxChannels)
  }

  /// Opens a further channel if needed: stores its document, then sends it.
  func topUpIfNeeded() {
    if pendingTopUp != nil || record.nextProviderKey.isEmpty || !channels.isFunded { return }
    let unpaidSat = owedSat > paidSat ? owedSat - paidSat : 0
    let isNeeded = topUps.isNeeded(
      channels: channels.count, last: channels.lastTerms, roomSat: channels.roomSat,
      unpaidSat: unpaidSat, tipHeight: context.tipHeight,
      estimateSatPerKvB: context.feeRateSatPerKvB)
    if !isNeeded { return }
    do { try topUp() } catch { context.warning(label + "no top-up: " + HiringMachine.text(error)) }
  }

  private func topUp() throws {
    let keys = try treasury.takeChannelKeys()
    var terms = channels.lastTerms
    terms.providerKey = record.nextProviderKey
    terms.publisherKey = keys.publisherKey
    terms.returnKey = keys.returnKey
    terms.expiryHeight = max(
      terms.expiryHeight, context.tipHeight + plan.offer.channelBlocks)
    terms.feeLadderSatPerKvB = topUps.ladder(
      last: terms, estimateSatPerKvB: context.feeRateSatPerKvB)
    let payableSat = terms.maxPayableSat
    terms.reserveSat = max(
      terms.reserveSat,
      ClosingTransaction.reserveSat(topRateSatPerKvB: terms.topRateSatPerKvB))
    terms.capacitySat = payableSat + terms.reserveSat
    let topUp = TopUp(contract: id, number: UInt8(channels.count), terms: terms)
    try topUp.check(
      against: contract, former: channels.terms, providerKey: record.nextProviderKey)
    try channels.add(terms, channelIndex: keys.index)
    record.channels.append(
      LeaseChannelRecord(
        channelIndex: keys.index,
        topUp: Signed(topUp, publisherSignature: topUp.sign(context.secrets.identity))))
    storeRecord()
    watch(from: channels.count - 1)
    context.info(
      label + "top-up \(topUp.number): a channel of \(terms.capacitySat) sat until height "
        + "\(terms.expiryHeight)")
    sayTopUp()
  }

  /// Sends the top-up that the provider has not signed.
  func sayTopUp() {
    guard let number = pendingTopUp, let topUp = record.channels[number].topUp, !topUp.isComplete
    else { return }
    link.say(
      .topUp(body: topUp.body.encode(), publisherSignature: topUp.publisherSignature))
  }

  /// Stores the provider's signature. Returns whether the channel may now be funded.
  func topUpAccepted(
    _ number: UInt8, _ signature: [UInt8], nextKey: [UInt8]
  ) throws(MarketError) -> Bool {
    guard Int(number) < record.channels.count, let topUp = record.channels[Int(number)].topUp,
      !topUp.isComplete
    else { return false }
    try topUp.body.verify(signature, by: contract.provider)
    record.channels[Int(number)].topUp?.providerSignature = signature
    record.nextProviderKey = nextKey
    storeRecord()
    return true
  }

  // MARK: Summary

  var summaries: [ChannelSummary] {
    (0..<channels.count).map { number in
      let channel = channels[number]
      return ChannelSummary(
        number: UInt8(number), terms: channel.terms, funding: channel.funding,
        fundingHeight: channel.fundingHeight, payments: channel.last?.sequence ?? 0,
        paidSat: channel.paidSat, spend: channel.spend, spendHeight: channel.spendHeight)
    }
  }
}

/// For tests of the freeze: stops payments after a number of them, and may resume later.
final class PaymentHalt {
  private let after: UInt64?
  private let forMs: UInt64?
  private var sinceMs: UInt64?

  init(_ plan: PoolPlan) {
    after = plan.stopPayingAfter
    forMs = plan.payAgainAfterMs
  }

  func holds(payments: UInt64, _ context: HiringContext) -> Bool {
    guard let after, payments >= after else { return false }
    if sinceMs == nil { context.warning("payments stop, as configured") }
    let since = sinceMs ?? context.now.nowMs
    sinceMs = since
    guard let forMs else { return true }
    return context.now.nowMs < since + forMs
  }

  var isHolding: Bool { sinceMs != nil && forMs == nil }

  func endsAtMs(_ context: HiringContext) -> UInt64? {
    guard let sinceMs, let forMs, context.now.nowMs < sinceMs + forMs else { return nil }
    return sinceMs + forMs
  }
}
