import Bitcoin
import Bytes
import Crypto

/// The provider's side of a payment channel, without I/O: checks the funding, receives payments,
/// closes in time. Every method either throws and changes nothing, or leaves effects, to be taken
/// with ``nextEffect()`` and carried out in their order.
///
/// The order is the guarantee: `store` stands before the acknowledgement or the close that relies on
/// it, so the publisher never believes in a payment that a power cut can undo.
public struct ProviderChannel: Sendable {
  public let policy: ProviderPolicy
  private let secret: Bytes32
  private var state: ProviderState

  private var tipHeight: UInt32 = 0
  private var authenticatedHeight: UInt32 = 0
  /// `funded` was given, and the funding has not been lost since.
  private var saidFunded = false
  /// From where the blocks are counted that a close waits for; nil until the next tip.
  private var closeSince: UInt32?
  private var effects: [ProviderEffect] = []

  /// A new channel. `secret` is the key of `terms.providerKey`; it is never part of the state.
  ///
  /// Throws `terms`, `wrongSecret`, and what the policy objects to, seen from `tipHeight`:
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

  /// A channel as it was stored. Its close, if one was made, is broadcast again; a payment that was
  /// stored and perhaps not acknowledged is acknowledged when the publisher sends it again.
  ///
  /// Throws `damagedState`, `unknownVersion` or `malformed` for bytes that this class has not
  /// written, `wrongSecret` for another channel's key, `wrongSignature` for a payment that cannot be
  /// collected.
  public init(
    restoring stored: [UInt8], secret: Bytes32, policy: ProviderPolicy
  ) throws(ChannelError) {
    state = try ProviderState.decode(stored)
    try checkSecret(secret, state.terms.providerKey)
    self.policy = policy
    self.secret = secret
    broadcastClose()
  }

  /// The state as it has to be on disk. Holds no secret.
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

  // MARK: What can be asked

  public var terms: ChannelTerms { state.terms }

  private var funded: ProviderState.Funded? {
    if case .funded(let funded) = state.stage { return funded }
    return nil
  }

  /// The channel's output, once the publisher has handed over its transaction.
  public var funding: OutPoint? { funded?.funding.outPoint }
  /// The funding as it was handed over, to be relayed while no block holds it.
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

  /// The payment of the highest amount: what a close collects.
  public var best: ChannelPayment? { funded?.received?.best }
  /// What the publisher has paid so far, in total. It counts as far as ``isConfirmed``.
  public var paidSat: UInt64 { best?.amountSat ?? 0 }
  /// Payments received since the channel was made, duplicates not counted.
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

  /// Whether the funding is as deep as the policy asks, below the authenticated height, and unspent.
  public var isConfirmed: Bool {
    guard case .confirmed(let height)? = funded?.coins else { return false }
    return UInt64(authenticatedHeight) + 1 >= UInt64(height) + UInt64(max(policy.fundingDepth, 1))
  }

  /// Whether the ladder is too low for the fees of the day; see
  /// ``ChannelTerms/needsHigherLadder(estimateSatPerKvB:)``.
  public func needsHigherLadder(estimateSatPerKvB: UInt64) -> Bool {
    terms.needsHigherLadder(estimateSatPerKvB: estimateSatPerKvB)
  }

  // MARK: Funding

  /// The publisher handed over the raw funding, perhaps before it is in a block. The effect is
  /// `store`; relaying the transaction and asking nodes for it is the caller's.
  ///
  /// Throws `funding` where it cannot fund the channel, `wrongPhase` when another one was handed
  /// over before: signatures name the output.
  public mutating func fundingOffered(_ transaction: Transaction) throws(ChannelError) {
    let funding = try FundingDocument(transaction, terms)
    if let known = self.funding {
      if known == funding.outPoint { return }
      throw ChannelError.wrongPhase("the publisher handed over another funding before")
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
      throw ChannelError.funding("this is not the transaction that the publisher handed over")
    }
    if funded.coins.fundingSeen(height: height) { store(funded) }
    sayFunded()
  }

  /// A block of the best chain at `height` holds the transaction `txid` (wire byte order), which
  /// spends an input of the funding. What was paid is lost, unless a reorganisation follows.
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

  /// A payment arrived. The effects are `store` and `acknowledge`. A payment that is held already is
  /// acknowledged again.
  ///
  /// Throws `wrongPhase`, `staleSequence`, `amountShrinks`, `aboveCapacity`, `belowLeastPayable`
  /// or `wrongSignature`; the payments held before stay as they are.
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

  /// Signs the closes of all that was paid, 0 where nothing was, for the publisher to send: at the
  /// lowest rung that pays `feeRateSatPerKvB` and at every higher one. From then on the channel takes
  /// no payments. The effect is `store`; it stands before whatever carries the signatures. Calling it
  /// again is harmless.
  ///
  /// Throws `wrongPhase` before the funding was handed over, and when the coins are gone.
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

  /// Signs the close of the best payment, at the lowest rung that pays `feeRateSatPerKvB` or, where
  /// none does, the highest there is; never at a lower rung than an earlier close. The effects are
  /// `store` and `broadcast`. Calling it again is harmless.
  ///
  /// Throws `nothingToCollect` without a payment, `wrongPhase` when the coins are gone.
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

  /// The close that was made, where the coins have not left the channel.
  private mutating func broadcastClose() {
    guard let rung = closingRung, spend == nil,
      let close = try? closingTransaction(rung: rung)
    else { return }
    emit(.broadcast(close))
  }

  // MARK: The chain

  /// The best chain ends at `height`; blocks up to `authenticatedHeight` are the signers'. Call it
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

  /// A close that no block takes follows the fees upwards: to the lowest rung of at least twice its
  /// rate, for a replacement has to pay for its own relay too, or else to the highest.
  private mutating func climb(_ closes: ChannelCloses, from rung: Int) {
    let since = closeSince ?? tipHeight
    closeSince = since
    let isWaiting = UInt64(tipHeight) < UInt64(since) + UInt64(policy.climbAfterBlocks)
    if isWaiting || rung + 1 >= closes.rungs.count { return }
    let rateSatPerKvB = UInt64(closes.terms.feeLadderSatPerKvB[rung])
    _ = try? close(feeRateSatPerKvB: 2 * rateSatPerKvB)
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

  /// The blocks from `height` on are no longer in the best chain. What they held is forgotten: a
  /// close is broadcast again, a funding is waited for again.
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
