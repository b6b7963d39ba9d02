import Bitcoin
import Bytes
import Market
import Wallet

/// A pool's on-chain announcement. It is built once the wallet can also fund the first channels,
/// relayed until it confirms, and renewed if it expires while places are open.
final class Announcer {
  private let context: HiringContext
  private let treasury: Treasury
  private let plan: PoolPlan
  private var problem: String?
  private var failedAtHeight: UInt32?
  /// Coins reserved for the announcement and the first channels.
  private(set) var reservation: WalletReservation?

  init(_ plan: PoolPlan, _ treasury: Treasury, _ context: HiringContext) {
    self.plan = plan
    self.treasury = treasury
    self.context = context
  }

  /// Builds a new announcement without relaying it; nil if it cannot be built now.
  func announce() -> (transaction: Transaction, endsAt: UInt32)? {
    // After a failure, retry at the next block.
    if !treasury.knowsCoins || failedAtHeight == context.tipHeight { return nil }
    if reservation == nil { reservation = treasury.reserve(neededSat) }
    if reservation == nil {
      let address = Address.text(
        scriptPubKey: treasury.receiveScript, network: context.network)
      report(
        "waiting for coins: up to \(neededSat) sat are needed, \(treasury.availableSat) sat can be "
          + "spent; pay to " + (address ?? "this wallet"))
      return nil
    }
    let endsAt = context.tipHeight + plan.announcementBlocks
    let announcement = plan.offer.announcement(
      publisher: context.secrets.identity.publicKey, endpoint: plan.endpoint, expiryHeight: endsAt)
    do throws(WalletError) {
      let transaction = try treasury.buildPayment(announcement.outputs, from: reservation)
      problem = nil
      return (transaction, endsAt)
    } catch {
      failedAtHeight = context.tipHeight
      report(error.message)
      return nil
    }
  }

  /// Releases the reserved coins.
  func release() {
    if let reservation { treasury.release(reservation) }
    reservation = nil
  }

  func announced(_ transaction: Transaction) {
    context.info(
      "announced with " + transaction.txid.reversed.hex + ": \(plan.offer.workers) workers, up to "
        + "\(plan.offer.priceCeilingSatPerHour) sat an hour, calls to " + plan.endpoint.text)
  }

  /// The most that the announcement and the first channels can cost, in sat.
  private var neededSat: UInt64 {
    let channelSat = plan.capacitySat(
      worstHourlySat: plan.offer.priceCeilingSatPerHour, maxLossSat: 0, firstPaymentSat: 330,
      debtSat: 0)
    let virtualBytes = 400 + 240 * UInt64(plan.offer.workers)
    return channelSat * UInt64(plan.offer.workers)
      + virtualBytes * context.feeRateSatPerKvB / 1000 + 1_000
  }

  /// Logs a temporary problem once.
  private func report(_ message: String) {
    if problem == message { return }
    problem = message
    context.warning(message)
  }
}

extension PoolPlan {
  /// The capacity of a lease's first channel, with the reserve, in sat: the configured amount, or
  /// enough for `workMs` of full use, the provider's loss limit, the first payment and the debt.
  func capacitySat(
    worstHourlySat: UInt64, maxLossSat: UInt64, firstPaymentSat: UInt64, debtSat: UInt64
  ) -> UInt64 {
    if let capacitySat { return min(capacitySat, Amount.maxSat / 2) + reserveSat }
    let hours = worstHourlySat.multipliedFullWidth(by: workMs)
    let most =
      hours.high >= 3_600_000
      ? Amount.maxSat : UInt64(3_600_000).dividingFullWidth(hours).quotient
    let workSat = min(most, Amount.maxSat / 8)
    return workSat + workSat / 10 + firstPaymentSat + maxLossSat + min(debtSat, Amount.maxSat / 8)
      + reserveSat + 1_000
  }
}
