import Bitcoin
import Bytes
import Channel
import LightClient
import Market
import Session
import Wallet

/// A publisher's run: one job for some workers, from the announcement to the last close. It owns the
/// wallet, the connections and the hires; each ``Hire`` lives its own life. No I/O: call a method
/// for what happened, then take ``nextEffect()`` until nil, and call ``timePassed(_:)`` at
/// ``nextDeadlineMs``.
public final class RunMachine {
  let context: RunContext
  var wallet: Wallet
  /// Nil until the announcement is made.
  var record: RunRecord?
  var hires: [Hire] = []
  var calls: [Call] = []
  var channelIndex: UInt32
  var isSynced = false
  /// When the first bid came of those that are being waited for.
  var firstBidAtMs: UInt64?
  /// When the last worker signed whose channel is not funded yet.
  var acceptedAtMs: UInt64?
  var problem: String?
  /// Further programs beside the jobs, and which worker has them.
  var programs: [UInt32: UInt16] = [:]
  var lastProgram: UInt32 = 0
  private var watched = Set<[UInt8]>()
  private var effectIndex = 0
  private var wasFinished = false

  /// Others are waited for this long, so that one transaction funds all channels.
  static let fundingWindowMs: UInt64 = 1_500

  /// - Parameters:
  ///   - channelIndex: the first index of channel keys that was never used.
  ///   - random: 32 fresh random bytes a call.
  public init(
    plan: RunPlan, network: Network, secrets: RunSecrets, wallet: Wallet, channelIndex: UInt32,
    random: @escaping () -> Bytes32
  ) {
    context = RunContext(plan: plan, network: network, secrets: secrets, random: random)
    self.wallet = wallet
    self.channelIndex = channelIndex
  }

  /// The next thing to do; nil when there is nothing.
  public func nextEffect() -> RunEffect? {
    if effectIndex >= context.effects.count {
      context.effects.removeAll(keepingCapacity: true)
      effectIndex = 0
      return nil
    }
    effectIndex += 1
    return context.effects[effectIndex - 1]
  }

  // MARK: Start

  /// Begins. `blockHash` tells the chain as it is known now; the wallet goes back to where both
  /// agree.
  public func started(
    _ now: RunTime, tipHeight: UInt32, baseHeight: UInt32, blockHash: (UInt32) -> Bytes32?
  ) {
    context.now = now
    context.tipHeight = tipHeight
    watchWallet(fromHeight: wallet.reconcile(baseHeight: baseHeight, blockHash: blockHash))
    for transaction in wallet.pendingTransactions { context.emit(.broadcast(transaction)) }
    if let record, record.announcementHeight == 0 { context.emit(.broadcast(record.announcement)) }
    noteOwnTransactions()
    settle()
  }

  /// Runs and channels are stored before the wallet that paid for them: what a restart relays spends
  /// coins that the wallet on disk may still offer.
  private func noteOwnTransactions() {
    for case .broadcast(let transaction) in context.effects {
      do { try wallet.noteOwn(transaction) } catch { report(error.message) }
    }
  }

  /// Watches those of the wallet's scripts that are not watched yet.
  func watchWallet(fromHeight: UInt32) {
    for script in wallet.watchedScripts where watched.insert(script).inserted {
      context.emit(.watch(script: script, fromHeight: fromHeight))
    }
  }

  func storeWallet() { context.emit(.storeWallet(wallet.encode())) }

  func storeRun() {
    if let record { context.emit(.storeRun(id: record.id, record.encode())) }
  }

  // MARK: Time and the owner

  public func timePassed(_ now: RunTime) {
    context.now = now
    for call in calls {
      call.session.tick(nowMs: now.nowMs)
      if let at = call.patienceEndsAtMs, now.nowMs >= at { call.session.close() }
    }
    for hire in hires { hire.timePassed() }
    settle()
  }

  /// When ``timePassed(_:)`` is wanted; `UInt64.max` when only events matter.
  public var nextDeadlineMs: UInt64 {
    var earliest = UInt64.max
    for call in calls {
      if let deadline = call.session.nextDeadlineMs { earliest = min(earliest, deadline) }
      if let at = call.patienceEndsAtMs { earliest = min(earliest, at) }
    }
    for hire in hires { earliest = min(earliest, hire.nextDeadlineMs) }
    if let firstBidAtMs { earliest = min(earliest, firstBidAtMs + context.plan.bidWindowMs) }
    if let acceptedAtMs { earliest = min(earliest, acceptedAtMs + RunMachine.fundingWindowMs) }
    return earliest
  }

  /// The publisher wants no more: jobs end, what was used is paid.
  public func stopRequested(_ now: RunTime) {
    context.now = now
    isStopping = true
    for hire in hires { hire.stop("the publisher stops the run") }
    settle()
  }

  public private(set) var isStopping = false

  // MARK: After every event

  /// Machines are chosen, channels funded, sessions drained, until nothing moves any more.
  func settle() {
    var before = -1
    while before != context.effects.count {
      before = context.effects.count
      announceIfDue()
      chooseIfDue()
      fundIfDue()
      for call in calls { drain(call) }
      calls.removeAll { $0.isOver }
    }
    if isFinished && !wasFinished, record != nil {
      wasFinished = true
      if hires.allSatisfy({ $0.isOver }) {
        record?.isFinished = true
        storeRun()
      }
    }
  }

  // MARK: The announcement

  private func announceIfDue() {
    if record != nil || !isSynced || isStopping { return }
    // Coins are known when all blocks were looked through.
    guard let scanned = wallet.scannedHeight, scanned >= context.tipHeight else { return }
    if wallet.balance.spendableSat < neededSat {
      let address = Address.text(scriptPubKey: wallet.receiveScript, network: context.network)
      return report(
        "waiting for coins: up to \(neededSat) sat are needed, \(wallet.balance.spendableSat) sat "
          + "can be spent; pay to " + (address ?? "this wallet"))
    }
    let announcement = context.plan.offer.announcement(
      publisher: context.secrets.identity.publicKey, endpoint: context.plan.endpoint,
      expiryHeight: context.tipHeight + context.plan.announcementBlocks)
    let transaction: Transaction
    do throws(WalletError) {
      transaction = try wallet.buildTransaction(
        outputs: announcement.outputs, feeRateSatPerKvB: context.feeRateSatPerVb * 1000,
        random: context.random())
    } catch { return report(error.message) }
    problem = nil
    record = RunRecord(
      id: context.random(), offer: context.plan.offer, endpoint: context.plan.endpoint,
      announcement: transaction, startedUnixSeconds: context.now.unixSeconds,
      startHeight: context.tipHeight, bundleCount: UInt16(context.plan.bundles.count))
    storeRun()
    storeWallet()
    watchWallet(fromHeight: context.tipHeight)
    context.emit(.broadcast(transaction))
    context.info(
      "announced with " + transaction.txid.reversed.hex + ": \(announcement.workers) workers, up "
        + "to \(announcement.priceCeilingSatPerHour) sat an hour, calls to "
        + announcement.endpoint.text)
  }

  /// What the announcement and all channels take at most.
  private var neededSat: UInt64 {
    let offer = context.plan.offer
    let channelSat =
      context.plan.capacitySat
      ?? RunPlan.capacitySat(offer, hourlySat: offer.priceCeilingSatPerHour)
    let feesSat = (400 + 200 * UInt64(offer.workers)) * context.feeRateSatPerVb
    return channelSat * UInt64(offer.workers) + feesSat + 1_000
  }

  /// A problem that the next block may mend; told once.
  func report(_ message: String) {
    if problem == message { return }
    problem = message
    context.warning(message)
  }

  // MARK: The end

  /// Nothing is left that this program has to wait for.
  public var isFinished: Bool {
    if record == nil { return isStopping }
    let wanted = Int(context.plan.offer.workers)
    let hired = hires.filter { $0.stage != .abandoned }
    if hired.count < wanted && !isStopping { return false }
    for hire in hired {
      if hire.isOver { continue }
      // A refund that is on its way is seen into a block.
      if hire.isGivenUp && hire.refundTxid == nil { continue }
      if hire.stage == .receipted && !context.plan.waitsForClose && hire.call == nil { continue }
      return false
    }
    return true
  }

  /// How each worker's job ended, by number; of those that did not end, what that means if nothing more comes.
  public var exitStatuses: [ExitStatus] {
    let offer = context.plan.offer
    return (0..<offer.workers).map { worker in
      // A place stays empty only where the run was stopped.
      guard let hire = hires.first(where: { $0.worker == worker && $0.stage != .abandoned }) else {
        return .stoppedByPublisher
      }
      return hire.record.exitStatus(wantsResults: offer.wantsResults) ?? .lost
    }
  }
}
