import Bitcoin
import Bytes
import Crypto

/// The publisher's side of a payment channel, without I/O: funds, pays, watches for the close or
/// sends it, takes the refund. Every method either throws and changes nothing, or leaves effects, to
/// be taken with ``nextEffect()`` and carried out in their order.
///
/// The order is the guarantee: `store` stands before the payment that relies on it, so that after a
/// power cut no smaller amount is ever signed under the same or a later number.
public struct PublisherChannel: Sendable {
  private let secret: Bytes32
  private var state: PublisherState
  private var effects: [PublisherEffect] = []

  /// A new channel. `secret` is the key of `terms.publisherKey`; it is never part of the state.
  public init(terms: ChannelTerms, secret: Bytes32) throws(ChannelError) {
    try terms.check()
    try checkSecret(secret, terms.publisherKey)
    self.secret = secret
    state = PublisherState(terms: terms, stage: .unfunded)
    store()
  }

  /// A channel as it was stored. A funding that is in no block and a close that was made are broadcast
  /// again, and the last payment is sent again: all are harmless where they arrived before.
  ///
  /// Throws `damagedState`, `unknownVersion` or `malformed` for bytes that this class has not
  /// written, `wrongSecret` for another channel's key, `wrongSignature` for a signature that is none.
  public init(restoring stored: [UInt8], secret: Bytes32) throws(ChannelError) {
    state = try PublisherState.decode(stored)
    try checkSecret(secret, state.terms.publisherKey)
    self.secret = secret
    broadcastFunding()
    broadcastClose()
    if spend == nil { resend() }
  }

  /// The state as it has to be on disk. Holds no secret.
  public func encodedState() -> [UInt8] { state.encode() }

  /// The last payment in what ``encodedState()`` wrote, nil before the first: for who lists channels
  /// and needs no secret for it. Throws as ``init(restoring:secret:)`` does.
  public static func lastPayment(in state: [UInt8]) throws(ChannelError) -> ChannelPayment? {
    guard case .funded(let funded) = try PublisherState.decode(state).stage else { return nil }
    return funded.last
  }

  /// Takes the next effect, in order; nil when there is none.
  public mutating func nextEffect() -> PublisherEffect? {
    effects.isEmpty ? nil : effects.removeFirst()
  }

  private mutating func emit(_ effect: PublisherEffect) { effects.append(effect) }

  private mutating func store() { emit(.store(state: state.encode())) }

  private mutating func store(_ funded: PublisherState.Funded) {
    state.stage = .funded(funded)
    store()
  }

  // MARK: What can be asked

  public var terms: ChannelTerms { state.terms }

  private var funded: PublisherState.Funded? {
    if case .funded(let funded) = state.stage { return funded }
    return nil
  }

  /// The channel's output, once the wallet has made it.
  public var funding: OutPoint? { funded?.funding.outPoint }
  /// The signed funding transaction.
  public var fundingTransaction: Transaction? { funded?.funding.transaction }
  /// The block that holds the funding; nil while none does.
  public var fundingHeight: UInt32? { funded?.coins.fundingHeight }
  /// How and where the coins left the channel.
  public var spend: ChannelSpend? { funded?.coins.spend }
  public var spendHeight: UInt32? { funded?.coins.spendHeight }
  /// The transaction in a block that spent what was to fund the channel, in wire byte order.
  public var conflict: Bytes32? {
    if case .conflicted(let txid, _)? = funded?.coins { return txid }
    return nil
  }

  /// The last payment that was signed.
  public var last: ChannelPayment? { funded?.last }
  /// What was signed so far, in total.
  public var paidSat: UInt64 { last?.amountSat ?? 0 }
  /// The provider's signatures over the close, once ``closeReceived(_:)`` took them.
  public var closeSignatures: CloseSignatures? { funded?.settlement.signatures }

  /// Whether the channel pays.
  public var isOpen: Bool {
    guard let funded, (try? funded.coins.checkUsable()) != nil else { return false }
    return funded.settlement == .open
  }

  // MARK: Funding

  /// The output that the wallet's funding transaction must have.
  public var fundingOutput: TransactionOutput {
    TransactionOutput(amountSat: terms.capacitySat, scriptPubKey: terms.lock.scriptPubKey)
  }

  /// The wallet has built and signed the funding, and has not relayed it. The effect is `store`;
  /// relaying is the caller's, for one transaction may fund several channels, and all of them have to
  /// be stored before.
  ///
  /// Throws `funding` when the output is missing, or when an input is not segwit: its id could be
  /// changed by others, and every signature of the channel names that id.
  public mutating func fundingBuilt(_ transaction: Transaction) throws(ChannelError) {
    let funding = try FundingDocument(transaction, terms)
    if let funded {
      if funded.funding == funding { return }
      throw ChannelError.wrongPhase("the channel is funded already")
    }
    store(
      PublisherState.Funded(
        funding: funding, closes: try ChannelCloses(terms, funding: funding.outPoint)))
  }

  /// A block of the best chain at `height` holds the funding.
  public mutating func fundingConfirmed(height: UInt32) {
    guard var funded, funded.coins.fundingSeen(height: height) else { return }
    store(funded)
  }

  /// A block of the best chain at `height` holds the transaction `txid` (wire byte order), which
  /// spends an input of the funding: there is no channel, unless a reorganisation follows.
  public mutating func fundingConflicted(by txid: Bytes32, height: UInt32) {
    guard var funded, funded.coins.conflictSeen(by: txid, height: height) else { return }
    store(funded)
    emit(.fundingConflicted(by: txid))
  }

  private mutating func broadcastFunding() {
    guard let funded, funded.coins == .unconfirmed else { return }
    emit(.broadcast(funded.funding.transaction))
  }

  // MARK: Paying

  /// Signs a payment of `amountSat` in total. The effects are `store` and `send`. An amount that was
  /// signed already is sent again as it was.
  ///
  /// Throws `wrongPhase`, `amountShrinks`, `aboveCapacity` or `belowLeastPayable`.
  public mutating func pay(amountSat: UInt64) throws(ChannelError) {
    var funded = try state.funded()
    try funded.coins.checkUsable()
    if amountSat < paidSat {
      throw ChannelError.amountShrinks(paidSat: paidSat, offeredSat: amountSat)
    }
    if amountSat == funded.last?.amountSat { return resend() }
    if funded.settlement != .open {
      throw ChannelError.wrongPhase("the provider has signed the close")
    }
    let payment = try ChannelPayment.sign(
      funded.closes, sequence: (funded.last?.sequence ?? 0) + 1, amountSat: amountSat,
      secret: secret)
    funded.last = payment
    store(funded)
    emit(.send(payment))
  }

  /// Sends the last payment again, after a broken connection.
  public mutating func resend() {
    if let last { emit(.send(last)) }
  }

  // MARK: Closing

  /// The provider's signatures over the close arrived. The effect is `store`; from then on the
  /// channel pays no more, and ``close(feeRateSatPerKvB:)`` sends the close. More rungs of the same
  /// amount are added to those held.
  ///
  /// Throws `wrongSignature`, `aboveCapacity`, `wrongPhase`, or `closeDiffers` where the amount is
  /// above what was paid, or not the one of the signatures held.
  public mutating func closeReceived(_ signatures: CloseSignatures) throws(ChannelError) {
    var funded = try state.funded()
    try funded.coins.checkUsable()
    let heldSat = funded.settlement.signatures?.amountSat
    if signatures.amountSat > paidSat || (heldSat != nil && heldSat != signatures.amountSat) {
      throw ChannelError.closeDiffers(
        expectedSat: heldSat ?? paidSat, offeredSat: signatures.amountSat)
    }
    try signatures.verify(funded.closes)
    switch funded.settlement {
    case .open: funded.settlement = .released(signatures)
    case .released(let held): funded.settlement = .released(held.adding(signatures))
    case .closing(let held, let rung):
      funded.settlement = .closing(held.adding(signatures), rung: rung)
    }
    if let before = self.funded?.settlement, before == funded.settlement { return }
    store(funded)
  }

  /// Signs the close that the provider has signed, at the lowest of its rungs that pays
  /// `feeRateSatPerKvB` or, where none does, the highest; never at a lower rung than an earlier
  /// close. The effects are `store` and `broadcast`. Calling it again is harmless.
  ///
  /// Throws `nothingToCollect` without the provider's signatures, `wrongPhase` when the coins are
  /// gone.
  @discardableResult
  public mutating func close(feeRateSatPerKvB: UInt64) throws(ChannelError) -> Transaction {
    var funded = try state.funded()
    try funded.coins.checkUsable()
    guard let held = funded.settlement.signatures,
      var rung = funded.closes.rung(
        paying: feeRateSatPerKvB, where: { !held.signatures[$0].isEmpty })
    else { throw ChannelError.nothingToCollect }
    if case .closing(_, let earlier) = funded.settlement { rung = max(rung, earlier) }
    let transaction = try closingTransaction(rung: rung)
    let settlement = PublisherState.Settlement.closing(held, rung: rung)
    if funded.settlement != settlement {
      funded.settlement = settlement
      store(funded)
    }
    emit(.broadcast(transaction))
    return transaction
  }

  /// The close with both signatures at a rung that the provider has signed. Throws `nothingToCollect`
  /// where it has not.
  public func closingTransaction(rung: Int) throws(ChannelError) -> Transaction {
    guard let funded, let held = funded.settlement.signatures,
      funded.closes.rungs.contains(rung), !held.signatures[rung].isEmpty
    else { throw ChannelError.nothingToCollect }
    let own = try funded.closes.sign(amountSat: held.amountSat, rung: rung, secret: secret)
    guard
      let close = funded.closes.signed(
        amountSat: held.amountSat, rung: rung, publisher: own, provider: held.signatures[rung])
    else { throw ChannelError.nothingToCollect }
    return close
  }

  private mutating func broadcastClose() {
    guard case .closing(_, let rung)? = funded?.settlement, spend == nil,
      let close = try? closingTransaction(rung: rung)
    else { return }
    emit(.broadcast(close))
  }

  // MARK: The chain

  /// The best chain ends at `height`. Call it for every new tip, and once after restoring.
  public mutating func tipChanged(height: UInt32) {
    guard let funded, case .confirmed = funded.coins, height >= terms.expiryHeight else { return }
    if !owesClose(funded) { return emit(.refundIsDue) }
    if case .closing = funded.settlement { return }
    emit(.closeIsDue)
  }

  /// Whether the refund is final in the next block, and the way to take. BIP65 and a transaction's own
  /// lock time both mean "above": a tip at the expiry height lets it into the block after.
  public func refundIsDue(atHeight height: UInt32) -> Bool {
    guard let funded, (try? funded.coins.checkUsable()) != nil else { return false }
    return height >= terms.expiryHeight && !owesClose(funded)
  }

  /// A close that both have signed and that pays the owner is what ends the channel, not the refund.
  private func owesClose(_ funded: PublisherState.Funded) -> Bool {
    (funded.settlement.signatures?.amountSat ?? 0) >= Amount.dustSat
  }

  /// Signs the refund to a script of the wallet and has it relayed. Calling it again, at a higher
  /// rate too, is harmless.
  ///
  /// Throws `refundTooEarly` below the expiry height, `refundIsDust`, or `wrongPhase`: not funded,
  /// spent, or closed by what both have signed.
  @discardableResult
  public mutating func refund(
    to script: [UInt8], feeRateSatPerKvB: UInt64, tipHeight: UInt32
  ) throws(ChannelError) -> Transaction {
    let funded = try state.funded()
    try funded.coins.checkUsable()
    if owesClose(funded) {
      throw ChannelError.wrongPhase("both have signed the close: it is sent, not the refund")
    }
    if tipHeight < terms.expiryHeight {
      throw ChannelError.refundTooEarly(expiryHeight: terms.expiryHeight)
    }
    let transaction = try RefundTransaction.build(
      terms, funding: funded.funding.outPoint, to: script, feeRateSatPerKvB: feeRateSatPerKvB,
      secret: secret)
    emit(.broadcast(transaction))
    return transaction
  }

  /// A block of the best chain at `height` holds `transaction`. Whatever does not spend the channel
  /// is ignored.
  public mutating func spendSeen(_ transaction: Transaction, height: UInt32) {
    guard var funded,
      let spend = ChannelSpend(transaction, of: funded.funding.outPoint, terms),
      funded.coins.spendSeen(spend, height: height)
    else { return }
    store(funded)
    emit(.closed(spend, height: height))
  }

  /// The blocks from `height` on are no longer in the best chain. What they held is forgotten, and
  /// a funding or a close that fell out is relayed again.
  public mutating func blocksDisconnected(fromHeight height: UInt32) {
    guard var funded else { return }
    let lost = funded.coins.disconnected(fromHeight: height)
    if !lost.any { return }
    store(funded)
    broadcastFunding()
    broadcastClose()
  }
}
