import Bitcoin
import Bytes
import Channel
import LightClient
import Market
import Wallet

/// The chain: the wallet's coins, the fundings, the closes.
extension RunMachine {
  public func chainTold(
    _ event: LightClientEvent, _ now: RunTime, feeRateSatPerVb: UInt64,
    blockHash: (UInt32) -> Bytes32?
  ) {
    context.now = now
    context.feeRateSatPerVb = max(1, feeRateSatPerVb)
    switch event {
    case .tipChanged(let height, _):
      context.tipHeight = height
      for hire in hires { hire.tipChanged() }
    case .synced(let height):
      context.tipHeight = height
      isSynced = true
    case .blockMatched(let height, let block): blockMatched(height, block)
    case .blockScanned(let height):
      if let hash = blockHash(height) { wallet.blockScanned(height: height, hash: hash) }
      storeWallet()
    case .blocksDisconnected(_, let toHeight):
      context.tipHeight = toHeight
      wallet.blockDisconnected(height: toHeight + 1)
      storeWallet()
      if let record, record.announcementHeight > toHeight {
        self.record?.announcementHeight = 0
        storeRun()
        context.emit(.broadcast(record.announcement))
      }
      for hire in hires { hire.blocksDisconnected(toHeight: toHeight) }
      context.warning("blocks above \(toHeight) left the chain")
    case .transactionSeen(let transaction):
      watchMore { () throws(WalletError) in try wallet.transactionSeen(transaction) }
    case .transactionConflicted(let txid, let by, let height):
      context.warning(
        "transaction " + txid.reversed.hex + " was displaced by " + by.reversed.hex
          + " at height \(height)")
    case .stalled(let reason): context.warning("chain: " + reason.message)
    case .peerMisbehaved(let address, let what, _):
      context.warning("chain: " + address.text + ": " + what.message)
    case .transactionRelayed, .transactionConfirmed, .peerReady: break
    }
    settle()
  }

  private func blockMatched(_ height: UInt32, _ block: Block) {
    watchMore { () throws(WalletError) in
      try wallet.blockConnected(height: height, block: block)
    }
    if let record, record.announcementHeight != height {
      let txid = record.announcement.txid
      if block.transactions.contains(where: { $0.txid == txid }) {
        self.record?.announcementHeight = height
        storeRun()
        context.info("announcement is in block \(height)")
      }
    }
    for hire in hires { hire.blockMatched(height: height, block) }
  }

  private func watchMore(_ body: () throws(WalletError) -> [NewScript]) {
    do throws(WalletError) {
      if try !body().isEmpty { watchWallet(fromHeight: wallet.birthHeight ?? 0) }
    } catch { context.warning("wallet: " + error.message) }
  }

  // MARK: Funding

  /// One transaction funds all channels whose contracts are signed by both.
  func fundIfDue() {
    let ready = hires.filter { $0.stage == .accepted && $0.call != nil }
    if ready.isEmpty {
      acceptedAtMs = nil
      return
    }
    if acceptedAtMs == nil { acceptedAtMs = context.now.nowMs }
    let isWaitingForOthers = hires.contains { $0.stage == .contracted }
    let windowEndsAtMs = (acceptedAtMs ?? 0) + RunMachine.fundingWindowMs
    if (isWaitingForOthers || !openPlaces.isEmpty) && context.now.nowMs < windowEndsAtMs { return }
    acceptedAtMs = nil
    do throws(WalletError) {
      let transaction = try wallet.buildTransaction(
        outputs: ready.map { $0.channel.fundingOutput },
        feeRateSatPerKvB: context.feeRateSatPerVb * 1000,
        random: context.random())
      for hire in ready {
        do throws(ChannelError) { try hire.fund(transaction) } catch {
          hire.giveUp("funding: " + error.message)
        }
      }
      storeWallet()
      watchWallet(fromHeight: context.tipHeight)
      context.emit(.broadcast(transaction))
      context.info(
        "funding " + transaction.txid.reversed.hex + " for \(ready.count) channels: "
          + ready.map { "\($0.contract.terms.capacitySat) sat" }.joined(separator: ", "))
    } catch { report("the channels cannot be funded: " + error.message) }
  }
}
