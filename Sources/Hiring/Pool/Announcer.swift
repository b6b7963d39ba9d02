import Bitcoin
import Bytes
import Market
import Wallet

/// A pool's announcement on the chain: made when the wallet has the coins for everything that follows,
/// relayed until it confirms, and made again where it is over before the places are taken.
final class Announcer {
  private let context: HiringContext
  private let treasury: Treasury
  private let plan: PoolPlan
  private var problem: String?
  private var failedAtHeight: UInt32?
  /// Coins for the announcement and the first channels, which other pools leave alone.
  private(set) var reservation: WalletReservation?

  init(_ plan: PoolPlan, _ treasury: Treasury, _ context: HiringContext) {
    self.plan = plan
    self.treasury = treasury
    self.context = context
  }

  /// A new announcement, not relayed: nil where it cannot be made now.
  func announce() -> (transaction: Transaction, endsAt: UInt32)? {
    // What failed is tried again with the next block.
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

  /// The pool needs no more coins.
  func release() {
    if let reservation { treasury.release(reservation) }
    reservation = nil
  }

  func announced(_ transaction: Transaction) {
    context.info(
      "announced with " + transaction.txid.reversed.hex + ": \(plan.offer.workers) workers, up to "
        + "\(plan.offer.priceCeilingSatPerHour) sat an hour, calls to " + plan.endpoint.text)
  }

  /// What the announcement and the first channels take at most.
  private var neededSat: UInt64 {
    let channelSat = plan.capacitySat(
      worstHourlySat: plan.offer.priceCeilingSatPerHour, maxLossSat: 0, firstPaymentSat: 330,
      debtSat: 0)
    let virtualBytes = 400 + 240 * UInt64(plan.offer.workers)
    return channelSat * UInt64(plan.offer.workers)
      + virtualBytes * context.feeRateSatPerKvB / 1000 + 1_000
  }

  /// A problem that the next block may mend; reported once.
  private func report(_ message: String) {
    if problem == message { return }
    problem = message
    context.warning(message)
  }
}

extension PoolPlan {
  /// The amount of a lease's first channel, with the reserve: what was asked for, or enough for the time
  /// that the lease is expected to be used at full use, and what the provider may be owed.
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
