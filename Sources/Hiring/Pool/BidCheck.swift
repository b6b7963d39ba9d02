import Bytes
import Capability
import Crypto
import Market

/// What a publisher asks of a bid and of the capability report that comes with it.
enum BidCheck {
  struct Refusal: Error, Equatable {
    var code: RefusalCode
    var text: String
  }

  /// The bid, if it is right for the offer; throws why it is not.
  ///
  /// - Parameter peer: who calls.
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
      throw Refusal(code: .unacceptable, text: "the bid is another machine's")
    }
    do throws(MarketError) { try bid.check(against: plan.offer) } catch {
      let isPrice = bid.offerDigest == plan.offer.digest
      throw Refusal(code: isPrice ? .price : .unacceptable, text: error.message)
    }
    guard let worstHourlySat = bid.worstHourlySat(plan.offer) else {
      throw Refusal(code: .price, text: "the price of an hour does not fit")
    }
    let lossSat = bid.firstPaymentSat + plan.reserveSat
    if lossSat > plan.offer.publisherMaxLossSat {
      throw Refusal(
        code: .risk,
        text: "a first payment of \(bid.firstPaymentSat) sat and closing fees of "
          + "\(plan.reserveSat) sat: more than the \(plan.offer.publisherMaxLossSat) sat that may "
          + "be lost")
    }
    if let debt = bid.debt, !book.holds(debt, of: peer) {
      throw Refusal(code: .debt, text: "a debt of \(debt.amountSat) sat is not known here")
    }
    try check(report, bid, plan.offer)
    return (bid, worstHourlySat)
  }

  /// The report is the one that the bid names, is signed by the provider that bids, and says that the
  /// machine is as large and as well isolated as the offer asks.
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
      throw Refusal(code: .unacceptable, text: "the report is another machine's")
    }
    if report.memoryMiB < offer.share.memoryMiB {
      throw Refusal(code: .memory, text: "the machine has \(report.memoryMiB) MiB of RAM")
    }
    if UInt32(report.processors) * 1000 < offer.share.milliCpus {
      throw Refusal(code: .processors, text: "the machine has \(report.processors) processors")
    }
    let own = ProcessorSet(architecture: report.architecture)
    if !offer.processors.isEmpty && own.isDisjoint(with: offer.processors) {
      throw Refusal(
        code: .processors, text: "the machine is of another kind: " + report.architecture)
    }
    if report.isolation < offer.isolation.rawValue {
      throw Refusal(code: .isolation, text: "the machine's isolation is too weak")
    }
  }
}
