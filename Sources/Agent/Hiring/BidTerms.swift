import Bitcoin
import Bytes
import Market

/// What this machine asks for an offer of one publisher: the price and the loss that its owner takes.
struct BidTerms {
  let rates: RateVector
  /// How far owed may pass paid.
  let maxLossSat: UInt64
  /// The most that the publisher's own rule lets an hour cost; nil where it does not fit.
  let worstHourlySat: UInt64?
  /// An hour of full use of the share.
  let hourlySat: UInt64
  /// What the share can use between two samples, where these are as close as can be.
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
    // More credit than the publisher can pay within its own limit is of no use to either.
    maxLossSat = min(
      creditSat, max(offer.publisherMaxLossSat, Amount.dustSat) - Amount.dustSat)
    headroomSat =
      FreezeRule(rates, offer.share, sampleMs: LeaseTimes.lateSampleMs(LeaseTimes.leastSampleMs))
      .headroomSat
  }
}
