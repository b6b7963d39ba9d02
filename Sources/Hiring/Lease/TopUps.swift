import Bitcoin
import Bytes
import Channel
import Market

/// Decides when a lease needs a further channel, and its fee ladder.
struct TopUps {
  private let plan: PoolPlan
  private let contract: Contract
  /// The highest rate that the provider requested for the next ladder.
  private var wantedSatPerKvB: UInt32 = 0

  init(_ plan: PoolPlan, _ contract: Contract) {
    self.plan = plan
    self.contract = contract
  }

  mutating func wanted(topRungSatPerKvB: UInt32) {
    wantedSatPerKvB = max(
      wantedSatPerKvB, min(topRungSatPerKvB, ChannelTerms.maxFeeRateSatPerKvB))
  }

  /// The remaining room below which a new channel is opened: the most that two payout intervals can
  /// cost, or the provider's loss limit.
  private var marginSat: UInt64 {
    let hourlySat =
      Price.worstHourlySat(contract.rates, contract.share, traffic: contract.traffic) ?? 0
    let product = hourlySat.multipliedFullWidth(by: 2 * UInt64(contract.payoutIntervalMs))
    let costSat =
      product.high >= 3_600_000
      ? Amount.maxSat : UInt64(3_600_000).dividingFullWidth(product).quotient
    return max(costSat, contract.providerMaxLossSat)
  }

  /// Whether to open a further channel now.
  ///
  /// - Parameters:
  ///   - last: the newest channel's terms.
  ///   - roomSat: the amount that all channels can still pay.
  ///   - unpaidSat: the amount owed and not paid.
  func isNeeded(
    channels: Int, last: ChannelTerms, roomSat: UInt64, unpaidSat: UInt64, tipHeight: UInt32,
    estimateSatPerKvB: UInt64
  ) -> Bool {
    if channels >= min(1 + Int(plan.maxTopUps), Limits.maxChannels) { return false }
    if roomSat < unpaidSat + marginSat { return true }
    if wantedSatPerKvB > last.topRateSatPerKvB { return true }
    if last.needsHigherLadder(estimateSatPerKvB: estimateSatPerKvB) { return true }
    // The provider must see it one close margin before the earlier channel closes.
    return tipHeight + 2 * last.closeMarginBlocks + 6 >= last.expiryHeight
  }

  /// A ladder up to four times the estimate, or the rate that the provider requested.
  func ladder(last: ChannelTerms, estimateSatPerKvB: UInt64) -> [UInt32] {
    let ladder = last.feeLadderSatPerKvB
    let most = UInt64(ChannelTerms.maxFeeRateSatPerKvB)
    let top = UInt64(last.topRateSatPerKvB)
    let wanted = min(max(top, UInt64(wantedSatPerKvB), min(4 * estimateSatPerKvB, most)), most)
    if wanted <= top || top == 0 { return ladder }
    // Scales the rungs; rounding up keeps them distinct.
    return ladder.map { UInt32(min((UInt64($0) * wanted + top - 1) / top, most)) }
  }
}
