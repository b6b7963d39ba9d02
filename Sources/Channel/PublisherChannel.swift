import Bitcoin
import Bytes
import Crypto

/// What the publisher's channel asks its caller to do, in the order given.
public enum PublisherEffect: Equatable, Sendable {
  /// Write `state` durably, replacing what was stored, then call `stored(revision:)`.
  case store(revision: UInt64, state: [UInt8])
  /// The payment is stored: send it.
  case send(ChannelPayment)
  /// Relay this funding or refund, and again until it confirms.
  case broadcast(Transaction)
  /// The channel has expired unclosed: call `refund(feeRateSatPerVb:)`.
  case refundIsDue
  /// The coins left the channel in a block.
  case closed(ChannelSpend, height: UInt32)
}

/// The publisher's side of a payment channel, without I/O: funds, pays, watches for the close,
/// takes the refund. A payment leaves only after the state that remembers it was stored, so that
/// after a power cut no smaller amount is ever signed under the same or a later number.
public struct PublisherChannel: Sendable {
  public let terms: ChannelTerms
  let secret: Bytes32

  /// The signed funding transaction, kept to be relayed again until it confirms.
  public internal(set) var fundingTransaction: Transaction?
  var watch = FundingWatch()
  /// The last payment that was signed.
  public internal(set) var last: ChannelPayment?

  var revision: UInt64 = 0
  var storedRevision: UInt64 = 0
  /// What waits for a revision to be stored.
  var waiting: [(revision: UInt64, effect: PublisherEffect)] = []
  private var effects: [PublisherEffect] = []

  /// A new channel. `secret` is the key of `terms.publisherKey`; it is never part of the state.
  public init(terms: ChannelTerms, secret: Bytes32) throws(ChannelError) {
    try terms.check()
    try checkSecret(secret, terms.publisherKey)
    self.terms = terms
    self.secret = secret
    store()
  }

  init(restored terms: ChannelTerms, secret: Bytes32) {
    self.terms = terms
    self.secret = secret
  }

  /// Takes the next effect, in order; nil when there is none.
  public mutating func nextEffect() -> PublisherEffect? {
    effects.isEmpty ? nil : effects.removeFirst()
  }

  mutating func emit(_ effect: PublisherEffect) { effects.append(effect) }

  private mutating func store() {
    revision += 1
    emit(.store(revision: revision, state: encodedState()))
  }

  private mutating func store(then effect: PublisherEffect) {
    store()
    waiting.append((revision, effect))
  }

  /// The state of `revision`, and so of all before it, is on disk.
  public mutating func stored(revision: UInt64) {
    storedRevision = max(storedRevision, min(revision, self.revision))
    while let first = waiting.first, first.revision <= storedRevision {
      emit(first.effect)
      waiting.removeFirst()
    }
  }

  // MARK: What can be asked

  /// The channel's output, once the wallet has made it.
  public var funding: OutPoint? { watch.outPoint }
  /// The block that holds the funding; nil while none does.
  public var fundingHeight: UInt32? { watch.height }
  /// How and where the coins left the channel.
  public var spend: ChannelSpend? { watch.spend }
  public var spendHeight: UInt32? { watch.spendHeight }

  // MARK: Funding

  /// The output that the wallet's funding transaction must have.
  public var fundingOutput: TransactionOutput {
    TransactionOutput(
      amountSat: terms.capacitySat, scriptPubKey: ChannelScript.scriptPubKey(terms))
  }

  /// The wallet has built and signed the funding, and has not relayed it. The effects are `store`
  /// and, after it was stored, `broadcast`.
  ///
  /// Throws `funding` when the output is missing, or when an input is not segwit: its id could be
  /// changed by others, and every signature of the channel names that id.
  public mutating func fundingBuilt(_ transaction: Transaction) throws(ChannelError) {
    if let fundingTransaction {
      if fundingTransaction == transaction { return }
      throw ChannelError.wrongPhase("the channel is funded already")
    }
    for input in transaction.inputs where !input.scriptSig.isEmpty || input.witness.isEmpty {
      throw ChannelError.funding("every input has to be a native segwit input")
    }
    let wanted = fundingOutput
    guard let index = transaction.outputs.firstIndex(of: wanted) else {
      throw ChannelError.funding("no output has the channel's amount and script")
    }
    fundingTransaction = transaction
    watch.outPoint = OutPoint(txid: transaction.txid, index: UInt32(index))
    store(then: .broadcast(transaction))
  }

  /// A block of the best chain at `height` holds the funding.
  public mutating func fundingConfirmed(height: UInt32) {
    if funding == nil || fundingHeight == height { return }
    watch.height = height
    store()
  }

  // MARK: Paying

  /// What was signed so far, in total.
  public var paidSat: UInt64 { last?.amountSat ?? 0 }

  /// Signs a payment of `amountSat` in total. The effects are `store` and, after it was stored,
  /// `send`. An amount that was signed already is sent again as it was.
  ///
  /// Throws `wrongPhase`, `amountShrinks`, `aboveCapacity` or `belowLeastPayable`.
  public mutating func pay(amountSat: UInt64) throws(ChannelError) {
    guard let funding else { throw ChannelError.wrongPhase("the channel is not funded") }
    if spend != nil { throw ChannelError.wrongPhase("the channel is spent") }
    if amountSat < paidSat {
      throw ChannelError.amountShrinks(paidSat: paidSat, offeredSat: amountSat)
    }
    if amountSat == paidSat && last != nil {
      resend()
      return
    }
    let payment = try ChannelPayment.sign(
      terms, funding: funding, sequence: (last?.sequence ?? 0) + 1, amountSat: amountSat,
      secret: secret)
    last = payment
    store(then: .send(payment))
  }

  /// Sends the last payment again, after a broken connection, unless it is about to be sent.
  public mutating func resend() {
    guard let last else { return }
    for entry in waiting where entry.effect == .send(last) { return }
    emit(.send(last))
  }

  // MARK: The chain

  /// The best chain ends at `height`. Call it for every new tip, and once after restoring.
  public mutating func tipChanged(height: UInt32) {
    if spend == nil && fundingHeight != nil && refundIsDue(atHeight: height) { emit(.refundIsDue) }
  }

  /// Whether the refund is final in the next block. BIP65 and a transaction's own lock time both
  /// mean "above": a tip at the expiry height lets it into the block after.
  public func refundIsDue(atHeight height: UInt32) -> Bool {
    spend == nil && funding != nil && height >= terms.expiryHeight
  }

  /// Signs the refund and has it relayed. Calling it again, at a higher rate too, is harmless.
  ///
  /// Throws `refundTooEarly` below the expiry height, `refundIsDust`, or `wrongPhase`.
  @discardableResult
  public mutating func refund(
    feeRateSatPerVb: UInt64, tipHeight: UInt32
  ) throws(ChannelError) -> Transaction {
    guard let funding else { throw ChannelError.wrongPhase("the channel is not funded") }
    if spend != nil { throw ChannelError.wrongPhase("the channel is spent") }
    if !refundIsDue(atHeight: tipHeight) {
      throw ChannelError.refundTooEarly(expiryHeight: terms.expiryHeight)
    }
    let transaction = try RefundTransaction.build(
      terms, funding: funding, feeRateSatPerVb: feeRateSatPerVb, secret: secret)
    emit(.broadcast(transaction))
    return transaction
  }

  /// A block of the best chain at `height` holds `transaction`. Whatever does not spend the channel
  /// is ignored.
  public mutating func spendSeen(_ transaction: Transaction, height: UInt32) {
    guard let seen = watch.saw(transaction, height: height, terms) else { return }
    store()
    emit(.closed(seen, height: height))
  }

  /// The blocks from `height` on are no longer in the best chain. What they held is forgotten, and
  /// a funding that fell out is relayed again.
  public mutating func blocksDisconnected(fromHeight height: UInt32) {
    let lost = watch.disconnected(fromHeight: height)
    if lost.funding, let fundingTransaction { emit(.broadcast(fundingTransaction)) }
    if lost.funding || lost.spend { store() }
  }
}
