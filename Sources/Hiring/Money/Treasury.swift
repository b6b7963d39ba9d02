import Bitcoin
import Bytes
import Channel
import LightClient
import Market
import Wallet

/// The wallet, and the chain as it sees it. All pools pay from it.
final class Treasury {
  private let context: HiringContext
  private var wallet: Wallet
  private var watched = Set<[UInt8]>()
  private var isSynced = false

  init(_ wallet: Wallet, _ context: HiringContext) {
    self.wallet = wallet
    self.context = context
  }

  var balance: WalletBalance { wallet.balance }
  var receiveScript: [UInt8] { wallet.receiveScript }
  /// Channels that one funding transaction can open on this network.
  var maxChannels: Int { Wallet.maxChannels(context.network) }

  /// Coins are known when all blocks were looked through.
  var knowsCoins: Bool {
    guard isSynced, let scanned = wallet.scannedHeight else { return false }
    return scanned >= context.tipHeight
  }

  func store() { context.emit(.storeWallet(wallet.encode())) }

  /// Watches a script that is not watched yet.
  func watch(_ script: [UInt8], fromHeight: UInt32) {
    if watched.insert(script).inserted {
      context.emit(.watch(script: script, fromHeight: fromHeight))
    }
  }

  func watchOwn(fromHeight: UInt32) {
    for script in wallet.watchedScripts { watch(script, fromHeight: fromHeight) }
  }

  // MARK: Start

  func started(baseHeight: UInt32, blockHash: (UInt32) -> Bytes32?) {
    let fromHeight = wallet.reconcile(baseHeight: baseHeight, blockHash: blockHash)
    watchOwn(fromHeight: fromHeight)
    for transaction in wallet.pendingTransactions { context.emit(.broadcast(transaction)) }
  }

  /// Pools and channels are stored before the wallet that paid for them: what a restart relays spends
  /// coins that the wallet on disk may still offer.
  func noteOwnBroadcasts() {
    for transaction in context.broadcasts {
      attempt { () throws(WalletError) in try wallet.noteOwn(transaction) }
    }
    watchOwn(fromHeight: context.tipHeight)
  }

  // MARK: Spending: what is built is stored here, and relayed by the caller

  func takeChannelIndex() throws(WalletError) -> UInt32 {
    let index = try wallet.takeChannelIndex()
    store()
    watchOwn(fromHeight: context.tipHeight)
    return index
  }

  func key(_ purpose: WalletKeys.Purpose, _ index: UInt32) throws(WalletError) -> [UInt8] {
    try wallet.keys.derivedKey(purpose, index: index)
  }

  func buildPayment(_ outputs: [TransactionOutput]) throws(WalletError) -> Transaction {
    let transaction = try wallet.buildTransaction(
      outputs: outputs, feeRateSatPerKvB: context.feeRateSatPerKvB, random: context.random())
    watchOwn(fromHeight: context.tipHeight)
    return transaction
  }

  func buildFunding(_ channels: [ChannelFunding]) throws(WalletError) -> Transaction {
    let transaction = try wallet.buildFunding(
      channels, feeRateSatPerKvB: context.feeRateSatPerKvB, random: context.random())
    watchOwn(fromHeight: context.tipHeight)
    return transaction
  }

  /// Takes what is due: refunds of expired channels; children for what is stuck.
  ///
  /// - Parameter heldCloses: complete closes of expired channels, which are sent instead of refunds.
  func takeDue(heldCloses: [OutPoint: Transaction]) {
    if !knowsCoins { return }
    attempt { () throws(WalletError) in
      let deeds = try wallet.takeDue(
        heldCloses: heldCloses, feeRateSatPerKvB: context.feeRateSatPerKvB,
        random: context.random)
      if deeds.isEmpty { return }
      store()
      watchOwn(fromHeight: context.tipHeight)
      for deed in deeds {
        context.emit(.broadcast(deed.transaction))
        let txid = deed.transaction.txid.reversed.hex
        switch deed.kind {
        case .refund(let outPoint, _):
          context.warning("channel \(outPoint.text) expired unclosed: taken back with " + txid)
        case .close(let outPoint, _):
          context.info("channel \(outPoint.text): the close that both signed is sent, " + txid)
        case .spedUp(let parent, let feeSat):
          context.info(
            "transaction " + parent.reversed.hex + " is sped up by " + txid + " for \(feeSat) sat")
        }
      }
    }
  }

  // MARK: The chain

  func handle(_ event: LightClientEvent, blockHash: (UInt32) -> Bytes32?) {
    switch event {
    case .synced: isSynced = true
    case .blockMatched(let height, let block):
      watchMore { () throws(WalletError) in
        try wallet.blockConnected(height: height, block: block)
      }
    case .blockScanned(let height):
      if let hash = blockHash(height) { wallet.blockScanned(height: height, hash: hash) }
      store()
    case .blocksDisconnected(_, let toHeight):
      wallet.blockDisconnected(height: toHeight + 1)
      store()
    case .transactionSeen(let transaction):
      watchMore { () throws(WalletError) in try wallet.transactionSeen(transaction) }
    default: break
    }
  }

  private func watchMore(_ body: () throws(WalletError) -> [[UInt8]]) {
    attempt { () throws(WalletError) in
      if try !body().isEmpty { watchOwn(fromHeight: wallet.birthHeight ?? 0) }
    }
  }

  private func attempt(_ body: () throws(WalletError) -> Void) {
    do throws(WalletError) { try body() } catch { context.warning("wallet: " + error.message) }
  }
}
