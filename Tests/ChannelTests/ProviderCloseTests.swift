import Bitcoin
import Bytes
import Channel
import Crypto
import Testing

/// How the provider's channel ends.
struct ProviderCloseTests {
  private func paid(_ fixture: Fixture, _ amountSat: UInt64) throws -> ProviderChannel {
    var provider = try fixture.fundedProvider()
    try provider.received(try fixture.payment(amountSat))
    _ = provider.effects()
    return provider
  }

  private func broadcasts(_ effects: [ProviderEffect]) -> [Transaction] {
    effects.compactMap { effect in
      if case .broadcast(let transaction) = effect { return transaction }
      return nil
    }
  }

  @Test func closesAtTheRungThatPays() throws {
    let fixture = try Fixture()
    for (rate, rung) in [
      (UInt64(0), 0), (1000, 0), (1001, 1), (5000, 1), (5001, 2), (25_000, 2), (500_000, 2),
    ] {
      // The smallest payment has every rung too.
      for amountSat in [UInt64(50_000), 330] {
        var provider = try paid(fixture, amountSat)
        let close = try provider.close(feeRateSatPerKvB: rate)
        #expect(provider.closingRung == rung && !provider.isOpen)
        #expect(fixture.kernelAccepts(close))
        #expect(close == (try fixture.signedClose(amountSat, rung: rung)))
        #expect(
          provider.effects() == [.store(state: provider.encodedState()), .broadcast(close)])
        #expect(throws: ChannelError.self) {
          try provider.received(try fixture.payment(60_000, sequence: 2))
        }
        // Never down again.
        #expect(try provider.close(feeRateSatPerKvB: 1) == close)
        #expect(provider.effects() == [.broadcast(close)])
      }
    }
  }

  @Test func nothingToCloseWith() throws {
    var provider = try Fixture().fundedProvider()
    #expect(throws: ChannelError.nothingToCollect) { try provider.close(feeRateSatPerKvB: 1000) }
    #expect(throws: ChannelError.nothingToCollect) { try provider.closingTransaction(rung: 0) }
    #expect(provider.nextEffect() == nil && provider.isOpen)
  }

  @Test func closesBeforeTheExpiryAndClimbs() throws {
    let fixture = try Fixture()
    var provider = try paid(fixture, 50_000)
    provider.tipChanged(height: 975, authenticatedHeight: 975)
    #expect(provider.nextEffect() == nil)
    for height in [UInt32(976), 977] {
      provider.tipChanged(height: height, authenticatedHeight: height)
      #expect(provider.effects() == [.closeIsDue])
    }
    _ = try provider.close(feeRateSatPerKvB: 1000)
    _ = provider.effects()
    var rungs: [UInt32: Int] = [:]
    var relayed: [Transaction] = []
    for height in UInt32(978)...990 {
      provider.tipChanged(height: height, authenticatedHeight: height)
      relayed += broadcasts(provider.effects())
      rungs[height] = provider.closingRung
    }
    #expect([rungs[979], rungs[980], rungs[982], rungs[983], rungs[990]] == [0, 1, 1, 2, 2])
    #expect(relayed.count == 2)
    #expect(relayed.allSatisfy { fixture.kernelAccepts($0) })
  }

  /// A ladder whose rungs lie close together costs no time: a climb is worth its relay.
  @Test func climbsToAtLeastTwiceTheRate() throws {
    let fixture = try Fixture(ladder: [1000, 1001, 1999, 2500, 4000, 20_000])
    var provider = try paid(fixture, 50_000)
    _ = try provider.close(feeRateSatPerKvB: 0)
    var rungs: [Int?] = []
    for height in UInt32(104)...114 where height % 3 == 2 {
      provider.tipChanged(height: height, authenticatedHeight: height)
      rungs.append(provider.closingRung)
    }
    #expect(rungs == [3, 5, 5, 5])
  }

  /// Restored, it waits from the first tip that it sees.
  @Test func climbsAfterARestart() throws {
    let fixture = try Fixture()
    var provider = try paid(fixture, 50_000)
    let close = try provider.close(feeRateSatPerKvB: 0)
    var restored = try ProviderChannel(
      restoring: provider.encodedState(), secret: Fixture.providerSecret, policy: ProviderPolicy())
    #expect(restored.effects() == [.broadcast(close)])
    for height in UInt32(500)...502 {
      restored.tipChanged(height: height, authenticatedHeight: height)
      #expect(restored.closingRung == 0)
    }
    restored.tipChanged(height: 503, authenticatedHeight: 503)
    #expect(restored.closingRung == 1)
  }

  // MARK: Signatures for the publisher

  @Test func signsEveryRungThatItAccepts() throws {
    let fixture = try Fixture()
    for (rate, lowest) in [(UInt64(0), 0), (1001, 1), (25_000, 2), (90_000, 2)] {
      var provider = try paid(fixture, 20_000)
      let signatures = try provider.signClose(feeRateSatPerKvB: rate)
      #expect(signatures.amountSat == 20_000)
      #expect(signatures.signatures.map(\.isEmpty) == [0 < lowest, 1 < lowest, false])
      try signatures.verify(try ChannelCloses(fixture.terms, funding: fixture.funding))
      #expect(provider.effects() == [.store(state: provider.encodedState())])
    }
  }

  /// After it gave its signatures away, more money must not come through the channel: the publisher
  /// could send the close of less.
  @Test func releasedChannelsTakeNoPayments() throws {
    let fixture = try Fixture()
    for amountSat in [UInt64(0), 20_000] {
      var provider =
        amountSat == 0 ? try fixture.fundedProvider() : try paid(fixture, amountSat)
      let first = try provider.signClose(feeRateSatPerKvB: 5000)
      #expect(first.amountSat == amountSat && !provider.isOpen)
      _ = provider.effects()
      let later = try fixture.payment(30_000, sequence: 2)
      #expect(throws: ChannelError.self) { try provider.received(later) }
      var restored = try ProviderChannel(
        restoring: provider.encodedState(), secret: Fixture.providerSecret,
        policy: ProviderPolicy())
      #expect(throws: ChannelError.self) { try restored.received(later) }
      // Other rungs of the same amount, when they are asked for.
      let more = try restored.signClose(feeRateSatPerKvB: 0)
      #expect(more.amountSat == amountSat && more.signatures[0].isEmpty == false)
      #expect(Array(more.signatures[1...]) == Array(first.signatures[1...]))
      #expect(restored.nextEffect() == nil)
      // It can still send the close itself.
      if amountSat > 0 {
        #expect(fixture.kernelAccepts(try restored.close(feeRateSatPerKvB: 0)))
        _ = try restored.signClose(feeRateSatPerKvB: 0)
        #expect(restored.closingRung == 0)
      } else {
        #expect(throws: ChannelError.nothingToCollect) { try restored.close(feeRateSatPerKvB: 0) }
      }
    }
  }

  // MARK: The chain

  @Test func seesWhoTookTheCoins() throws {
    let fixture = try Fixture()
    var provider = try paid(fixture, 50_000)
    let close = try provider.close(feeRateSatPerKvB: 1000)
    _ = provider.effects()
    provider.spendSeen(fixture.fundingTransaction, height: 102)
    #expect(provider.spend == nil && provider.nextEffect() == nil)
    provider.spendSeen(close, height: 102)
    let spend = try #require(provider.spend)
    #expect(spend.kind == .close && spend.txid == close.txid)
    #expect(spend.payoutSat == 50_000)
    #expect(spend.returnSat == 50_000 - ClosingTransaction.feeSat(fixture.terms, rung: 0))
    #expect(provider.effects().last == .closed(spend, height: 102))
    provider.spendSeen(close, height: 102)
    #expect(provider.nextEffect() == nil)
    // A reorganisation takes it back: the close is relayed again.
    provider.blocksDisconnected(fromHeight: 102)
    #expect(provider.spend == nil && provider.fundingHeight == 101)
    #expect(provider.effects().last == .broadcast(close))
    // A deeper one takes the funding too.
    provider.spendSeen(close, height: 102)
    provider.blocksDisconnected(fromHeight: 101)
    #expect(provider.spend == nil && provider.fundingHeight == nil)
    #expect(provider.effects().last == .broadcast(close))
    let refund = try RefundTransaction.build(
      fixture.terms, funding: fixture.funding, to: Fixture.walletScript, feeRateSatPerKvB: 1000,
      secret: Fixture.publisherSecret)
    provider.spendSeen(refund, height: 1001)
    #expect(provider.spend?.kind == .refund)
    #expect(provider.spend?.payoutSat == 0)
    #expect(provider.spend?.returnSat == refund.outputs[0].amountSat)
    #expect(throws: ChannelError.self) { try provider.close(feeRateSatPerKvB: 1000) }
  }

  /// Every state survives its encoding.
  @Test func everyStateIsRestored() throws {
    let fixture = try Fixture()
    var states: [[UInt8]] = []
    var provider = try fixture.provider()
    func keep() { states.append(provider.encodedState()) }
    keep()
    try provider.fundingOffered(fixture.fundingTransaction)
    keep()
    try provider.received(try fixture.payment(5000))
    keep()
    provider.fundingConflicted(by: Sha256.hash([1]), height: 102)
    keep()
    provider.blocksDisconnected(fromHeight: 102)
    try provider.fundingConfirmed(fixture.fundingTransaction, height: 102)
    keep()
    _ = try provider.signClose(feeRateSatPerKvB: 0)
    keep()
    let close = try provider.close(feeRateSatPerKvB: 25_000)
    keep()
    provider.spendSeen(close, height: 104)
    keep()
    #expect(Set(states).count == states.count)
    for state in states {
      let restored = try ProviderChannel(
        restoring: state, secret: Fixture.providerSecret, policy: ProviderPolicy())
      #expect(restored.encodedState() == state)
    }
  }
}
