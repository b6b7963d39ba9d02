import Bitcoin
import Bytes
import Crypto

/// The provider's side of a payment channel, without I/O: checks the funding, receives payments,
/// closes in time. Every method either throws and changes nothing, or leaves effects, to be taken
/// with ``nextEffect()`` and carried out in their order.
///
/// A payment counts only when its state was stored: the acknowledgement is given after
/// ``stored(revision:)``, so the publisher never believes in a payment that a power cut can undo.
public struct ProviderChannel: Sendable {
  public let terms: ChannelTerms
  public let policy: ProviderPolicy
  let secret: Bytes32

  var watch = FundingWatch()
  /// The payment of the highest amount: what a close collects.
  public internal(set) var best: ChannelPayment?
  /// The rung of the last close that was made; nil while the channel takes payments.
  public internal(set) var closingRung: Int?
  /// Payments received since the channel was made, duplicates not counted.
  public internal(set) var paymentCount: UInt64 = 0

  var revision: UInt64 = 0
  var storedRevision: UInt64 = 0
  /// The acknowledgement that waits for a revision to be stored.
  var waiting: (revision: UInt64, sequence: UInt64, amountSat: UInt64)?
  var tipHeight: UInt32 = 0
  var authenticatedHeight: UInt32 = 0
  var toldFunded = false
  var closedAtHeight: UInt32 = 0
  private var effects: [ProviderEffect] = []

  /// A new channel. `secret` is the key of `terms.providerKey`; it is never part of the state.
  ///
  /// Throws `terms`, `wrongSecret`, or `expiryTooNear` seen from `tipHeight`.
  public init(
    terms: ChannelTerms, secret: Bytes32, policy: ProviderPolicy, tipHeight: UInt32
  ) throws(ChannelError) {
    try terms.check()
    try checkSecret(secret, terms.providerKey)
    let left = terms.expiryHeight > tipHeight ? terms.expiryHeight - tipHeight : 0
    if left < policy.leastLifetimeBlocks || left <= policy.closeMarginBlocks {
      throw ChannelError.expiryTooNear(
        least: max(policy.leastLifetimeBlocks, policy.closeMarginBlocks + 1), actual: left)
    }
    self.terms = terms
    self.policy = policy
    self.secret = secret
    self.tipHeight = tipHeight
    store()
  }

  /// For `init(restoring:)`: a channel as it was stored, with nothing left to do.
  init(restored terms: ChannelTerms, secret: Bytes32, policy: ProviderPolicy) {
    self.terms = terms
    self.policy = policy
    self.secret = secret
  }

  /// Takes the next effect, in order; nil when there is none.
  public mutating func nextEffect() -> ProviderEffect? {
    effects.isEmpty ? nil : effects.removeFirst()
  }

  mutating func emit(_ effect: ProviderEffect) { effects.append(effect) }

  mutating func store() {
    revision += 1
    emit(.store(revision: revision, state: encodedState()))
  }

  // MARK: What can be asked

  /// The channel's output, once the publisher has named it.
  public var funding: OutPoint? { watch.outPoint }
  /// The block that holds the funding; nil while none does.
  public var fundingHeight: UInt32? { watch.height }
  /// How and where the coins left the channel.
  public var spend: ChannelSpend? { watch.spend }
  public var spendHeight: UInt32? { watch.spendHeight }

  /// What the publisher has paid so far, in total.
  public var paidSat: UInt64 { best?.amountSat ?? 0 }

  /// Whether the funding is deep enough, below the authenticated height, and unspent.
  public var isFunded: Bool {
    guard let height = fundingHeight, spend == nil else { return false }
    return UInt64(authenticatedHeight) + 1 >= UInt64(height) + UInt64(max(policy.fundingDepth, 1))
  }

  /// Whether the channel has to be closed at this height: the margin before the expiry is reached.
  public func closeIsDue(atHeight height: UInt32) -> Bool {
    spend == nil && best != nil
      && UInt64(height) + UInt64(policy.closeMarginBlocks) >= UInt64(terms.expiryHeight)
  }

  // MARK: Funding

  /// The publisher named the funding output, perhaps before it is in a block.
  ///
  /// Throws `wrongPhase` when another output was named before: signatures name the output.
  public mutating func fundingAnnounced(_ outPoint: OutPoint) throws(ChannelError) {
    if let known = funding {
      if known == outPoint { return }
      throw ChannelError.wrongPhase("the publisher named another funding output before")
    }
    watch.outPoint = outPoint
    store()
  }

  /// A block of the best chain at `height` holds `transaction`, which has the id that was named.
  ///
  /// Throws `funding` for a wrong amount or script: then the channel must not be used.
  public mutating func fundingConfirmed(
    _ transaction: Transaction, height: UInt32
  ) throws(ChannelError) {
    guard let funding else {
      throw ChannelError.wrongPhase("the publisher has not named a funding output")
    }
    if transaction.txid != funding.txid {
      throw ChannelError.funding("this is not the transaction that the publisher named")
    }
    if transaction.isCoinbase { throw ChannelError.funding("a coinbase cannot fund a channel") }
    if UInt64(funding.index) >= UInt64(transaction.outputs.count) {
      throw ChannelError.funding("the transaction has no such output")
    }
    let output = transaction.outputs[Int(funding.index)]
    if output.amountSat != terms.capacitySat {
      throw ChannelError.funding("the amount differs from the contract's")
    }
    if output.scriptPubKey != ChannelScript.scriptPubKey(terms) {
      throw ChannelError.funding("the script differs from the contract's")
    }
    if fundingHeight != height {
      watch.height = height
      store()
    }
    tellFunded()
  }

  private mutating func tellFunded() {
    if toldFunded || !isFunded { return }
    toldFunded = true
    if let height = fundingHeight { emit(.funded(height: height)) }
  }

  // MARK: Payments

  /// A payment arrived. The effects are `store`, and `acknowledge` after it was stored. A payment
  /// that is held already is acknowledged again.
  ///
  /// Throws `wrongPhase`, `staleSequence`, `amountShrinks`, `aboveCapacity`, `belowLeastPayable`
  /// or `wrongSignature`; the payments held before stay as they are.
  public mutating func received(_ payment: ChannelPayment) throws(ChannelError) {
    guard let funding else {
      throw ChannelError.wrongPhase("the publisher has not named a funding output")
    }
    if let best, payment == best {
      if let waiting, waiting.sequence == best.sequence { return }
      emit(.acknowledge(sequence: best.sequence, amountSat: best.amountSat))
      return
    }
    if closingRung != nil || spend != nil {
      throw ChannelError.wrongPhase("the channel is closed")
    }
    let last = best?.sequence ?? 0
    if payment.sequence <= last {
      throw ChannelError.staleSequence(last: last, offered: payment.sequence)
    }
    if payment.amountSat < paidSat {
      throw ChannelError.amountShrinks(paidSat: paidSat, offeredSat: payment.amountSat)
    }
    try payment.verify(terms, funding: funding)
    best = payment
    paymentCount += 1
    store()
    waiting = (revision, payment.sequence, payment.amountSat)
  }

  /// The state of `revision`, and so of all before it, is on disk.
  public mutating func stored(revision: UInt64) {
    storedRevision = max(storedRevision, min(revision, self.revision))
    guard let waiting, waiting.revision <= storedRevision else { return }
    self.waiting = nil
    emit(.acknowledge(sequence: waiting.sequence, amountSat: waiting.amountSat))
  }

  // MARK: Closing

  /// Signs the close of the best payment, at the lowest rung that pays `feeRateSatPerVb` or, where
  /// none does, the highest there is; never at a lower rung than an earlier close. The effects are
  /// `store` and `broadcast`. Calling it again is harmless.
  ///
  /// Throws `nothingToCollect` without a payment, `wrongPhase` when the coins are gone.
  @discardableResult
  public mutating func close(feeRateSatPerVb: UInt64) throws(ChannelError) -> Transaction {
    if spend != nil { throw ChannelError.wrongPhase("the channel is spent") }
    guard let best else { throw ChannelError.nothingToCollect }
    var chosen = 0
    for rung in best.signatures.indices where !best.signatures[rung].isEmpty {
      chosen = rung
      if UInt64(terms.feeLadderSatPerVb[rung]) >= feeRateSatPerVb { break }
    }
    chosen = max(chosen, closingRung ?? 0)
    let transaction = try closingTransaction(rung: chosen)
    if closingRung != chosen {
      closingRung = chosen
      closedAtHeight = tipHeight
      store()
    }
    emit(.broadcast(transaction))
    return transaction
  }

  /// The signed close of the best payment at a rung.
  public func closingTransaction(rung: Int) throws(ChannelError) -> Transaction {
    guard let best, let funding else { throw ChannelError.nothingToCollect }
    guard
      let close = ClosingTransaction.build(
        terms, funding: funding, amountSat: best.amountSat, rung: rung)
    else { throw ChannelError.wrongSignature(rung: rung) }
    let digest = ClosingTransaction.digest(terms, close)
    let signature: [UInt8]
    do { signature = try Secp256k1.signEcdsa(digest: digest, secret: secret) } catch {
      throw ChannelError.wrongSecret
    }
    return ClosingTransaction.signed(
      close, terms, publisher: best.signatures[rung], provider: signature)
  }

  // MARK: The chain

  /// The best chain ends at `height`; blocks up to `authenticatedHeight` are the signers'. Call it
  /// for every new tip, and once after restoring.
  public mutating func tipChanged(height: UInt32, authenticatedHeight: UInt32) {
    tipHeight = height
    self.authenticatedHeight = min(authenticatedHeight, height)
    if toldFunded && !isFunded && spend == nil {
      toldFunded = false
      emit(.fundingLost)
    }
    tellFunded()
    if spend != nil { return }
    if let rung = closingRung {
      climb(from: rung)
    } else if closeIsDue(atHeight: height) {
      emit(.closeIsDue)
    }
  }

  /// A close that no block takes follows the fees upwards.
  private mutating func climb(from rung: Int) {
    // A restored channel does not know when it was closed: it waits from the first tip that it sees.
    if closedAtHeight == 0 { closedAtHeight = tipHeight }
    guard let best, UInt64(tipHeight) >= UInt64(closedAtHeight) + UInt64(policy.climbAfterBlocks)
    else { return }
    let next = rung + 1
    if next < best.signatures.count && !best.signatures[next].isEmpty {
      _ = try? close(feeRateSatPerVb: UInt64(terms.feeLadderSatPerVb[next]))
    }
  }

  /// A block of the best chain at `height` holds `transaction`. Whatever does not spend the channel
  /// is ignored.
  public mutating func spendSeen(_ transaction: Transaction, height: UInt32) {
    guard let seen = watch.saw(transaction, height: height, terms) else { return }
    store()
    emit(.closed(seen, height: height))
  }

  /// The blocks from `height` on are no longer in the best chain. What they held is forgotten: a
  /// close is broadcast again, a funding is waited for again.
  public mutating func blocksDisconnected(fromHeight height: UInt32) {
    let lost = watch.disconnected(fromHeight: height)
    if !lost.funding && !lost.spend { return }
    if lost.funding && toldFunded {
      toldFunded = false
      emit(.fundingLost)
    }
    store()
    if spend == nil, let rung = closingRung, let close = try? closingTransaction(rung: rung) {
      emit(.broadcast(close))
    }
  }
}

/// Throws `wrongSecret` unless `secret` is the key of `publicKey`.
func checkSecret(_ secret: Bytes32, _ publicKey: [UInt8]) throws(ChannelError) {
  var derived: [UInt8] = []
  do { derived = try Secp256k1.publicKey(of: secret) } catch { throw ChannelError.wrongSecret }
  if derived != publicKey { throw ChannelError.wrongSecret }
}
