import Bitcoin
import Bytes
import Crypto

/// The provider's side of a payment channel, without I/O: checks the funding, receives payments,
/// closes before the expiry. Every method either throws and changes nothing, or leaves effects,
/// which the caller takes with ``nextEffect()`` and carries out in order.
///
/// The order is the guarantee: `store` precedes the acknowledgement or the close that relies on it,
/// so that a power failure cannot undo an acknowledged payment.
public struct ProviderChannel: Sendable {
  public let policy: ProviderPolicy
  private let secret: Bytes32
  private var state: ProviderState

  private var tipHeight: UInt32 = 0
  private var authenticatedHeight: UInt32 = 0
  /// `funded` was emitted, and the funding has not been lost since.
  private var saidFunded = false
  /// The height from which a close's waiting time counts; nil until the next tip.
  private var closeSince: UInt32?
  private var effects: [ProviderEffect] = []

  /// A new channel. `secret` is the key of `terms.providerKey`; it is never part of the state.
  ///
  /// Throws `terms`, `wrongSecret`, or a violation of the policy at `tipHeight`:
  /// `closeMarginTooShort` or `expiryTooNear`.
  public init(
    terms: ChannelTerms, secret: Bytes32, policy: ProviderPolicy, tipHeight: UInt32
  ) throws(ChannelError) {
    try terms.check()
    try checkSecret(secret, terms.providerKey)
    try policy.check(terms, tipHeight: tipHeight)
    self.policy = policy
    self.secret = secret
    self.tipHeight = tipHeight
    state = ProviderState(terms: terms, stage: .unfunded)
    store()
  }

  /// Restores a stored channel. If a close was made, it is broadcast again. A stored payment that
  /// may not have been acknowledged is acknowledged when the publisher sends it again.
  ///
  /// Throws `damagedState`, `unknownVersion` or `malformed` for bytes that ``encodedState()`` has
  /// not written, `wrongSecret` for another channel's key, `wrongSignature` for a payment that
  /// cannot be collected.
  public init(
    restoring stored: [UInt8], secret: Bytes32, policy: ProviderPolicy
  ) throws(ChannelError) {
    state = try ProviderState.decode(stored)
    try checkSecret(secret, state.terms.providerKey)
    self.policy = policy
    self.secret = secret
    broadcastClose()
  }

  /// The state to store on disk. Holds no secret.
  public func encodedState() -> [UInt8] { state.encode() }

  /// Takes the next effect, in order; nil when there is none.
  public mutating func nextEffect() -> ProviderEffect? {
    effects.isEmpty ? nil : effects.removeFirst()
  }

  private mutating func emit(_ effect: ProviderEffect) { effects.append(effect) }

  private mutating func store() { emit(.store(state: state.encode())) }

  private mutating func store(_ funded: ProviderState.Funded) {
    state.stage = .funded(funded)
    store()
  }

  // MARK: Queries

  public var terms: ChannelTerms { state.terms }

  private var funded: ProviderState.Funded? {
    if case .funded(let funded) = state.stage { return funded }
    return nil
  }

  /// The channel's output, once the publisher has sent its funding transaction.
  public var funding: OutPoint? { funded?.funding.outPoint }
  /// The received funding transaction, to be relayed while no block holds it.
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

  /// The payment with the highest amount, which a close collects.
  public var best: ChannelPayment? { funded?.received?.best }
  /// The publisher's total payments so far. They can be collected only while ``isConfirmed``.
  public var paidSat: UInt64 { best?.amountSat ?? 0 }
  /// Payments received since the channel was made, without duplicates.
  public var paymentCount: UInt64 { funded?.received?.count ?? 0 }

  /// Whether the channel takes payments.
  public var isOpen: Bool {
    guard let funded, (try? funded.coins.checkUsable()) != nil else { return false }
    return funded.settlement == .open
  }

  /// The rung of the last close that the provider made; nil before.
  public var closingRung: Int? {
    if case .closing(let rung)? = funded?.settlement { return rung }
    return nil
  }

  /// Whether the funding has the policy's depth below the authenticated height, and is unspent.
  public var isConfirmed: Bool {
    guard case .confirmed(let height)? = funded?.coins else { return false }
    return UInt64(authenticatedHeight) + 1 >= UInt64(height) + UInt64(max(policy.fundingDepth, 1))
  }

  /// Whether the ladder is too low for current fees; see
  /// ``ChannelTerms/needsHigherLadder(estimateSatPerKvB:)``.
  public func needsHigherLadder(estimateSatPerKvB: UInt64) -> Bool {
    terms.needsHigherLadder(estimateSatPerKvB: estimateSatPerKvB)
  }

  // MARK: Funding

  /// The publisher sent the raw funding, possibly before it is in a block. The effect is `store`;
  /// the caller relays the transaction and asks nodes for it.
  ///
  /// Throws `funding` if it cannot fund the channel, `wrongPhase` if another one was sent before,
  /// because signatures commit to the output.
  public mutating func fundingOffered(_ transaction: Transaction) throws(ChannelError) {
    let funding = try FundingDocument(transaction, terms)
    if let known = self.funding {
      if known == funding.outPoint { return }
      throw ChannelError.wrongPhase("the publisher sent another funding transaction before")
    }
    store(
      ProviderState.Funded(
        funding: funding, closes: try ChannelCloses(terms, funding: funding.outPoint)))
  }

  /// A block of the best chain at `height` holds the funding.
  ///
  /// Throws `funding` for another transaction, `wrongPhase` before ``fundingOffered(_:)``.
  public mutating func fundingConfirmed(
    _ transaction: Transaction, height: UInt32
  ) throws(ChannelError) {
    var funded = try state.funded()
    if transaction.txid != funded.funding.outPoint.txid {
      throw ChannelError.funding("not the funding transaction that the publisher sent")
    }
    if funded.coins.fundingSeen(height: height) { store(funded) }
    sayFunded()
  }

  /// A block of the best chain at `height` holds the transaction `txid` (wire byte order), which
  /// spends an input of the funding. All payments are lost, unless a reorganisation follows.
  public mutating func fundingConflicted(by txid: Bytes32, height: UInt32) {
    guard var funded, funded.coins.conflictSeen(by: txid, height: height) else { return }
    store(funded)
    emit(.fundingConflicted(by: txid))
  }

  private mutating func sayFunded() {
    if saidFunded || !isConfirmed { return }
    saidFunded = true
    if let height = fundingHeight { emit(.funded(height: height)) }
  }

  // MARK: Payments

  /// A payment arrived. The effects are `store` and `acknowledge`. A payment that is stored already
  /// is acknowledged again.
  ///
  /// Throws `wrongPhase`, `staleSequence`, `amountShrinks`, `aboveCapacity`, `belowLeastPayable` or
  /// `wrongSignature`; the stored payments stay as they are.
  public mutating func received(_ payment: ChannelPayment) throws(ChannelError) {
    var funded = try state.funded()
    let acknowledge = ProviderEffect.acknowledge(
      sequence: payment.sequence, amountSat: payment.amountSat)
    if payment == funded.received?.best { return emit(acknowledge) }
    try funded.coins.checkUsable()
    if funded.settlement != .open {
      throw ChannelError.wrongPhase("the channel is closed")
    }
    let last = funded.received?.best.sequence ?? 0
    if payment.sequence <= last {
      throw ChannelError.staleSequence(last: last, offered: payment.sequence)
    }
    let paidSat = funded.received?.best.amountSat ?? 0
    if payment.amountSat < paidSat {
      throw ChannelError.amountShrinks(paidSat: paidSat, offeredSat: payment.amountSat)
    }
    try payment.verify(funded.closes)
    let count = (funded.received?.count ?? 0) + 1
    funded.received = ProviderState.Received(best: payment, count: count)
    store(funded)
    emit(acknowledge)
  }

  // MARK: Closing

  /// Signs the closes of the total paid (may be 0) for the publisher to send: at the lowest rung
  /// that pays `feeRateSatPerKvB` and at every higher one. From then on the channel takes no
  /// payments. The effect is `store`; it must be carried out before the signatures are sent.
  /// Repeated calls are harmless.
  ///
  /// Throws `wrongPhase` before the funding was sent, and when the coins are spent.
  public mutating func signClose(feeRateSatPerKvB: UInt64) throws(ChannelError) -> CloseSignatures {
    var funded = try state.funded()
    try funded.coins.checkUsable()
    let lowest = funded.closes.rung(paying: feeRateSatPerKvB) ?? 0
    let amountSat = paidSat
    var signatures: [[UInt8]] = []
    for rung in funded.closes.rungs {
      signatures.append(
        rung < lowest
          ? [] : try funded.closes.sign(amountSat: amountSat, rung: rung, secret: secret))
    }
    if funded.settlement == .open {
      funded.settlement = .released
      store(funded)
    }
    return CloseSignatures(amountSat: amountSat, signatures: signatures)
  }

  /// Signs the close of the best payment, at the lowest rung that pays `feeRateSatPerKvB`, or at
  /// the highest if none does; never at a lower rung than an earlier close. The effects are `store`
  /// and `broadcast`. Repeated calls are harmless.
  ///
  /// Throws `nothingToCollect` without a payment, `wrongPhase` when the coins are spent.
  @discardableResult
  public mutating func close(feeRateSatPerKvB: UInt64) throws(ChannelError) -> Transaction {
    var funded = try state.funded()
    try funded.coins.checkUsable()
    let rung = max(funded.closes.rung(paying: feeRateSatPerKvB) ?? 0, closingRung ?? 0)
    let transaction = try closingTransaction(rung: rung)
    if funded.settlement != .closing(rung: rung) {
      funded.settlement = .closing(rung: rung)
      closeSince = tipHeight
      store(funded)
    }
    emit(.broadcast(transaction))
    return transaction
  }

  /// The signed close of the best payment at a rung of the ladder, as ``close(feeRateSatPerKvB:)``
  /// makes it. Throws `nothingToCollect` without a payment.
  public func closingTransaction(rung: Int) throws(ChannelError) -> Transaction {
    guard let funded, let best = funded.received?.best else { throw ChannelError.nothingToCollect }
    guard funded.closes.rungs.contains(rung) else { throw ChannelError.wrongSignature(rung: rung) }
    let own = try funded.closes.sign(amountSat: best.amountSat, rung: rung, secret: secret)
    guard
      let close = funded.closes.signed(
        amountSat: best.amountSat, rung: rung, publisher: best.signatures[rung], provider: own)
    else { throw ChannelError.wrongSignature(rung: rung) }
    return close
  }

  /// Broadcasts the close if one was made and the coins are still in the channel.
  private mutating func broadcastClose() {
    guard let rung = closingRung, spend == nil,
      let close = try? closingTransaction(rung: rung)
    else { return }
    emit(.broadcast(close))
  }

  // MARK: The chain

  /// The best chain ends at `height`; blocks up to `authenticatedHeight` are authenticated. Call it
  /// for every new tip, and once after restoring.
  public mutating func tipChanged(height: UInt32, authenticatedHeight: UInt32) {
    tipHeight = height
    self.authenticatedHeight = min(authenticatedHeight, height)
    if saidFunded && !isConfirmed && spend == nil {
      saidFunded = false
      emit(.fundingLost)
    }
    sayFunded()
    guard let funded, (try? funded.coins.checkUsable()) != nil else { return }
    if case .closing(let rung) = funded.settlement {
      climb(funded.closes, from: rung)
    } else if height >= terms.closeHeight {
      emit(.closeIsDue)
    }
  }

  /// Moves an unconfirmed close up the ladder: to the lowest rung of at least twice its rate (a
  /// replacement must also pay for its own relay), or else to the highest.
  private mutating func climb(_ closes: ChannelCloses, from rung: Int) {
    let since = closeSince ?? tipHeight
    closeSince = since
    let isWaiting = UInt64(tipHeight) < UInt64(since) + UInt64(policy.climbAfterBlocks)
    if isWaiting || rung + 1 >= closes.rungs.count { return }
    let rateSatPerKvB = UInt64(closes.terms.feeLadderSatPerKvB[rung])
    _ = try? close(feeRateSatPerKvB: 2 * rateSatPerKvB)
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

  /// The blocks from `height` on left the best chain, and their effects are undone: a close is
  /// broadcast again, a funding must confirm again.
  public mutating func blocksDisconnected(fromHeight height: UInt32) {
    guard var funded else { return }
    let lost = funded.coins.disconnected(fromHeight: height)
    if !lost.any { return }
    store(funded)
    if lost.funding && saidFunded {
      saidFunded = false
      emit(.fundingLost)
    }
    broadcastClose()
  }
}

/// Throws `wrongSecret` unless `secret` is the key of `publicKey`.
func checkSecret(_ secret: Bytes32, _ publicKey: [UInt8]) throws(ChannelError) {
  var derived: [UInt8] = []
  do { derived = try Secp256k1.publicKey(of: secret) } catch { throw ChannelError.wrongSecret }
  if derived != publicKey { throw ChannelError.wrongSecret }
}
