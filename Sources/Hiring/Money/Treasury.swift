import Bitcoin
import Bytes
import Channel
import LightClient
import Market
import Wallet

/// The wallet as all pools use it: its ``WalletOwner``, and the effects of that among this module's.
///
/// What is built is neither stored nor relayed: the caller stores what it needs to go on, then calls
/// ``flush()``, which stores the wallet, then relays.
final class Treasury {
  private let context: HiringContext
  private let owner: WalletOwner
  private var baseHeight: UInt32 = 0
  private var isSynced = false
  /// The chain as it is while an event is handled; afterwards nothing asks for old blocks.
  private var blockHash: ((UInt32) -> Bytes32?)?
  /// Closes that the caller holds for channels of earlier runs.
  var heldCloses: [OutPoint: Transaction] = [:]

  init(_ wallet: Wallet, _ context: HiringContext) {
    self.context = context
    owner = WalletOwner(wallet: wallet, bornUnixSeconds: 0, random: context.random)
  }

  var balance: WalletBalance { owner.wallet.balance }
  /// What is promised to nobody.
  var availableSat: UInt64 { owner.availableSat }
  var receiveScript: [UInt8] { owner.wallet.receiveScript }
  /// Channels that one funding transaction can open on this network.
  var maxChannels: Int { Wallet.maxChannels(context.network) }

  /// Coins are known when all blocks were looked through.
  var knowsCoins: Bool {
    guard isSynced, let scanned = owner.wallet.scannedHeight else { return false }
    return scanned >= context.tipHeight
  }

  private var chain: WalletChainView {
    let blockHash = blockHash
    return WalletChainView(
      tipHeight: context.tipHeight, baseHeight: baseHeight,
      scannedHeight: owner.wallet.scannedHeight ?? context.tipHeight,
      feeRateSatPerKvB: context.feeRateSatPerKvB, blockHash: { blockHash?($0) })
  }

  /// Stores what changed of the wallet, and whatever else it asks for.
  func flush() {
    while let effect = owner.nextEffect() {
      switch effect {
      case .watch(let script, let fromHeight):
        context.emit(.watch(script: script, fromHeight: fromHeight))
      case .recall(let outPoint, let script):
        context.emit(.recall(outPoint, script: script))
      case .store(let document): context.emit(.storeWallet(document))
      case .broadcast(let transaction): context.emit(.broadcast(transaction))
      case .forget(let txid): context.emit(.forget(txid: txid))
      }
    }
    for deed in owner.takeDeeds() { report(deed) }
  }

  private func report(_ deed: WalletDeed) {
    let txid = deed.transaction.txid.reversed.hex
    switch deed.kind {
    case .refund(let outPoint, _):
      context.warning("channel \(outPoint.text) expired unclosed: taken back with " + txid)
    case .close(let outPoint, _):
      context.info("channel \(outPoint.text): the close that both signed is sent, " + txid)
    case .spedUp(let parent, let feeSat):
      context.info(
        "transaction " + parent.reversed.hex + " is sped up by " + txid + " for \(feeSat) sat")
    case .replaced(let former, let feeSat):
      context.info(
        "transaction " + former.reversed.hex + " is replaced by " + txid + ", fee \(feeSat) sat")
    }
  }

  // MARK: Start

  func setBirth(_ height: UInt32) { owner.setBirth(height) }

  /// Keys of this index are used by a channel that another store has.
  func channelIndexUsed(_ index: UInt32) {
    attempt { () throws(WalletError) in try owner.channelIndexUsed(index) }
  }

  func started(baseHeight: UInt32, blockHash: (UInt32) -> Bytes32?) {
    self.baseHeight = baseHeight
    withChain(blockHash) { () throws(WalletError) in owner.started(chain) }
  }

  /// Pools and channels are stored before the wallet that paid for them: what a restart relays spends
  /// coins that the wallet on disk may still offer.
  func noteOwnBroadcasts() {
    for transaction in context.broadcasts {
      attempt { () throws(WalletError) in try owner.noteOwn(transaction) }
    }
  }

  // MARK: Spending

  func reserve(_ amountSat: UInt64) -> WalletReservation? { try? owner.reserve(amountSat) }
  func release(_ reservation: WalletReservation) { owner.release(reservation) }

  /// The keys of a new channel; that they are used is stored.
  func takeChannelKeys() throws(WalletError) -> ChannelKeys {
    let keys = try owner.takeChannelKeys(chain)
    flush()
    return keys
  }

  func buildPayment(
    _ outputs: [TransactionOutput], from reservation: WalletReservation?
  ) throws(WalletError) -> Transaction {
    try owner.build(
      outputs: outputs, feeRateSatPerKvB: context.feeRateSatPerKvB, from: reservation, chain)
  }

  func buildFunding(
    _ channels: [ChannelFunding], from reservation: WalletReservation?
  ) throws(WalletError) -> Transaction {
    try owner.buildFunding(
      channels, feeRateSatPerKvB: context.feeRateSatPerKvB, from: reservation, chain)
  }

  // MARK: The chain

  /// - Parameter closes: complete closes of expired channels: they are sent in place of refunds.
  func handle(
    _ event: LightClientEvent, closes: [OutPoint: Transaction], blockHash: (UInt32) -> Bytes32?
  ) {
    if case .synced = event { isSynced = true }
    owner.heldCloses = heldCloses.merging(closes) { $1 }
    withChain(blockHash) { () throws(WalletError) in try owner.chainTold(event, chain) }
  }

  private func withChain(
    _ blockHash: (UInt32) -> Bytes32?, _ body: () throws(WalletError) -> Void
  ) {
    withoutActuallyEscaping(blockHash) {
      self.blockHash = $0
      attempt(body)
      self.blockHash = nil
    }
    flush()
  }

  private func attempt(_ body: () throws(WalletError) -> Void) {
    do throws(WalletError) { try body() } catch { context.warning("wallet: " + error.message) }
  }
}
