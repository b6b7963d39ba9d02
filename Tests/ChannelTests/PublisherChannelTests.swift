import Bitcoin
import Bytes
import Channel
import Crypto
import Testing

struct PublisherChannelTests {
  private func funded(_ fixture: Fixture) throws -> PublisherChannel {
    var publisher = try fixture.publisher()
    try publisher.fundingBuilt(fixture.fundingTransaction)
    publisher.fundingConfirmed(height: 101)
    _ = publisher.settle()
    return publisher
  }

  @Test func fundingIsStoredBeforeItIsRelayed() throws {
    let fixture = try Fixture()
    var publisher = try fixture.publisher()
    _ = publisher.settle()
    try publisher.fundingBuilt(fixture.fundingTransaction)
    guard case .store(let revision, let state)? = publisher.nextEffect() else {
      Issue.record("the first effect is not a store")
      return
    }
    #expect(publisher.nextEffect() == nil)
    publisher.stored(revision: revision)
    #expect(publisher.nextEffect() == .broadcast(fixture.fundingTransaction))
    #expect(publisher.funding == fixture.funding)
    // Killed after storing: it is relayed again.
    var restored = try PublisherChannel(restoring: state, secret: Fixture.publisherSecret)
    #expect(restored.nextEffect() == .broadcast(fixture.fundingTransaction))
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

  @Test func paymentIsStoredBeforeItIsSent() throws {
    let fixture = try Fixture()
    var publisher = try funded(fixture)
    try publisher.pay(amountSat: 5000)
    guard case .store(let revision, let state)? = publisher.nextEffect() else {
      Issue.record("the first effect is not a store")
      return
    }
    #expect(publisher.nextEffect() == nil)
    publisher.resend()
    #expect(publisher.nextEffect() == nil)
    publisher.stored(revision: revision)
    let payment = try #require(publisher.last)
    #expect(publisher.nextEffect() == .send(payment))
    var restored = try PublisherChannel(restoring: state, secret: Fixture.publisherSecret)
    #expect(restored.nextEffect() == .send(payment))
    #expect(restored.paidSat == 5000)
  }

  @Test func amountsNeverShrinkNorPassTheCapacity() throws {
    let fixture = try Fixture()
    var publisher = try funded(fixture)
    let least = ClosingTransaction.leastPayableSat(fixture.terms)
    #expect(throws: ChannelError.belowLeastPayable(leastSat: least, offeredSat: 100)) {
      try publisher.pay(amountSat: 100)
    }
    try publisher.pay(amountSat: 5000)
    #expect(throws: ChannelError.amountShrinks(paidSat: 5000, offeredSat: 4999)) {
      try publisher.pay(amountSat: 4999)
    }
    #expect(throws: ChannelError.aboveCapacity(capacitySat: 100_000, offeredSat: 100_001)) {
      try publisher.pay(amountSat: 100_001)
    }
    #expect(publisher.paidSat == 5000)
    _ = publisher.settle()
    let before = try #require(publisher.last)
    try publisher.pay(amountSat: 5000)
    #expect(publisher.settle() == [.send(before)])
    try publisher.pay(amountSat: 100_000)
    #expect(publisher.last?.sequence == 2)
    for signature in publisher.last?.signatures ?? [] { #expect(!signature.isEmpty) }
  }

  @Test func unfundedChannelsDoNotPay() throws {
    var publisher = try Fixture().publisher()
    #expect(throws: ChannelError.self) { try publisher.pay(amountSat: 5000) }
  }

  @Test func seesWhichAmountWasCollected() throws {
    let fixture = try Fixture()
    var publisher = try funded(fixture)
    var provider = try fixture.provider()
    try provider.fundingAnnounced(fixture.funding)
    for amount in [UInt64(5000), 20_000] {
      try publisher.pay(amountSat: amount)
      for effect in publisher.settle() {
        if case .send(let payment) = effect { try provider.received(payment) }
      }
    }
    let close = try provider.close(feeRateSatPerVb: 5)
    #expect(fixture.kernelAccepts(close))
    publisher.spendSeen(close, height: 120)
    #expect(publisher.spend?.kind == .close)
    #expect(publisher.spend?.changeSat == 80_000)
    #expect(throws: ChannelError.self) { try publisher.pay(amountSat: 30_000) }
    #expect(!publisher.refundIsDue(atHeight: 2000))
    publisher.blocksDisconnected(fromHeight: 101)
    #expect(publisher.spend == nil)
    #expect(publisher.settle().contains(.broadcast(fixture.fundingTransaction)))
  }

  @Test func refundsAfterTheExpiryOnly() throws {
    let fixture = try Fixture()
    var publisher = try funded(fixture)
    try publisher.pay(amountSat: 5000)
    _ = publisher.settle()
    publisher.tipChanged(height: 999)
    #expect(publisher.nextEffect() == nil)
    #expect(throws: ChannelError.refundTooEarly(expiryHeight: 1000)) {
      try publisher.refund(feeRateSatPerVb: 1, tipHeight: 999)
    }
    publisher.tipChanged(height: 1000)
    #expect(publisher.nextEffect() == .refundIsDue)
    let refund = try publisher.refund(feeRateSatPerVb: 1, tipHeight: 1000)
    #expect(publisher.nextEffect() == .broadcast(refund))
    #expect(fixture.kernelAccepts(refund))
    publisher.spendSeen(refund, height: 1001)
    #expect(publisher.spend?.kind == .refund)
    #expect(publisher.spend?.changeSat == refund.outputs[0].amountSat)
  }

  @Test func damagedStateIsNeverBelieved() throws {
    let fixture = try Fixture()
    var publisher = try funded(fixture)
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
