import Bitcoin
import Bytes
import Market

/// The terms of a bid: price and credit for one publisher's offer.
struct BidTerms {
  let rates: RateVector
  /// The largest unpaid balance, in sat.
  let maxLossSat: UInt64
  /// The most that an hour can cost by the publisher's rule, in sat; nil if out of range.
  let worstHourlySat: UInt64?
  /// The price of an hour of full use of the share, in sat.
  let hourlySat: UInt64
  /// The most that the share can use between two samples at the shortest sample interval, in sat.
  let headroomSat: UInt64

  init(_ offer: Offer, publisher: Bytes32, _ context: AgentContext) {
    let configuration = context.configuration
    rates = OwnerPrice.rates(offer.share, of: context.limits, configuration)
    worstHourlySat = Price.worstHourlySat(rates, offer.share, traffic: offer.traffic)
    hourlySat = Price.hourlySat(rates, offer.share) ?? UInt64.max
    let isStranger = !context.memory.history.contains(publisher)
    let creditSat = RiskRule.maxLossSat(
      hourlySat: hourlySat, strangerSat: isStranger ? configuration.strangerSat : nil,
      ownerSat: configuration.maxLossSat)
    // Credit beyond the publisher's own loss limit is useless.
    maxLossSat = min(
      creditSat, max(offer.publisherMaxLossSat, Amount.dustSat) - Amount.dustSat)
    headroomSat =
      FreezeRule(rates, offer.share, sampleMs: LeaseTimes.lateSampleMs(LeaseTimes.leastSampleMs))
      .headroomSat
  }
}
