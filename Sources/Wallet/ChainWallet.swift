import Bitcoin
import Bytes
import ChainFollower
import Host
import LightClient

/// A ``WalletOwner`` with its I/O: the folder that stores the wallet, and the light client that
/// follows the chain.
///
/// Several wallets may share one ``ChainFollower``: pass every event to each of them.
public final class ChainWallet {
  public let folder: WalletFolder
  public let owner: WalletOwner
  private let follower: ChainFollower

  public init(folder: WalletFolder, follower: ChainFollower) {
    self.folder = folder
    self.follower = follower
    owner = WalletOwner(
      wallet: folder.wallet, bornUnixSeconds: folder.bornUnixSeconds,
      random: { Entropy.bytes32() })
  }

  public var wallet: Wallet { owner.wallet }

  /// The wallet has scanned every block of the best chain that the connected peers know.
  public var isSynced: Bool { owner.isWatching && follower.client.isSynced }

  /// Call once, before or after the follower's start.
  public func start() throws(WalletFolderError) {
    owner.started(follower.client)
    try carryOut()
  }

  /// Call it with every event of the follower, in order.
  public func handle(_ event: LightClientEvent) throws(WalletFolderError) {
    do throws(WalletError) { try owner.chainTold(event, follower.client) } catch {
      throw .wallet(error)
    }
    try carryOut()
  }

  /// Carries out the owner's effects.
  public func carryOut() throws(WalletFolderError) {
    while let effect = owner.nextEffect() { try carryOut(effect) }
  }

  /// Carries out one effect, for callers that interleave the owner's effects with their own.
  public func carryOut(_ effect: WalletEffect) throws(WalletFolderError) {
    switch effect {
    case .watch(let script, let height): follower.watch(script, fromHeight: height)
    case .recall(let outPoint, let script): follower.recall(outPoint, script: script)
    case .store(let state): try folder.save(state)
    case .broadcast(let transaction): follower.broadcast(transaction)
    case .forget(let txid): follower.forget(txid)
    }
  }

  // MARK: Spending

  /// The fee rate for a transaction now.
  public var feeRateSatPerKvB: UInt64 {
    max(FeeRate.minSatPerKvB, follower.client.feeRateSatPerKvB)
  }

  /// Builds, signs and stores a payment, and relays it until it confirms.
  public func send(
    outputs: [TransactionOutput], feeRateSatPerKvB: UInt64
  ) throws(WalletFolderError) -> Transaction {
    try relayed { () throws(WalletError) in
      try owner.build(
        outputs: outputs, feeRateSatPerKvB: feeRateSatPerKvB, follower.client)
    }
  }

  /// Sends all spendable coins to `script`.
  public func sweep(
    to script: [UInt8], feeRateSatPerKvB: UInt64
  ) throws(WalletFolderError) -> Transaction {
    try relayed { () throws(WalletError) in
      try owner.buildSweep(to: script, feeRateSatPerKvB: feeRateSatPerKvB, follower.client)
    }
  }

  /// Builds, signs and stores a funding of channels.
  public func fund(
    _ channels: [ChannelFunding], feeRateSatPerKvB: UInt64
  ) throws(WalletFolderError) -> Transaction {
    try relayed { () throws(WalletError) in
      try owner.buildFunding(channels, feeRateSatPerKvB: feeRateSatPerKvB, follower.client)
    }
  }

  private func relayed(
    _ body: () throws(WalletError) -> Transaction
  ) throws(WalletFolderError) -> Transaction {
    let transaction: Transaction
    do throws(WalletError) { transaction = try body() } catch { throw .wallet(error) }
    try carryOut()
    follower.broadcast(transaction)
    return transaction
  }
}
