import Bitcoin
import Bytes
import Crypto

/// The publisher's side of a payment channel, without I/O: funds, pays, watches for the close or
/// sends it, takes the refund. Every method either throws and changes nothing, or leaves effects,
/// which the caller takes with ``nextEffect()`` and carries out in order.
///
/// The order is the guarantee: `store` precedes the payment that relies on it, so that after a
/// power failure no smaller amount is signed under the same or a later number.
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

  /// Restores a stored channel. An unconfirmed funding and a close that was made are broadcast
  /// again, and the last payment is sent again: repeats are harmless.
  ///
  /// Throws `damagedState`, `unknownVersion` or `malformed` for bytes that ``encodedState()`` has
  /// not written, `wrongSecret` for another channel's key, `wrongSignature` for an invalid
  /// signature.
  public init(restoring stored: [UInt8], secret: Bytes32) throws(ChannelError) {
    state = try PublisherState.decode(stored)
    try checkSecret(secret, state.terms.publisherKey)
    self.secret = secret
    broadcastFunding()
    broadcastClose()
    if spend == nil { resend() }
  }

  /// The state to store on disk. Holds no secret.
  public func encodedState() -> [UInt8] { state.encode() }

  /// The last payment in a stored state, nil before the first: for listing channels without the
  /// secret. Throws the same errors as ``init(restoring:secret:)``.
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

  // MARK: Queries

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
  /// The transaction in a block that spent an input of the funding, in wire byte order.
  public var conflict: Bytes32? {
    if case .conflicted(let txid, _)? = funded?.coins { return txid }
    return nil
  }

  /// The last payment that was signed.
  public var last: ChannelPayment? { funded?.last }
  /// The total amount signed so far.
  public var paidSat: UInt64 { last?.amountSat ?? 0 }
  /// The provider's signatures over the close, once ``closeReceived(_:)`` accepted them.
  public var closeSignatures: CloseSignatures? { funded?.settlement.signatures }

  /// Whether the channel can pay.
  public var isOpen: Bool {
    guard let funded, (try? funded.coins.checkUsable()) != nil else { return false }
    return funded.settlement == .open
  }

  // MARK: Funding

  /// The output that the wallet's funding transaction must have.
  public var fundingOutput: TransactionOutput {
    TransactionOutput(amountSat: terms.capacitySat, scriptPubKey: terms.lock.scriptPubKey)
  }

  /// The wallet has built and signed the funding, and not relayed it yet. The effect is `store`.
  /// The caller relays it afterwards: one transaction may fund several channels, and all of them
  /// must be stored first.
  ///
  /// Throws `funding` if the output is missing, or if an input is not segwit: third parties could
  /// change the transaction id, to which every signature of the channel commits.
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
  /// spends an input of the funding: the channel does not exist, unless a reorganisation follows.
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

  /// Signs a payment of `amountSat` in total. The effects are `store` and `send`. A payment of an
  /// amount that was signed already is sent again unchanged.
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

  /// Sends the last payment again, after a connection was lost.
  public mutating func resend() {
    if let last { emit(.send(last)) }
  }

  // MARK: Closing

  /// The provider's signatures over the close arrived. The effect is `store`; from then on the
  /// channel pays no more, and ``close(feeRateSatPerKvB:)`` sends the close. Signatures for more
  /// rungs of the same amount are added.
  ///
  /// Throws `wrongSignature`, `aboveCapacity`, `wrongPhase`, or `closeDiffers` if the amount is
  /// above what was paid, or differs from that of earlier signatures.
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
  /// `feeRateSatPerKvB`, or at the highest if none does; never at a lower rung than an earlier
  /// close. The effects are `store` and `broadcast`. Repeated calls are harmless.
  ///
  /// Throws `nothingToCollect` without the provider's signatures, `wrongPhase` when the coins are
  /// spent.
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

  /// The close with both signatures at a rung that the provider has signed. Throws
  /// `nothingToCollect` for other rungs.
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

  /// Whether the refund can be in the next block and is the right way to end the channel. BIP65 and
  /// a transaction's own lock time both allow blocks above the expiry height: once the tip has that
  /// height, the next block may hold the refund.
  public func refundIsDue(atHeight height: UInt32) -> Bool {
    guard let funded, (try? funded.coins.checkUsable()) != nil else { return false }
    return height >= terms.expiryHeight && !owesClose(funded)
  }

  /// A close signed by both that pays the owner must be sent instead of the refund.
  private func owesClose(_ funded: PublisherState.Funded) -> Bool {
    (funded.settlement.signatures?.amountSat ?? 0) >= Amount.dustSat
  }

  /// Signs the refund to a script of the wallet and relays it. Repeated calls, also with a higher
  /// fee rate, are harmless.
  ///
  /// Throws `refundTooEarly` below the expiry height, `refundIsDust`, or `wrongPhase` if the
  /// channel is not funded, is spent, or has a close signed by both.
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

  /// A block of the best chain at `height` holds `transaction`. Ignored unless it spends the
  /// channel.
  public mutating func spendSeen(_ transaction: Transaction, height: UInt32) {
    guard var funded,
      let spend = ChannelSpend(transaction, of: funded.funding.outPoint, terms),
      funded.coins.spendSeen(spend, height: height)
    else { return }
    store(funded)
    emit(.closed(spend, height: height))
  }

  /// The blocks from `height` on left the best chain, and their effects are undone: a funding or a
  /// close in them is relayed again.
  public mutating func blocksDisconnected(fromHeight height: UInt32) {
    guard var funded else { return }
    let lost = funded.coins.disconnected(fromHeight: height)
    if !lost.any { return }
    store(funded)
    broadcastFunding()
    broadcastClose()
  }
}
