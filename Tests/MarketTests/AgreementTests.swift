import Bitcoin
import Bytes
import Channel
import Crypto
import Foundation
import Market
import Testing

/// Bid, contract, receipt.
struct AgreementTests {
  @Test func bidIsCanonicalAndSigned() throws {
    let fixture = try Fixture()
    try expectCanonical(fixture.bid, { $0.encode() }, Bid.decode)
    try fixture.bid.check(against: fixture.offer)
    var bid = fixture.bid
    bid.rates.cpuPsatPerMs -= 1
    #expect(refusal { try bid.check(against: fixture.offer) } == .wrongSignature("bid"))
    bid = fixture.bid
    bid.signature[5] ^= 1
    #expect(refusal { try bid.check(against: fixture.offer) } == .wrongSignature("bid"))
    bid = fixture.bid
    bid.signature = []
    #expect(refusal { try bid.verify() } == .wrongSignature("bid"))
    bid = fixture.bid
    bid.provider = Fixture.stranger.publicKey
    #expect(refusal { try bid.verify() } == .wrongSignature("bid"))
    var offer = fixture.offer
    offer.workers += 1
    #expect(refusal { try fixture.bid.check(against: offer) } == .differs(field: "offer digest"))
  }

  @Test func bidAboveTheCeilingIsRefused() throws {
    let fixture = try Fixture()
    let hourly = try #require(fixture.bid.hourlySat(fixture.offer))
    var offer = fixture.offer
    offer.priceCeilingSatPerHour = hourly
    var bid = fixture.bid
    bid.offerDigest = offer.digest
    bid.sign(Fixture.provider)
    try bid.check(against: offer)
    offer.priceCeilingSatPerHour = hourly - 1
    bid.offerDigest = offer.digest
    bid.sign(Fixture.provider)
    #expect(
      refusal { try bid.check(against: offer) }
        == .unacceptable(field: "price", problem: "above the offer's ceiling"))
    bid.rates.wallPsatPerMs = .max
    bid.sign(Fixture.provider)
    #expect(
      refusal { try bid.check(against: offer) }
        == .unacceptable(field: "price", problem: "above the offer's ceiling"))
  }

  @Test func contractIsCanonicalAndSigned() throws {
    let fixture = try Fixture()
    let contract = fixture.contract
    try expectCanonical(contract, { $0.encode() }, Contract.decode, mutations: 1500)
    let signed = SignedContract(
      contract: contract, publisherSignature: contract.sign(Fixture.publisher),
      providerSignature: contract.sign(Fixture.provider))
    try signed.verify()
    try expectCanonical(signed, { $0.encode() }, SignedContract.decode, mutations: 500)
    var forged = signed
    forged.publisherSignature = contract.sign(Fixture.stranger)
    #expect(refusal { try forged.verify() } == .wrongSignature("contract, publisher"))
    forged = signed
    forged.providerSignature = contract.sign(Fixture.publisher)
    #expect(refusal { try forged.verify() } == .wrongSignature("contract, provider"))
    forged = signed
    forged.contract.graceMs += 1
    #expect(refusal { try forged.verify() } == .wrongSignature("contract, publisher"))
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
    try differs("rates") { $0.rates.diskReadPsatPerKiB -= 1 }
    try differs("provider key") { $0.terms.providerKey = $0.terms.publisherKey }
    try differs("payout script") { $0.terms.payoutScript = $0.terms.changeScript }
    try differs("fee ladder") { $0.terms.feeLadderSatPerVb = [1, 5] }
    try differs("provider's loss") { $0.providerMaxLossSat += 1 }
    try differs("publisher's loss") { $0.publisherMaxLossSat -= 1 }
    try differs("opening payment") { $0.openingPaymentSat -= 1 }
    try differs("payout interval") { $0.payoutIntervalMs += 1 }
    try differs("grace time") { $0.graceMs -= 1 }
    try differs("funding depth") { $0.fundingDepth = 2 }
    var contract = fixture.contract
    contract.workerIndex = 2
    #expect(
      refusal { try contract.check(against: fixture.offer, fixture.bid) }
        == .unacceptable(field: "worker index", problem: "the offer has fewer workers"))
    contract = fixture.contract
    contract.bundleBytes = fixture.offer.maxBundleBytes + 1
    #expect(
      refusal { try contract.check(against: fixture.offer, fixture.bid) }
        == .unacceptable(field: "bundle size", problem: "above the offer's limit"))
  }

  @Test func openingPaymentMustBeCollectable() throws {
    let fixture = try Fixture()
    let least = ClosingTransaction.leastPayableSat(fixture.contract.terms)
    func problem(_ change: (inout Contract) -> Void) -> StaticReason? {
      var contract = fixture.contract
      change(&contract)
      guard
        case .refused("opening payment", _, let problem)? = refusal({
          _ = try Contract.decode(contract.encode())
        })
      else { return nil }
      return problem
    }
    #expect(problem { $0.openingPaymentSat = least - 1 } == "cannot be collected: too small")
    #expect(problem { $0.openingPaymentSat = 2001 } == "above what the publisher may lose")
    #expect(problem { $0.terms.capacitySat = 999 } == "above the channel's capacity")
    var contract = fixture.contract
    contract.openingPaymentSat = least
    #expect(try Contract.decode(contract.encode()) == contract)
  }

  @Test func receiptIsCanonicalAndSigned() throws {
    let fixture = try Fixture()
    let receipt = fixture.receipt
    try expectCanonical(receipt, { $0.encode() }, Receipt.decode)
    try receipt.check(against: fixture.contract)
    let signed = SignedReceipt(
      receipt: receipt, providerSignature: receipt.sign(Fixture.provider),
      publisherSignature: receipt.sign(Fixture.publisher))
    try signed.verify(fixture.contract)
    try expectCanonical(signed, { $0.encode() }, SignedReceipt.decode, mutations: 1000)
    var forged = signed
    forged.receipt.paidSat += 1
    #expect(refusal { try forged.verify(fixture.contract) } == .wrongSignature("receipt"))
    #expect(
      refusal {
        try SignedReceipt(receipt: receipt, providerSignature: signed.providerSignature)
          .verify(fixture.contract)
      } == .wrongSignature("receipt"))
    var wrong = receipt
    wrong.owedSat += 1
    #expect(
      refusal { try wrong.check(against: fixture.contract) } == .differs(field: "owed amount"))
    wrong = receipt
    wrong.contract = .zero
    #expect(refusal { try wrong.check(against: fixture.contract) } == .differs(field: "contract"))
    wrong = receipt
    wrong.endedUnixSeconds = 1
    #expect(
      refusal { _ = try Receipt.decode(wrong.encode()) }
        == .refused(field: "end", offset: 166, problem: "before the start"))
  }

  @Test func documentsAreJson() throws {
    let fixture = try Fixture()
    for text in [
      fixture.bid.json, fixture.contract.json, fixture.receipt.json, fixture.offer.json,
    ] { #expect(try JSONSerialization.jsonObject(with: Data(text.utf8)) is [String: Any]) }
    let receipt = try #require(
      try JSONSerialization.jsonObject(with: Data(fixture.receipt.json.utf8)) as? [String: Any])
    #expect(receipt["exit_status"] as? Int == -1)
    #expect((receipt["usage"] as? [String: Any])?["frozen_ms"] as? Int == 300)
  }

  @Test func digestsAreOfTheirKind() throws {
    // The same bytes as two kinds of document have two digests.
    let fixture = try Fixture()
    #expect(fixture.offer.digest != Sha256.hash(fixture.offer.encode()))
    #expect(fixture.offer.digest == Sha256.tagged("zennet/offer", fixture.offer.encode()))
    #expect(fixture.contract.id == Sha256.tagged("zennet/contract", fixture.contract.encode()))
    // A bid's digest does not depend on its signature.
    var unsigned = fixture.bid
    unsigned.signature = []
    #expect(unsigned.digest == fixture.bid.digest)
  }
}
