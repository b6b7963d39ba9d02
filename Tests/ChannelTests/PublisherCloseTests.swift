import Bitcoin
import Bytes
import Channel
import Crypto
import Testing

/// The close as the publisher sends it, with the provider's signatures.
struct PublisherCloseTests {
  /// Both sides of a channel through which `amountSat` were paid.
  private func paid(
    _ fixture: Fixture, _ amountSat: UInt64
  ) throws -> (publisher: PublisherChannel, provider: ProviderChannel) {
    var publisher = try fixture.fundedPublisher()
    var provider = try fixture.fundedProvider()
    if amountSat > 0 {
      try publisher.pay(amountSat: amountSat)
      try provider.received(try #require(publisher.last))
    }
    _ = publisher.effects()
    _ = provider.effects()
    return (publisher, provider)
  }

  @Test func sendsWhatTheProviderSigned() throws {
    let fixture = try Fixture()
    for amountSat in [UInt64(0), 330, 20_000, 95_000] {
      for (rate, rung) in [(UInt64(0), 1), (5001, 2), (900_000, 2)] {
        var (publisher, provider) = try paid(fixture, amountSat)
        #expect(throws: ChannelError.nothingToCollect) {
          try publisher.close(feeRateSatPerKvB: rate)
        }
        let signatures = try provider.signClose(feeRateSatPerKvB: 5000)
        try publisher.closeReceived(signatures)
        #expect(publisher.effects() == [.store(state: publisher.encodedState())])
        #expect(!publisher.isOpen && publisher.closeSignatures == signatures)
        #expect(throws: ChannelError.self) { try publisher.pay(amountSat: 95_000 - 1) }
        let close = try publisher.close(feeRateSatPerKvB: rate)
        #expect(
          publisher.effects() == [.store(state: publisher.encodedState()), .broadcast(close)])
        #expect(close == (try fixture.signedClose(amountSat, rung: rung)))
        #expect(fixture.kernelAccepts(close))
        // Never down again, and again after a restart.
        #expect(try publisher.close(feeRateSatPerKvB: 0) == close)
        var restored = try PublisherChannel(
          restoring: publisher.encodedState(), secret: Fixture.publisherSecret)
        #expect(restored.nextEffect() == .broadcast(close))
        restored.spendSeen(close, height: 105)
        // At the highest rung too little is left of the reserve for an output of its own.
        let dustSat: UInt64 = amountSat == 95_000 && rung == 2 ? 125 : 0
        #expect(restored.spend?.payoutSat == amountSat + dustSat)
        restored = try PublisherChannel(
          restoring: restored.encodedState(), secret: Fixture.publisherSecret)
        #expect(restored.nextEffect() == nil)
        restored.blocksDisconnected(fromHeight: 105)
        #expect(restored.effects().last == .broadcast(close))
      }
    }
  }

  @Test func badSignaturesAreRefusedAndChangeNothing() throws {
    let fixture = try Fixture()
    var (publisher, provider) = try paid(fixture, 20_000)
    let before = publisher.encodedState()
    let good = try provider.signClose(feeRateSatPerKvB: 5000)
    func refused(_ expected: ChannelError, _ change: (inout CloseSignatures) -> Void) {
      var bad = good
      change(&bad)
      #expect(throws: expected) { try publisher.closeReceived(bad) }
      #expect(publisher.encodedState() == before)
      #expect(publisher.nextEffect() == nil)
    }
    refused(.wrongSignature(rung: 1)) { $0.amountSat = 19_999 }
    refused(.closeDiffers(expectedSat: 20_000, offeredSat: 20_001)) { $0.amountSat = 20_001 }
    refused(.wrongSignature(rung: 2)) { $0.signatures.removeLast() }
    refused(.wrongSignature(rung: 3)) { $0.signatures.append([]) }
    refused(.wrongSignature(rung: 0)) { $0.signatures = [[], [], []] }
    refused(.wrongSignature(rung: 1)) { $0.signatures[1] = HighS.negated($0.signatures[1]) }
    refused(.wrongSignature(rung: 1)) { $0.signatures.swapAt(1, 2) }
    refused(.wrongSignature(rung: 0)) { $0.signatures[0] = $0.signatures[1] }
    let own = try #require(publisher.last).signatures
    refused(.wrongSignature(rung: 0)) { $0.signatures = own }
    var unfunded = try fixture.publisher()
    #expect(throws: ChannelError.self) { try unfunded.closeReceived(good) }
    try publisher.closeReceived(good)
    #expect(throws: ChannelError.self) { try publisher.closingTransaction(rung: 0) }
    #expect(throws: ChannelError.self) { try publisher.closingTransaction(rung: 3) }
    #expect(fixture.kernelAccepts(try publisher.closingTransaction(rung: 1)))
  }

  /// The last payment was lost on its way, and the provider signed without it: the publisher may send
  /// the close of less, and counts what it signed all the same.
  @Test func closeOfLessThanWasSignedIsTaken() throws {
    let fixture = try Fixture()
    var (publisher, provider) = try paid(fixture, 20_000)
    try publisher.pay(amountSat: 21_000)
    try publisher.closeReceived(try provider.signClose(feeRateSatPerKvB: 0))
    #expect(publisher.paidSat == 21_000)
    #expect(try publisher.close(feeRateSatPerKvB: 0).outputs[0].amountSat == 20_000)
    // An honest provider has one amount for ever.
    var other = try fixture.fundedProvider()
    let less = try other.signClose(feeRateSatPerKvB: 0)
    #expect(throws: ChannelError.closeDiffers(expectedSat: 20_000, offeredSat: 0)) {
      try publisher.closeReceived(less)
    }
  }

  @Test func moreRungsAreAdded() throws {
    let fixture = try Fixture()
    var (publisher, provider) = try paid(fixture, 20_000)
    let high = try provider.signClose(feeRateSatPerKvB: 25_000)
    try publisher.closeReceived(high)
    #expect(throws: ChannelError.nothingToCollect) { try publisher.closingTransaction(rung: 0) }
    _ = publisher.effects()
    try publisher.closeReceived(high)
    #expect(publisher.nextEffect() == nil)
    let all = try provider.signClose(feeRateSatPerKvB: 0)
    try publisher.closeReceived(all)
    #expect(publisher.effects() == [.store(state: publisher.encodedState())])
    try publisher.closeReceived(high)
    #expect(publisher.closeSignatures == all && publisher.nextEffect() == nil)
  }

  /// Row 2 of the rules about money: with what both have signed in hand, the close ends the channel.
  @Test func closeAndNotTheRefundAfterTheExpiry() throws {
    let fixture = try Fixture()
    func refund(_ publisher: inout PublisherChannel) throws -> Transaction {
      try publisher.refund(to: Fixture.walletScript, feeRateSatPerKvB: 1000, tipHeight: 1000)
    }
    var (publisher, provider) = try paid(fixture, 20_000)
    try publisher.closeReceived(try provider.signClose(feeRateSatPerKvB: 0))
    _ = publisher.effects()
    publisher.tipChanged(height: 1000)
    #expect(publisher.effects() == [.closeIsDue])
    #expect(!publisher.refundIsDue(atHeight: 1000))
    #expect(throws: ChannelError.self) { try refund(&publisher) }
    _ = try publisher.close(feeRateSatPerKvB: 1000)
    _ = publisher.effects()
    publisher.tipChanged(height: 1001)
    #expect(publisher.nextEffect() == nil)
    // Where nothing was paid either way will do.
    var (idle, other) = try paid(fixture, 0)
    try idle.closeReceived(try other.signClose(feeRateSatPerKvB: 0))
    _ = idle.effects()
    idle.tipChanged(height: 1000)
    #expect(idle.effects() == [.refundIsDue])
    #expect(fixture.kernelAccepts(try refund(&idle)))
  }

  @Test func everyStateIsRestored() throws {
    let fixture = try Fixture()
    var (publisher, provider) = try paid(fixture, 20_000)
    var states = [publisher.encodedState()]
    try publisher.closeReceived(try provider.signClose(feeRateSatPerKvB: 5000))
    states.append(publisher.encodedState())
    let close = try publisher.close(feeRateSatPerKvB: 25_000)
    states.append(publisher.encodedState())
    publisher.spendSeen(close, height: 104)
    states.append(publisher.encodedState())
    publisher.blocksDisconnected(fromHeight: 101)
    publisher.fundingConflicted(by: Sha256.hash([1]), height: 102)
    states.append(publisher.encodedState())
    #expect(Set(states).count == states.count)
    for state in states {
      let restored = try PublisherChannel(restoring: state, secret: Fixture.publisherSecret)
      #expect(restored.encodedState() == state)
    }
  }
}
