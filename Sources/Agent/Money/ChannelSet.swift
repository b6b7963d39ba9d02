import Bitcoin
import Bytes
import Channel
import Crypto
import Market

/// An event of a lease's channels.
enum ChannelNote {
  case stored(channel: UInt8, sequence: UInt64)
  case confirmed(channel: UInt8, height: UInt32)
  case lost(channel: UInt8)
  case doubleSpent(channel: UInt8, by: Bytes32)
  case closeIsDue(channel: UInt8)
  case spent(channel: UInt8, ChannelSpend, height: UInt32)
}

/// The channels of a lease: the contract's own (number 0) and its top-ups. Emits their effects;
/// events for the lease are ``ChannelNote``s.
final class ChannelSet {
  private struct Entry {
    let number: UInt8
    let id: Bytes32
    let script: [UInt8]
    var channel: ProviderChannel
    /// Confirmed transactions that pay to the channel, seen before the publisher sent its funding.
    var candidates: [(transaction: Transaction, height: UInt32)] = []
  }

  private let contract: Contract
  private let nonce: Bytes32
  private let context: AgentContext
  private var entries: [Entry] = []
  private var notes: [ChannelNote] = []

  init(_ record: LeaseRecord, context: AgentContext) {
    contract = record.contract.body
    nonce = record.channelNonce
    self.context = context
  }

  // MARK: Making channels

  private var policy: ProviderPolicy { context.channelPolicy(fundingDepth: contract.fundingDepth) }

  private func secret(_ number: Int) -> Bytes32 {
    context.secrets.channelSecret(nonce, number: UInt8(number))
  }

  /// The provider's key for the next channel.
  var nextKey: [UInt8] { key(entries.count) }

  func key(_ number: Int) -> [UInt8] { (try? Secp256k1.publicKey(of: secret(number))) ?? [] }

  /// Adds a channel. Throws if the owner's policy rejects it. ``drain()`` emits the store of its
  /// state.
  func add(_ terms: ChannelTerms) throws(ChannelError) {
    let number = entries.count
    let channel = try ProviderChannel(
      terms: terms, secret: secret(number), policy: policy, tipHeight: context.tipHeight)
    append(channel, number)
  }

  /// Restores a channel.
  func restore(_ state: [UInt8]) throws(ChannelError) {
    let number = entries.count
    let channel = try ProviderChannel(restoring: state, secret: secret(number), policy: policy)
    append(channel, number)
  }

  private func append(_ channel: ProviderChannel, _ number: Int) {
    entries.append(
      Entry(
        number: UInt8(number), id: ChannelId.of(contract: contract.id, number: UInt8(number)),
        script: channel.terms.lock.scriptPubKey, channel: channel))
  }

  func watch(fromHeight: UInt32) {
    for entry in entries { context.emit(.watch(script: entry.script, fromHeight: fromHeight)) }
  }

  func watchLast() {
    guard let entry = entries.last else { return }
    context.emit(.watch(script: entry.script, fromHeight: context.tipHeight))
  }

  func unwatch() {
    for entry in entries {
      context.emit(.unwatch(script: entry.script))
      if let funding = entry.channel.funding { context.emit(.forget(txid: funding.txid)) }
      if let spend = entry.channel.spend { context.emit(.forget(txid: spend.txid)) }
    }
  }

  /// Relays unconfirmed fundings again.
  func relay() {
    for entry in entries where entry.channel.fundingHeight == nil && entry.channel.spend == nil {
      if let funding = entry.channel.fundingTransaction { context.emit(.relay(funding)) }
    }
  }

  // MARK: Queries

  var count: Int { entries.count }
  var ids: [Bytes32] { entries.map { $0.id } }
  var terms: [ChannelTerms] { entries.map { $0.channel.terms } }
  var capacitySat: UInt64 { sum { $0.terms.capacitySat } }
  var paymentCount: UInt64 { sum { $0.paymentCount } }
  /// Signed by the publisher, over all channels.
  var paidSat: UInt64 { sum { $0.paidSat } }
  var payoutSat: UInt64 { sum { $0.spend?.payoutSat ?? 0 } }

  private func sum(_ amount: (ProviderChannel) -> UInt64) -> UInt64 {
    var sum: UInt64 = 0
    for entry in entries { sum += amount(entry.channel) }
    return sum
  }

  /// The amount that open channels can still pay, in sat.
  var roomSat: UInt64 {
    sum { $0.isOpen ? $0.terms.maxPayableSat - min($0.paidSat, $0.terms.maxPayableSat) : 0 }
  }

  /// The amount paid on confirmed channels and by confirmed closes, in sat.
  var countingSat: UInt64 {
    sum { channel in
      if channel.isConfirmed { return channel.paidSat }
      return channel.spend?.kind == .close ? channel.paidSat : 0
    }
  }

  /// Whether no channel is confirmed or spent.
  var isUnconfirmed: Bool {
    !entries.contains { $0.channel.isConfirmed || $0.channel.spend != nil }
  }

  var isDoubleSpent: Bool { entries.contains { $0.channel.conflict != nil } }

  /// Whether some channel is neither spent nor closing.
  var hasUsable: Bool {
    entries.contains { $0.channel.spend == nil && $0.channel.closingRung == nil }
  }

  var newest: ProviderChannel? { entries.last?.channel }
  var first: ProviderChannel? { entries.first?.channel }
  func channel(_ number: UInt8) -> ProviderChannel? {
    Int(number) < entries.count ? entries[Int(number)].channel : nil
  }

  /// Whether the newest top-up lacks confirmations.
  var awaitsTopUp: Bool {
    entries.count > 1 && newest?.isConfirmed == false && newest?.spend == nil
  }

  /// The close height of the last confirmed channel.
  var confirmedUntilHeight: UInt32 {
    var height: UInt32 = 0
    for entry in entries where entry.channel.isConfirmed {
      height = max(height, entry.channel.terms.closeHeight)
    }
    return height
  }

  /// The paid amounts as named in statements, by number.
  var paid: [Statement.Paid] {
    var paid: [Statement.Paid] = []
    for entry in entries where entry.channel.paidSat > 0 {
      paid.append(Statement.Paid(channel: entry.number, amountSat: entry.channel.paidSat))
    }
    return paid
  }

  var state: [LeaseState.Paid] {
    var state: [LeaseState.Paid] = []
    for entry in entries {
      state.append(
        LeaseState.Paid(
          channel: entry.number, sequence: entry.channel.best?.sequence ?? 0,
          amountSat: entry.channel.paidSat))
    }
    return state
  }

  // MARK: What the publisher sends

  /// Accepts the funding of a channel; a repeated one is ignored. Throws if it is invalid.
  func offered(_ number: UInt8, _ transaction: Transaction) throws(ChannelError) {
    let index = Int(number)
    guard index < entries.count else {
      throw ChannelError.wrongPhase("there is no channel of this number")
    }
    let isNew = entries[index].channel.funding == nil
    try entries[index].channel.fundingOffered(transaction)
    drain(index)
    if !isNew { return }
    context.emit(.relay(transaction))
    let txid = transaction.txid
    let candidates = entries[index].candidates
    entries[index].candidates = []
    for candidate in candidates where candidate.transaction.txid == txid {
      confirmed(index, candidate.transaction, candidate.height)
    }
  }

  func received(_ number: UInt8, _ payment: ChannelPayment) throws(ChannelError) {
    let index = Int(number)
    guard index < entries.count else {
      throw ChannelError.wrongPhase("there is no channel of this number")
    }
    if entries[index].channel.paidSat == 0 && payment.amountSat < contract.firstPaymentSat {
      throw ChannelError.wrongPhase("the first payment is below the contract's least")
    }
    try entries[index].channel.received(payment)
    drain(index)
  }

  // MARK: Closing

  /// Signs the close of a channel for the publisher, at all rungs. Nil if it cannot be signed.
  func signClose(_ number: UInt8) -> SignedClose? {
    let index = Int(number)
    guard index < entries.count,
      let signatures = try? entries[index].channel.signClose(feeRateSatPerKvB: 0)
    else { return nil }
    drain(index)
    return SignedClose(channel: number, signatures: signatures)
  }

  func signCloses() -> [SignedClose] {
    var closes: [SignedClose] = []
    for index in entries.indices {
      if let close = signClose(UInt8(index)) { closes.append(close) }
    }
    return closes
  }

  /// Broadcasts the closes of all paid channels. A failure is only logged.
  func close() {
    for index in entries.indices { close(index) }
  }

  func close(_ number: UInt8) {
    if Int(number) < entries.count { close(Int(number)) }
  }

  private func close(_ index: Int) {
    let channel = entries[index].channel
    if channel.best == nil || channel.spend != nil || channel.closingRung != nil { return }
    do {
      let close = try entries[index].channel.close(feeRateSatPerKvB: context.feeRateSatPerKvB)
      context.info(
        "channel \(index) of lease " + contract.id.leaseText + ": closing with "
          + close.txid.reversed.hex + ", \(channel.paidSat) sat paid")
    } catch {
      context.warning("channel \(index) of lease " + contract.id.leaseText + ": " + error.message)
    }
    drain(index)
  }

  /// Whether every paid channel is spent or double-spent.
  var isCollected: Bool {
    !entries.contains {
      $0.channel.best != nil && $0.channel.spend == nil && $0.channel.conflict == nil
    }
  }

  /// Whether all spends have enough confirmations to be final.
  var isBuried: Bool {
    if !isCollected { return false }
    for entry in entries {
      guard let height = entry.channel.spendHeight else { continue }
      if context.authenticatedHeight < height + LeaseTimes.burialBlocks { return false }
    }
    return true
  }

  /// Transaction ids of unconfirmed closes, in wire byte order.
  var closesUnderWay: [Bytes32] {
    var txids: [Bytes32] = []
    for entry in entries where entry.channel.spend == nil {
      guard let rung = entry.channel.closingRung,
        let close = try? entry.channel.closingTransaction(rung: rung)
      else { continue }
      txids.append(close.txid)
    }
    return txids
  }

  // MARK: The chain

  func blockMatched(height: UInt32, _ block: Block) {
    for transaction in block.transactions {
      var txid: Bytes32?
      for index in entries.indices {
        if let funding = entries[index].channel.funding {
          if txid == nil { txid = transaction.txid }
          if txid == funding.txid { confirmed(index, transaction, height) }
        } else if entries[index].candidates.count < 8,
          transaction.outputs.contains(where: { $0.scriptPubKey == entries[index].script })
        {
          entries[index].candidates.append((transaction, height))
        }
        entries[index].channel.spendSeen(transaction, height: height)
        drain(index)
      }
    }
  }

  private func confirmed(_ index: Int, _ transaction: Transaction, _ height: UInt32) {
    do { try entries[index].channel.fundingConfirmed(transaction, height: height) } catch {
      context.warning("lease " + contract.id.leaseText + ": " + error.message)
    }
    drain(index)
  }

  func conflicted(txid: Bytes32, by other: Bytes32, height: UInt32) {
    for index in entries.indices where entries[index].channel.funding?.txid == txid {
      entries[index].channel.fundingConflicted(by: other, height: height)
      drain(index)
    }
  }

  func hasFunding(_ txid: Bytes32) -> Bool {
    entries.contains { $0.channel.funding?.txid == txid }
  }

  func blocksDisconnected(toHeight: UInt32) {
    for index in entries.indices {
      entries[index].candidates.removeAll { $0.height > toHeight }
      entries[index].channel.blocksDisconnected(fromHeight: toHeight + 1)
      drain(index)
    }
  }

  func tipChanged() {
    for index in entries.indices {
      entries[index].channel.tipChanged(
        height: context.tipHeight, authenticatedHeight: context.authenticatedHeight)
      drain(index)
    }
  }

  // MARK: Effects

  func drain() { for index in entries.indices { drain(index) } }

  /// Emits a channel's effects in order: its store precedes effects that depend on it.
  private func drain(_ index: Int) {
    let number = entries[index].number
    while let effect = entries[index].channel.nextEffect() {
      switch effect {
      case .store(let state):
        context.emit(
          .storeChannel(
            id: entries[index].id, sequence: entries[index].channel.best?.sequence ?? 0,
            amountSat: entries[index].channel.paidSat, state))
      case .acknowledge(let sequence, _):
        notes.append(.stored(channel: number, sequence: sequence))
      case .funded(let height): notes.append(.confirmed(channel: number, height: height))
      case .fundingLost: notes.append(.lost(channel: number))
      case .fundingConflicted(let by): notes.append(.doubleSpent(channel: number, by: by))
      case .broadcast(let transaction): context.emit(.broadcast(transaction))
      case .closeIsDue: notes.append(.closeIsDue(channel: number))
      case .closed(let spend, let height):
        notes.append(.spent(channel: number, spend, height: height))
      }
    }
  }

  func nextNote() -> ChannelNote? { notes.isEmpty ? nil : notes.removeFirst() }
}
