import Bitcoin
import Bytes
import ChainFollower
import Host
import LightClient

/// A wallet that follows the chain: brings what the light client learns to the ``Wallet``, tells the
/// light client what to watch and to relay, and keeps the folder up to date.
///
/// Several users may share one ``ChainFollower``: give every event to each of them.
public final class ChainWallet {
  public let folder: WalletFolder
  private let follower: ChainFollower
  private var isWatching = false
  private var watched = Set<[UInt8]>()
  /// Something changed that is not on disk; and how many blocks were scanned since it was written.
  private var isDirty = false
  private var unsavedBlocks = 0
  /// A long scan is written down now and then.
  private static let blocksBetweenSaves = 2000

  public init(folder: WalletFolder, follower: ChainFollower) {
    self.folder = folder
    self.follower = follower
  }

  public var wallet: Wallet { folder.wallet }

  /// The wallet has seen every block of the best chain, as far as peers are connected to tell.
  public var isSynced: Bool { isWatching && follower.client.isSynced }

  /// Call once, before or after the follower's start.
  public func start() throws(WalletFolderError) {
    if wallet.birthHeight != nil { try watchAll() }
  }

  private func watchAll() throws(WalletFolderError) {
    let client = follower.client
    let from = folder.wallet.reconcile(baseHeight: client.baseHeight) { client.blockHash(at: $0) }
    isWatching = true
    for known in folder.wallet.knownOutputs {
      follower.recall(known.outPoint, script: known.script)
    }
    watch(folder.wallet.watchedScripts, from: from)
    for transaction in folder.wallet.pendingTransactions { follower.broadcast(transaction) }
    try save()
  }

  /// Never twice, as a second time would take back the height of the first.
  private func watch(_ scripts: [[UInt8]], from height: UInt32) {
    for script in scripts where watched.insert(script).inserted {
      follower.watch(script, fromHeight: height)
    }
  }

  /// The first height that is not scanned yet.
  private var nextHeight: UInt32 { follower.client.scannedHeight + 1 }

  // MARK: Events

  /// To be called with every event of the follower, in order.
  public func handle(_ event: LightClientEvent) throws(WalletFolderError) {
    switch event {
    case .synced:
      if !isWatching { try findBirth() }
      if isDirty || unsavedBlocks > 0 { try save() }
    case .blockMatched(let height, let block):
      try changing { () throws(WalletError) in
        let added = try folder.wallet.blockConnected(height: height, block: block)
        watch(added, from: added.isEmpty ? 0 : lookBack(from: height))
      }
    case .blockScanned(let height): try scanned(height)
    case .blocksDisconnected(_, let toHeight):
      folder.wallet.blockDisconnected(height: toHeight + 1)
      try save()
    case .transactionSeen(let transaction):
      try changing { () throws(WalletError) in
        watch(try folder.wallet.transactionSeen(transaction), from: nextHeight)
      }
    default: break
    }
  }

  /// From where scripts that follow from a block at `height` are looked for. While the wallet only
  /// follows the tip, they were watched before anyone was told.
  private func lookBack(from height: UInt32) -> UInt32 {
    if height + 6 > follower.client.tipHeight { return nextHeight }
    let margin = Wallet.mempoolBlocks
    return max(folder.wallet.birthHeight ?? 0, height > margin ? height - margin : 0)
  }

  private func changing(_ body: () throws(WalletError) -> Void) throws(WalletFolderError) {
    do throws(WalletError) { try body() } catch { throw .wallet(error) }
    isDirty = true
  }

  private func scanned(_ height: UInt32) throws(WalletFolderError) {
    // After a reorganisation the height is gone, and an event about it is on its way.
    guard isWatching, let hash = follower.client.blockHash(at: height) else { return }
    folder.wallet.blockScanned(height: height, hash: hash)
    unsavedBlocks += 1
    if isDirty || unsavedBlocks >= ChainWallet.blocksBetweenSaves { try save() }
  }

  private func findBirth() throws(WalletFolderError) {
    folder.wallet.setBirth(folder.birth(follower.client))
    try watchAll()
  }

  public func save() throws(WalletFolderError) {
    try folder.save()
    isDirty = false
    unsavedBlocks = 0
  }

  // MARK: Spending

  /// The least fee rate that peers relay now, and 1 at least.
  public var floorSatPerVb: UInt64 {
    max(1, (follower.client.feeRateSatPerKvB + 999) / 1000)
  }

  /// Builds, signs and stores a payment, without relaying it: a channel relays its funding itself
  /// once its own state is on disk.
  public func build(
    outputs: [TransactionOutput], feeRateSatPerVb: UInt64
  ) throws(WalletFolderError) -> Transaction {
    try built { wallet throws(WalletError) in
      try wallet.buildTransaction(
        outputs: outputs, feeRateSatPerVb: feeRateSatPerVb, random: Entropy.bytes32())
    }
  }

  /// As ``build(outputs:feeRateSatPerVb:)``, and relays it until it confirms.
  public func send(
    outputs: [TransactionOutput], feeRateSatPerVb: UInt64
  ) throws(WalletFolderError) -> Transaction {
    let transaction = try build(outputs: outputs, feeRateSatPerVb: feeRateSatPerVb)
    follower.broadcast(transaction)
    return transaction
  }

  /// Sends everything that can be spent to `script`.
  public func sweep(
    to script: [UInt8], feeRateSatPerVb: UInt64
  ) throws(WalletFolderError) -> Transaction {
    let transaction = try built { wallet throws(WalletError) in
      try wallet.buildSweep(
        to: script, feeRateSatPerVb: feeRateSatPerVb, random: Entropy.bytes32())
    }
    follower.broadcast(transaction)
    return transaction
  }

  private func built(
    _ body: (inout Wallet) throws(WalletError) -> Transaction
  ) throws(WalletFolderError) -> Transaction {
    let transaction: Transaction
    do throws(WalletError) {
      transaction = try body(&folder.wallet)
    } catch { throw .wallet(error) }
    watchNewScripts()
    try save()
    return transaction
  }

  /// A script for a payment to this wallet that was never told to anyone.
  public func freshScript() throws(WalletFolderError) -> [UInt8] {
    let script: [UInt8]
    do throws(WalletError) {
      script = try folder.wallet.freshReceiveScript()
    } catch { throw .wallet(error) }
    watchNewScripts()
    try save()
    return script
  }

  private func watchNewScripts() {
    if isWatching { watch(folder.wallet.watchedScripts, from: nextHeight) }
  }

  /// Gives up an unconfirmed payment.
  public func abandon(_ txid: Bytes32) throws(WalletFolderError) {
    do throws(WalletError) { try folder.wallet.abandon(txid) } catch { throw .wallet(error) }
    follower.forget(txid)
    try save()
  }
}
