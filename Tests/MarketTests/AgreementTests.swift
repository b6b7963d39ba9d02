import Bitcoin
import Bytes
import Channel
import Crypto
import Foundation
import Market
import Testing

/// Bid, contract, top-up.
struct AgreementTests {
  @Test func bidIsCanonicalAndSigned() throws {
    let fixture = try Fixture()
    try expectCanonical(fixture.bid, { $0.encode() }, Bid.decode)
    var indebted = fixture.bid
    indebted.debt = Debt(lease: Sha256.hash([1]), amountSat: 5)
    try expectCanonical(indebted, { $0.encode() }, Bid.decode, mutations: 1000)
    try fixture.bid.check(against: fixture.offer)
    let signature = fixture.bid.sign(Fixture.provider)
    try fixture.bid.verify(signature, by: fixture.bid.provider)
    var bid = fixture.bid
    bid.rates.cpuPsatPerMs -= 1
    #expect(refusal { try bid.verify(signature, by: bid.provider) } == .wrongSignature("bid"))
    #expect(
      refusal { try fixture.bid.verify([], by: bid.provider) } == .wrongSignature("bid"))
    #expect(
      refusal { try fixture.bid.verify(signature, by: Fixture.stranger.publicKey) }
        == .wrongSignature("bid"))
    var offer = fixture.offer
    offer.workers += 1
    #expect(refusal { try fixture.bid.check(against: offer) } == .differs(field: "offer digest"))
  }

  @Test func bidAboveTheCeilingIsRefused() throws {
    let fixture = try Fixture()
    let hourly = try #require(fixture.bid.worstHourlySat(fixture.offer))
    var offer = fixture.offer
    offer.priceCeilingSatPerHour = hourly
    var bid = fixture.bid
    bid.offerDigest = offer.digest
    try bid.check(against: offer)
    offer.priceCeilingSatPerHour = hourly - 1
    bid.offerDigest = offer.digest
    let tooHigh = MarketError.unacceptable(
      field: "price", problem: "above the offer's ceiling")
    #expect(refusal { try bid.check(against: offer) } == tooHigh)
    bid.rates.reservedPsatPerMs = .max
    #expect(refusal { try bid.check(against: offer) } == tooHigh)
  }

  /// Row 1 of the rules about money: cheap by the hour, with an enormous rate for what a publisher does
  /// not look at.
  @Test func trafficCountsInABidsPrice() throws {
    let fixture = try Fixture()
    for change: (inout RateVector) -> Void in [
      { $0.networkPsatPerKiB = RateVector.psatPerSat },
      { $0.diskReadPsatPerKiB = RateVector.psatPerSat },
      { $0.diskWritePsatPerKiB = RateVector.psatPerSat },
    ] {
      var bid = fixture.bid
      bid.rates = RateVector(cpuPsatPerMs: 1)
      try bid.check(against: fixture.offer)
      change(&bid.rates)
      #expect(
        refusal { try bid.check(against: fixture.offer) }
          == .unacceptable(field: "price", problem: "above the offer's ceiling"))
    }
  }

  @Test func contractIsCanonicalAndSigned() throws {
    let fixture = try Fixture()
    let contract = fixture.contract
    try expectCanonical(contract, { $0.encode() }, Contract.decode, mutations: 1500)
    let signed = Signed(
      contract, publisherSignature: contract.sign(Fixture.publisher),
      providerSignature: contract.sign(Fixture.provider))
    try signed.verify(publisher: contract.publisher, provider: contract.provider)
    try expectCanonical(
      signed, { $0.encode() }, { try Signed<Contract>.decode($0) }, mutations: 500)
    func isForged(_ change: (inout Signed<Contract>) -> Void) -> Bool {
      var forged = signed
      change(&forged)
      return refusal {
        try forged.verify(publisher: contract.publisher, provider: contract.provider)
      } == .wrongSignature("contract")
    }
    #expect(isForged { $0.publisherSignature = contract.sign(Fixture.stranger) })
    #expect(isForged { $0.providerSignature = contract.sign(Fixture.publisher) })
    #expect(isForged { $0.providerSignature = [] })
    #expect(isForged { $0.body.holdMs += 1 })
  }

  @Test func contractMustFollowFromOfferAndBid() throws {
    let fixture = try Fixture()
    try fixture.contract.check(against: fixture.offer, fixture.bid)
    func differs(_ field: StaticReason, _ change: (inout Contract) throws -> Void) throws {
      var contract = fixture.contract
      try change(&contract)
      #expect(
        refusal { try contract.check(against: fixture.offer, fixture.bid) }
          == .differs(field: field))
    }
    try differs("offer digest") { $0.offerDigest = .zero }
    try differs("bid digest") { $0.bidDigest = .zero }
    try differs("provider") { $0.provider = Fixture.stranger.publicKey }
    try differs("share") { $0.share.memoryMiB += 1 }
    try differs("rates") { $0.rates.diskReadPsatPerKiB -= 1 }
    try differs("provider's loss") { $0.providerMaxLossSat += 1 }
    try differs("publisher's loss") { $0.publisherMaxLossSat -= 1 }
    try differs("first payment") { $0.firstPaymentSat -= 1 }
    try differs("debt") { $0.debt = Debt(lease: Sha256.hash([1]), amountSat: 1) }
    try differs("a condition of the offer") { $0.payoutIntervalMs += 1 }
    try differs("a condition of the offer") { $0.holdMs -= 1 }
    try differs("a condition of the offer") { $0.stopGraceMs -= 1 }
    try differs("a condition of the offer") { $0.noticeMs -= 1 }
    try differs("a condition of the offer") { $0.fundingDepth = 2 }
    try differs("a condition of the offer") { $0.traffic.diskKiB -= 1 }
    try differs("a condition of the offer") { $0.priceCeilingSatPerHour += 1 }
    try differs("provider key") { $0.terms.providerKey = $0.terms.publisherKey }
    try differs("payout script") {
      $0.terms.payoutScript = Script.p2tr(outputKey: Sha256.hash([1]))
    }
    try differs("fee ladder") { $0.terms.feeLadderSatPerKvB = [1000, 5000] }
    try differs("close margin") { $0.terms.closeMarginBlocks += 1 }
    var contract = fixture.contract
    contract.workerIndex = 2
    #expect(
      refusal { try contract.check(against: fixture.offer, fixture.bid) }
        == .unacceptable(field: "worker index", problem: "the offer has fewer workers"))
  }

  @Test func firstPaymentMustFitTheChannel() throws {
    var contract = try Fixture().contract
    contract.firstPaymentSat = contract.terms.maxPayableSat
    #expect(try Contract.decode(contract.encode()) == contract)
    contract.firstPaymentSat += 1
    guard
      case .refused("first payment", _, let problem)? = refusal({
        _ = try Contract.decode(contract.encode())
      })
    else {
      Issue.record("not refused")
      return
    }
    #expect(problem == "above what the channel can pay")
  }

  @Test func topUpContinuesTheLease() throws {
    let fixture = try Fixture()
    let topUp = fixture.topUp
    try expectCanonical(topUp, { $0.encode() }, TopUp.decode, mutations: 1000)
    let former = [fixture.contract.terms]
    let key = topUp.terms.providerKey
    try topUp.check(against: fixture.contract, former: former, providerKey: key)
    func refused(_ error: MarketError, _ change: (inout TopUp) -> Void) {
      var other = topUp
      change(&other)
      #expect(
        refusal { try other.check(against: fixture.contract, former: former, providerKey: key) }
          == error)
    }
    refused(.differs(field: "contract")) { $0.contract = .zero }
    refused(.differs(field: "channel number")) { $0.number = 2 }
    refused(.differs(field: "provider key")) { $0.terms.providerKey = $0.terms.publisherKey }
    refused(.differs(field: "payout script")) {
      $0.terms.payoutScript = Script.p2tr(outputKey: Sha256.hash([1]))
    }
    refused(.differs(field: "close margin")) { $0.terms.closeMarginBlocks -= 1 }
    refused(.unacceptable(field: "publisher key", problem: "used before")) {
      $0.terms.publisherKey = former[0].publisherKey
    }
    refused(.unacceptable(field: "expiry height", problem: "before the last channel's")) {
      $0.terms.expiryHeight = 299
    }
    refused(.unacceptable(field: "fee ladder", problem: "below the last channel's")) {
      $0.terms.feeLadderSatPerKvB = [1000]
    }
    refused(.unacceptable(field: "capacity", problem: "below the first payment")) {
      $0.terms.reserveSat = $0.terms.capacitySat - 329
    }
  }

  @Test func documentsAreJson() throws {
    let fixture = try Fixture()
    for text in [
      fixture.bid.json, fixture.contract.json, fixture.statement.json, fixture.offer.json,
    ] { #expect(try JSONSerialization.jsonObject(with: Data(text.utf8)) is [String: Any]) }
  }

  @Test func digestsAreOfTheirKind() throws {
    // The same bytes as two kinds of document have two digests.
    let fixture = try Fixture()
    #expect(fixture.offer.digest != Sha256.hash(fixture.offer.encode()))
    #expect(fixture.offer.digest == Sha256.tagged("zennet/offer", fixture.offer.encode()))
    #expect(fixture.contract.id == Sha256.tagged("zennet/contract", fixture.contract.encode()))
  }
}
