import Bitcoin
import Bytes
import Channel
import Market

/// When a lease needs a further channel, and which.
struct TopUps {
  private let plan: PoolPlan
  private let contract: Contract
  /// The rate that the provider asked the next ladder to reach.
  private var wantedSatPerKvB: UInt32 = 0

  init(_ plan: PoolPlan, _ contract: Contract) {
    self.plan = plan
    self.contract = contract
  }

  mutating func wanted(topRungSatPerKvB: UInt32) {
    wantedSatPerKvB = max(
      wantedSatPerKvB, min(topRungSatPerKvB, ChannelTerms.maxFeeRateSatPerKvB))
  }

  /// What two payout intervals cost at most, or the provider's loss: with less room left the next
  /// channel has to be on its way.
  private var marginSat: UInt64 {
    let hourlySat =
      Price.worstHourlySat(contract.rates, contract.share, traffic: contract.traffic) ?? 0
    let product = hourlySat.multipliedFullWidth(by: 2 * UInt64(contract.payoutIntervalMs))
    let costSat =
      product.high >= 3_600_000
      ? Amount.maxSat : UInt64(3_600_000).dividingFullWidth(product).quotient
    return max(costSat, contract.providerMaxLossSat)
  }

  /// Whether a further channel is to be opened now.
  ///
  /// - Parameters:
  ///   - last: the newest channel's terms.
  ///   - roomSat: what all channels can still pay.
  ///   - unpaidSat: what is owed and not paid.
  func isNeeded(
    channels: Int, last: ChannelTerms, roomSat: UInt64, unpaidSat: UInt64, tipHeight: UInt32,
    estimateSatPerKvB: UInt64
  ) -> Bool {
    if channels >= min(1 + Int(plan.maxTopUps), Limits.maxChannels) { return false }
    if roomSat < unpaidSat + marginSat { return true }
    if wantedSatPerKvB > last.topRateSatPerKvB { return true }
    if last.needsHigherLadder(estimateSatPerKvB: estimateSatPerKvB) { return true }
    // It has to be seen a margin before the earlier one closes.
    return tipHeight + 2 * last.closeMarginBlocks + 6 >= last.expiryHeight
  }

  /// Rungs that reach four times the estimate, and what the provider asked for.
  func ladder(last: ChannelTerms, estimateSatPerKvB: UInt64) -> [UInt32] {
    let ladder = last.feeLadderSatPerKvB
    let most = UInt64(ChannelTerms.maxFeeRateSatPerKvB)
    let top = UInt64(last.topRateSatPerKvB)
    let wanted = min(max(top, UInt64(wantedSatPerKvB), min(4 * estimateSatPerKvB, most)), most)
    if wanted <= top || top == 0 { return ladder }
    // The same rungs in proportion; rounding up keeps them apart.
    return ladder.map { UInt32(min((UInt64($0) * wanted + top - 1) / top, most)) }
  }
}
