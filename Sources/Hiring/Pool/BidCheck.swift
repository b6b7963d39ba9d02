import Bytes
import Capability
import Crypto
import Market

/// Checks a bid and its capability report.
enum BidCheck {
  struct Refusal: Error, Equatable {
    var code: RefusalCode
    var text: String
  }

  /// Returns the decoded bid; throws the reason if it does not meet the offer.
  ///
  /// - Parameter peer: the caller's authenticated identity.
  static func check(
    report: [UInt8], bid body: [UInt8], signature: [UInt8], peer: Bytes32, plan: PoolPlan,
    book: ProviderBook
  ) throws(Refusal) -> (bid: Bid, worstHourlySat: UInt64) {
    let bid: Bid
    do throws(MarketError) {
      bid = try Bid.decode(body)
      try bid.verify(signature, by: peer)
    } catch { throw Refusal(code: .badMessage, text: error.message) }
    if bid.provider != peer {
      throw Refusal(code: .unacceptable, text: "the bid names another provider")
    }
    do throws(MarketError) { try bid.check(against: plan.offer) } catch {
      let isPrice = bid.offerDigest == plan.offer.digest
      throw Refusal(code: isPrice ? .price : .unacceptable, text: error.message)
    }
    guard let worstHourlySat = bid.worstHourlySat(plan.offer) else {
      throw Refusal(code: .price, text: "the price of an hour is out of range")
    }
    let lossSat = bid.firstPaymentSat + plan.reserveSat
    if lossSat > plan.offer.publisherMaxLossSat {
      throw Refusal(
        code: .risk,
        text: "a first payment of \(bid.firstPaymentSat) sat and closing fees of "
          + "\(plan.reserveSat) sat exceed the offer's loss limit of "
          + "\(plan.offer.publisherMaxLossSat) sat")
    }
    if let debt = bid.debt, !book.holds(debt, of: peer) {
      throw Refusal(
        code: .debt, text: "the publisher has no record of a debt of \(debt.amountSat) sat")
    }
    try check(report, bid, plan.offer)
    return (bid, worstHourlySat)
  }

  /// Checks that the report is the one that the bid names, is signed by the bidder, and meets the
  /// offer's size and isolation.
  private static func check(
    _ body: [UInt8], _ bid: Bid, _ offer: Offer
  ) throws(Refusal) {
    if Sha256.hash(body) != bid.reportDigest {
      throw Refusal(code: .unacceptable, text: "the report is not the one that the bid names")
    }
    let report: CapabilityReport
    do throws(CapabilityError) {
      report = try CapabilityReport.decode(body)
      try report.verify()
    } catch { throw Refusal(code: .unacceptable, text: "report: " + error.message) }
    if report.identity != bid.provider {
      throw Refusal(code: .unacceptable, text: "the report names another provider")
    }
    if report.memoryMiB < offer.share.memoryMiB {
      throw Refusal(code: .memory, text: "the host has \(report.memoryMiB) MiB of RAM")
    }
    if UInt32(report.processors) * 1000 < offer.share.milliCpus {
      throw Refusal(code: .processors, text: "the host has \(report.processors) processors")
    }
    let own = ProcessorSet(architecture: report.architecture)
    if !offer.processors.isEmpty && own.isDisjoint(with: offer.processors) {
      throw Refusal(
        code: .processors, text: "the host's architecture is " + report.architecture)
    }
    if report.isolation < offer.isolation.rawValue {
      throw Refusal(
        code: .isolation, text: "the host's isolation is weaker than the offer requires")
    }
  }
}
