import Bitcoin
import Bytes
import Channel
import LightClient
import Market
import Wallet

/// The wallet shared by all pools: wraps ``WalletOwner`` and forwards its effects.
///
/// Built transactions are neither stored nor relayed. The caller stores its own state first, then
/// calls ``flush()``, which stores the wallet and then relays.
final class Treasury {
  private let context: HiringContext
  private let owner: WalletOwner
  private var baseHeight: UInt32 = 0
  private var isSynced = false
  /// Looks up block hashes; set only while an event is handled.
  private var blockHash: ((UInt32) -> Bytes32?)?
  /// Fully signed closes of earlier runs' channels.
  var heldCloses: [OutPoint: Transaction] = [:]

  init(_ wallet: Wallet, _ context: HiringContext) {
    self.context = context
    owner = WalletOwner(wallet: wallet, bornUnixSeconds: 0, random: context.random)
  }

  var balance: WalletBalance { owner.wallet.balance }
  /// The balance that is not reserved, in sat.
  var availableSat: UInt64 { owner.availableSat }
  var receiveScript: [UInt8] { owner.wallet.receiveScript }
  /// Most channels that one funding transaction can open on this network.
  var maxChannels: Int { Wallet.maxChannels(context.network) }

  /// Whether the wallet has scanned all blocks up to the tip.
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

  /// Emits the wallet's effects, stores first.
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
      context.info("channel \(outPoint.text): the fully signed close is broadcast, " + txid)
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

  /// Marks a channel key index as used by a restored channel.
  func channelIndexUsed(_ index: UInt32) {
    attempt { () throws(WalletError) in try owner.channelIndexUsed(index) }
  }

  func started(baseHeight: UInt32, blockHash: (UInt32) -> Bytes32?) {
    self.baseHeight = baseHeight
    withChain(blockHash) { () throws(WalletError) in owner.started(chain) }
  }

  /// Marks coins spent by restored broadcasts as spent. Pools and channels are stored before the
  /// wallet, so the stored wallet may still list these coins.
  func noteOwnBroadcasts() {
    for transaction in context.broadcasts {
      attempt { () throws(WalletError) in try owner.noteOwn(transaction) }
    }
  }

  // MARK: Spending

  func reserve(_ amountSat: UInt64) -> WalletReservation? { try? owner.reserve(amountSat) }
  func release(_ reservation: WalletReservation) { owner.release(reservation) }

  /// Allocates the keys of a new channel and stores that they are used.
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

  /// - Parameter closes: fully signed closes of expired channels, sent instead of refunds.
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
