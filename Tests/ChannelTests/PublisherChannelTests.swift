import Bitcoin
import Bytes
import Channel
import Crypto
import Testing

struct PublisherChannelTests {
  // MARK: Funding

  /// One transaction may fund several channels, so relaying it is the caller's, once all are stored.
  @Test func fundingIsStoredAndRelayedAfterARestart() throws {
    let fixture = try Fixture()
    var publisher = try fixture.publisher()
    _ = publisher.effects()
    try publisher.fundingBuilt(fixture.fundingTransaction)
    let state = publisher.encodedState()
    #expect(publisher.effects() == [.store(state: state)])
    #expect(publisher.funding == fixture.funding)
    var restored = try PublisherChannel(restoring: state, secret: Fixture.publisherSecret)
    #expect(restored.effects() == [.broadcast(fixture.fundingTransaction)])
    restored.fundingConfirmed(height: 101)
    restored = try PublisherChannel(
      restoring: restored.encodedState(), secret: Fixture.publisherSecret)
    #expect(restored.nextEffect() == nil)
  }

  @Test func fundingMustBeSegwitAndRight() throws {
    let fixture = try Fixture()
    var publisher = try fixture.publisher()
    var legacy = fixture.fundingTransaction
    legacy.inputs[0].scriptSig = [0x51]
    #expect(throws: ChannelError.funding("every input has to be a native segwit input")) {
      try publisher.fundingBuilt(legacy)
    }
    var unsigned = fixture.fundingTransaction
    unsigned.inputs[0].witness = []
    #expect(throws: ChannelError.funding("every input has to be a native segwit input")) {
      try publisher.fundingBuilt(unsigned)
    }
    var wrong = fixture.fundingTransaction
    wrong.outputs[1].amountSat += 1
    #expect(throws: ChannelError.funding("no output has the channel's amount and script")) {
      try publisher.fundingBuilt(wrong)
    }
    try publisher.fundingBuilt(fixture.fundingTransaction)
    try publisher.fundingBuilt(fixture.fundingTransaction)
    var second = fixture.fundingTransaction
    second.lockTime = 1
    #expect(throws: ChannelError.self) { try publisher.fundingBuilt(second) }
  }

  @Test func doubleSpentFundingStopsPayments() throws {
    let fixture = try Fixture()
    var publisher = try fixture.publisher()
    try publisher.fundingBuilt(fixture.fundingTransaction)
    try publisher.pay(amountSat: 5000)
    _ = publisher.effects()
    let other = Sha256.hash([77])
    publisher.fundingConflicted(by: other, height: 101)
    #expect(publisher.effects().last == .fundingConflicted(by: other))
    #expect(!publisher.isOpen && publisher.conflict == other)
    #expect(throws: ChannelError.self) { try publisher.pay(amountSat: 6000) }
    #expect(!publisher.refundIsDue(atHeight: 2000))
    publisher.blocksDisconnected(fromHeight: 101)
    #expect(publisher.effects().last == .broadcast(fixture.fundingTransaction))
    try publisher.pay(amountSat: 6000)
  }

  // MARK: Paying

  @Test func paymentIsStoredBeforeItIsSent() throws {
    let fixture = try Fixture()
    var publisher = try fixture.fundedPublisher()
    try publisher.pay(amountSat: 5000)
    publisher.resend()
    guard case .store(let state)? = publisher.nextEffect() else {
      Issue.record("the first effect is not a store")
      return
    }
    let payment = try #require(publisher.last)
    #expect(publisher.effects() == [.send(payment), .send(payment)])
    var restored = try PublisherChannel(restoring: state, secret: Fixture.publisherSecret)
    #expect(restored.effects() == [.send(payment)])
    #expect(restored.paidSat == 5000)
    #expect(try PublisherChannel.lastPayment(in: state) == payment)
  }

  @Test func amountsNeverShrinkNorPassTheCapacity() throws {
    let fixture = try Fixture()
    var publisher = try fixture.fundedPublisher()
    #expect(throws: ChannelError.belowLeastPayable(leastSat: 330, offeredSat: 329)) {
      try publisher.pay(amountSat: 329)
    }
    try publisher.pay(amountSat: 5000)
    #expect(throws: ChannelError.amountShrinks(paidSat: 5000, offeredSat: 4999)) {
      try publisher.pay(amountSat: 4999)
    }
    #expect(throws: ChannelError.aboveCapacity(maxPayableSat: 95_000, offeredSat: 95_001)) {
      try publisher.pay(amountSat: 95_001)
    }
    #expect(publisher.paidSat == 5000)
    _ = publisher.effects()
    let before = try #require(publisher.last)
    try publisher.pay(amountSat: 5000)
    #expect(publisher.effects() == [.send(before)])
    try publisher.pay(amountSat: 95_000)
    #expect(publisher.last?.sequence == 2)
    #expect(publisher.last?.signatures.contains([]) == false)
  }

  @Test func unfundedChannelsDoNotPay() throws {
    var publisher = try Fixture().publisher()
    #expect(throws: ChannelError.self) { try publisher.pay(amountSat: 5000) }
    #expect(try PublisherChannel.lastPayment(in: publisher.encodedState()) == nil)
  }

  // MARK: The chain

  @Test func seesWhichAmountWasCollected() throws {
    let fixture = try Fixture()
    var publisher = try fixture.fundedPublisher()
    var provider = try fixture.fundedProvider()
    for amount in [UInt64(5000), 20_000] {
      try publisher.pay(amountSat: amount)
      for effect in publisher.effects() {
        if case .send(let payment) = effect { try provider.received(payment) }
      }
    }
    let close = try provider.close(feeRateSatPerKvB: 5000)
    #expect(fixture.kernelAccepts(close))
    publisher.spendSeen(close, height: 120)
    let spend = try #require(publisher.spend)
    #expect(publisher.effects().last == .closed(spend, height: 120))
    #expect(spend.kind == .close && spend.payoutSat == 20_000)
    #expect(spend.returnSat == 80_000 - ClosingTransaction.feeSat(fixture.terms, rung: 1))
    #expect(throws: ChannelError.self) { try publisher.pay(amountSat: 30_000) }
    #expect(!publisher.refundIsDue(atHeight: 2000))
    publisher.blocksDisconnected(fromHeight: 101)
    #expect(publisher.spend == nil)
    #expect(publisher.effects().contains(.broadcast(fixture.fundingTransaction)))
  }

  @Test func refundsAfterTheExpiryOnly() throws {
    let fixture = try Fixture()
    var publisher = try fixture.fundedPublisher()
    try publisher.pay(amountSat: 5000)
    _ = publisher.effects()
    func refund(_ tipHeight: UInt32) throws -> Transaction {
      try publisher.refund(
        to: Fixture.walletScript, feeRateSatPerKvB: 1000, tipHeight: tipHeight)
    }
    publisher.tipChanged(height: 999)
    #expect(publisher.nextEffect() == nil)
    #expect(throws: ChannelError.refundTooEarly(expiryHeight: 1000)) { try refund(999) }
    publisher.tipChanged(height: 1000)
    #expect(publisher.effects() == [.refundIsDue])
    let transaction = try refund(1000)
    #expect(publisher.effects() == [.broadcast(transaction)])
    #expect(fixture.kernelAccepts(transaction))
    publisher.spendSeen(transaction, height: 1001)
    #expect(publisher.spend?.kind == .refund)
    #expect(publisher.spend?.returnSat == transaction.outputs[0].amountSat)
  }

  // MARK: The disk

  @Test func damagedStateIsNeverBelieved() throws {
    let fixture = try Fixture()
    var publisher = try fixture.fundedPublisher()
    try publisher.pay(amountSat: 5000)
    let state = publisher.encodedState()
    let restored = try PublisherChannel(restoring: state, secret: Fixture.publisherSecret)
    #expect(restored.encodedState() == state)
    for index in state.indices {
      var damaged = state
      damaged[index] ^= 1
      #expect(throws: ChannelError.damagedState) {
        try PublisherChannel(restoring: damaged, secret: Fixture.publisherSecret)
      }
      #expect(throws: ChannelError.damagedState) {
        try PublisherChannel(
          restoring: Array(state[..<index]), secret: Fixture.publisherSecret)
      }
    }
  }
}
