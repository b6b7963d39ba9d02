import Bitcoin
import Bytes
import Channel
import Crypto
import Testing

struct ProviderChannelTests {
  private func funded(_ fixture: Fixture) throws -> ProviderChannel {
    var provider = try fixture.provider()
    try provider.fundingAnnounced(fixture.funding)
    try provider.fundingConfirmed(fixture.fundingTransaction, height: 101)
    provider.tipChanged(height: 101, authenticatedHeight: 101)
    _ = provider.settle()
    #expect(provider.isFunded)
    return provider
  }

  @Test func expiryThatIsTooNearIsRefused() throws {
    let fixture = try Fixture(expiryHeight: 147)
    #expect(throws: ChannelError.expiryTooNear(least: 48, actual: 47)) { try fixture.provider() }
    let past = try Fixture(expiryHeight: 99)
    #expect(throws: ChannelError.expiryTooNear(least: 48, actual: 0)) { try past.provider() }
    let policy = ProviderPolicy(closeMarginBlocks: 48, leastLifetimeBlocks: 0)
    #expect(throws: ChannelError.expiryTooNear(least: 49, actual: 47)) {
      try fixture.provider(policy: policy)
    }
  }

  @Test func anotherKeyIsRefused() throws {
    let fixture = try Fixture()
    #expect(throws: ChannelError.wrongSecret) {
      try ProviderChannel(
        terms: fixture.terms, secret: Fixture.publisherSecret, policy: ProviderPolicy(),
        tipHeight: 100)
    }
    #expect(throws: ChannelError.wrongSecret) {
      try ProviderChannel(
        terms: fixture.terms, secret: .zero, policy: ProviderPolicy(), tipHeight: 100)
    }
  }

  @Test func fundingOfWrongAmountScriptOrOutputIsRefused() throws {
    let fixture = try Fixture()
    let script = ChannelScript.scriptPubKey(fixture.terms)
    func refusal(_ transaction: Transaction, index: UInt32 = 1) throws -> ChannelError? {
      var provider = try fixture.provider()
      try provider.fundingAnnounced(OutPoint(txid: transaction.txid, index: index))
      do {
        try provider.fundingConfirmed(transaction, height: 101)
        return nil
      } catch {
        provider.tipChanged(height: 110, authenticatedHeight: 110)
        #expect(!provider.isFunded)
        return error
      }
    }
    #expect(try refusal(fixture.fundingTransaction) == nil)
    let less = Fixture.fund(TransactionOutput(amountSat: 99_999, scriptPubKey: script))
    #expect(
      try refusal(less) == .funding("the amount differs from the contract's"))
    let more = Fixture.fund(TransactionOutput(amountSat: 100_001, scriptPubKey: script))
    #expect(
      try refusal(more) == .funding("the amount differs from the contract's"))
    var terms = fixture.terms
    terms.expiryHeight -= 1
    let early = Fixture.fund(
      TransactionOutput(amountSat: 100_000, scriptPubKey: ChannelScript.scriptPubKey(terms)))
    #expect(
      try refusal(early) == .funding("the script differs from the contract's"))
    #expect(
      try refusal(fixture.fundingTransaction, index: 2)
        == .funding("the transaction has no such output"))
    #expect(
      try refusal(fixture.fundingTransaction, index: 0)
        == .funding("the amount differs from the contract's"))
  }

  @Test func fundingCountsOnlyBelowTheAuthenticatedHeight() throws {
    let fixture = try Fixture()
    var provider = try fixture.provider(policy: ProviderPolicy(fundingDepth: 3))
    try provider.fundingAnnounced(fixture.funding)
    try provider.fundingConfirmed(fixture.fundingTransaction, height: 101)
    provider.tipChanged(height: 105, authenticatedHeight: 102)
    #expect(!provider.isFunded)
    provider.tipChanged(height: 105, authenticatedHeight: 103)
    #expect(provider.isFunded)
    #expect(provider.settle().contains(.funded(height: 101)))
    provider.blocksDisconnected(fromHeight: 101)
    #expect(!provider.isFunded)
    #expect(provider.settle().first == .fundingLost)
    try provider.fundingConfirmed(fixture.fundingTransaction, height: 102)
    provider.tipChanged(height: 104, authenticatedHeight: 104)
    #expect(provider.settle().contains(.funded(height: 102)))
  }

  @Test func paymentIsAcknowledgedOnlyAfterItWasStored() throws {
    let fixture = try Fixture()
    var provider = try funded(fixture)
    try provider.received(try fixture.payment(5000))
    guard case .store(let revision, let state)? = provider.nextEffect() else {
      Issue.record("the first effect is not a store")
      return
    }
    #expect(provider.nextEffect() == nil)
    // The same payment again, before the disk answered: nothing new, and no early word.
    try provider.received(try fixture.payment(5000))
    #expect(provider.nextEffect() == nil)
    provider.stored(revision: revision - 1)
    #expect(provider.nextEffect() == nil)
    provider.stored(revision: revision)
    #expect(provider.nextEffect() == .acknowledge(sequence: 1, amountSat: 5000))
    let restored = try ProviderChannel(
      restoring: state, secret: Fixture.providerSecret, policy: ProviderPolicy())
    #expect(restored.paidSat == 5000)
  }

  @Test func badPaymentsAreRefusedAndChangeNothing() throws {
    let fixture = try Fixture()
    var provider = try funded(fixture)
    let first = try fixture.payment(20_000, sequence: 3)
    try provider.received(first)
    _ = provider.settle()
    let before = provider.encodedState()
    func refused(_ payment: ChannelPayment, _ expected: ChannelError) {
      #expect(throws: expected) { try provider.received(payment) }
      #expect(provider.encodedState() == before)
      #expect(provider.nextEffect() == nil)
    }
    refused(
      try fixture.payment(19_999, sequence: 4),
      .amountShrinks(paidSat: 20_000, offeredSat: 19_999))
    refused(try fixture.payment(30_000, sequence: 3), .staleSequence(last: 3, offered: 3))
    refused(try fixture.payment(30_000, sequence: 2), .staleSequence(last: 3, offered: 2))
    var above = try fixture.payment(100_000, sequence: 4)
    above.amountSat = 100_001
    refused(above, .aboveCapacity(capacitySat: 100_000, offeredSat: 100_001))
    var raised = try fixture.payment(30_000, sequence: 4)
    raised.amountSat = 30_001
    refused(raised, .wrongSignature(rung: 0))
    for rung in 0..<3 {
      var forged = try fixture.payment(30_000, sequence: 4)
      let stranger = try ChannelPayment.sign(
        fixture.terms, funding: fixture.funding, sequence: 4, amountSat: 30_000,
        secret: Fixture.strangerSecret)
      forged.signatures[rung] = stranger.signatures[rung]
      refused(forged, .wrongSignature(rung: rung))
      forged.signatures[rung] = []
      refused(forged, .wrongSignature(rung: rung))
    }
    var short = try fixture.payment(30_000, sequence: 4)
    short.signatures.removeLast()
    refused(short, .wrongSignature(rung: 2))
    // A replay of the payment that is held is answered, and nothing else.
    try provider.received(first)
    #expect(provider.nextEffect() == .acknowledge(sequence: 3, amountSat: 20_000))
    #expect(provider.encodedState() == before)
  }

  @Test func highSIsRefused() throws {
    let fixture = try Fixture()
    var provider = try funded(fixture)
    var payment = try fixture.payment(30_000)
    payment.signatures[0] = HighS.negated(payment.signatures[0])
    #expect(throws: ChannelError.wrongSignature(rung: 0)) { try provider.received(payment) }
  }

  @Test func paymentNeedsAFundingOutput() throws {
    let fixture = try Fixture()
    var provider = try fixture.provider()
    let payment = try fixture.payment(5000)
    #expect(throws: ChannelError.self) { try provider.received(payment) }
    try provider.fundingAnnounced(fixture.funding)
    try provider.fundingAnnounced(fixture.funding)
    let other = OutPoint(txid: fixture.funding.txid, index: 0)
    #expect(throws: ChannelError.self) { try provider.fundingAnnounced(other) }
    try provider.received(payment)
  }

  @Test func closesAtTheRungThatPays() throws {
    let fixture = try Fixture()
    for (rate, rung) in [(UInt64(0), 0), (1, 0), (2, 1), (5, 1), (6, 2), (25, 2), (500, 2)] {
      var provider = try funded(fixture)
      try provider.received(try fixture.payment(50_000))
      _ = provider.settle()
      let close = try provider.close(feeRateSatPerVb: rate)
      #expect(provider.closingRung == rung)
      #expect(fixture.kernelAccepts(close))
      #expect(provider.settle().last == .broadcast(close))
      #expect(throws: ChannelError.self) {
        try provider.received(try fixture.payment(60_000, sequence: 2))
      }
      // Never down again.
      #expect(try provider.close(feeRateSatPerVb: 1) == close)
    }
    // Where the payout of the upper rungs would be dust, the highest that there is.
    var provider = try funded(fixture)
    try provider.received(try fixture.payment(1500))
    _ = try provider.close(feeRateSatPerVb: 25)
    #expect(provider.closingRung == 1)
  }

  @Test func nothingToCloseWith() throws {
    var provider = try funded(try Fixture())
    #expect(throws: ChannelError.nothingToCollect) { try provider.close(feeRateSatPerVb: 1) }
    provider.tipChanged(height: 999, authenticatedHeight: 999)
    #expect(provider.nextEffect() == nil)
  }

  @Test func closesBeforeTheExpiryAndClimbs() throws {
    let fixture = try Fixture()
    var provider = try funded(fixture)
    try provider.received(try fixture.payment(50_000))
    _ = provider.settle()
    provider.tipChanged(height: 975, authenticatedHeight: 975)
    #expect(provider.nextEffect() == nil)
    provider.tipChanged(height: 976, authenticatedHeight: 976)
    #expect(provider.nextEffect() == .closeIsDue)
    _ = try provider.close(feeRateSatPerVb: 1)
    _ = provider.settle()
    provider.tipChanged(height: 978, authenticatedHeight: 978)
    #expect(provider.closingRung == 0)
    provider.tipChanged(height: 979, authenticatedHeight: 979)
    #expect(provider.closingRung == 1)
    provider.tipChanged(height: 982, authenticatedHeight: 982)
    #expect(provider.closingRung == 2)
    provider.tipChanged(height: 990, authenticatedHeight: 990)
    #expect(provider.closingRung == 2)
    let broadcasts = provider.settle().compactMap { effect -> Transaction? in
      if case .broadcast(let transaction) = effect { return transaction }
      return nil
    }
    #expect(broadcasts.count == 2)
    #expect(broadcasts.allSatisfy { fixture.kernelAccepts($0) })
  }

  @Test func seesWhoTookTheCoins() throws {
    let fixture = try Fixture()
    var provider = try funded(fixture)
    try provider.received(try fixture.payment(50_000))
    let close = try provider.close(feeRateSatPerVb: 1)
    _ = provider.settle()
    provider.spendSeen(fixture.fundingTransaction, height: 102)
    #expect(provider.spend == nil)
    provider.spendSeen(close, height: 102)
    let spend = try #require(provider.spend)
    #expect(spend.kind == .close)
    #expect(spend.payoutSat == close.outputs[0].amountSat)
    #expect(spend.changeSat == 50_000)
    #expect(provider.settle().last == .closed(spend, height: 102))
    // A reorganisation takes it back: the close is relayed again.
    provider.blocksDisconnected(fromHeight: 102)
    #expect(provider.settle().last == .broadcast(close))
    let refund = try RefundTransaction.build(
      fixture.terms, funding: fixture.funding, feeRateSatPerVb: 1, secret: Fixture.publisherSecret)
    provider.spendSeen(refund, height: 1001)
    #expect(provider.spend?.kind == .refund)
    #expect(provider.spend?.payoutSat == 0)
    #expect(throws: ChannelError.self) { try provider.close(feeRateSatPerVb: 1) }
  }

  @Test func damagedStateIsNeverBelieved() throws {
    let fixture = try Fixture()
    var provider = try funded(fixture)
    try provider.received(try fixture.payment(50_000))
    let state = provider.encodedState()
    func restore(_ bytes: [UInt8]) throws -> ProviderChannel {
      try ProviderChannel(
        restoring: bytes, secret: Fixture.providerSecret, policy: ProviderPolicy())
    }
    #expect(try restore(state).encodedState() == state)
    for index in state.indices {
      var damaged = state
      damaged[index] ^= 0x10
      #expect(throws: ChannelError.damagedState) { try restore(damaged) }
      #expect(throws: ChannelError.damagedState) { try restore(Array(state[..<index])) }
    }
    #expect(throws: ChannelError.wrongSecret) {
      try ProviderChannel(
        restoring: state, secret: Fixture.strangerSecret, policy: ProviderPolicy())
    }
  }
}
