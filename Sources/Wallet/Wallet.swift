import Bitcoin
import Bytes
import Channel

/// A wallet's coins, transactions and channels, and how blocks change them. No I/O.
///
/// The driver watches ``watchedScripts`` with the light client, passes every matching block to
/// ``blockConnected(height:block:)``, and watches the scripts that it returns. ``WalletOwner`` does
/// this for a program.
public struct Wallet: Sendable {
  /// Unused addresses and channels that are watched beyond the last used one.
  public static let gapLimit = ScriptBook.gapLimit
  /// Nodes drop transactions that are unconfirmed for two weeks.
  public static let mempoolBlocks: UInt32 = 2016
  /// Confirmations of a coinbase output before it may be spent.
  static let coinbaseMaturity: UInt32 = 100
  /// Data for reorganisations is kept for this many blocks.
  static let buriedDepth: UInt32 = 144
  /// Most unconfirmed payments by others that are kept: anyone can forge them.
  static let maxIncoming = 256

  public let keys: WalletKeys
  public let network: Network
  /// The first height that may concern the wallet. Nil for a wallet created without a chain, until
  /// the height is looked up.
  public private(set) var birthHeight: UInt32?
  /// The height up to which blocks were scanned; nil before the first.
  public private(set) var scannedHeight: UInt32?
  /// The last scanned blocks, ascending, to find the fork after a reorganisation between two runs.
  private(set) var recentBlocks: [ScannedBlock] = []

  private(set) var scripts: ScriptBook
  private(set) var book: TransactionBook
  private(set) var channelBook: ChannelBook

  struct ScannedBlock: Equatable, Sendable {
    var height: UInt32
    var hash: Bytes32
  }

  public init(keys: WalletKeys, network: Network, birthHeight: UInt32?) throws(WalletError) {
    try self.init(WalletRecord(birthHeight: birthHeight), keys: keys, network: network)
  }

  init(_ record: WalletRecord, keys: WalletKeys, network: Network) throws(WalletError) {
    self.keys = keys
    self.network = network
    birthHeight = record.birthHeight
    scannedHeight = record.scannedHeight
    recentBlocks = record.recentBlocks
    scripts = ScriptBook(
      keys: keys, receive: record.receive, change: record.change,
      nextChannel: record.nextChannel)
    book = TransactionBook(coins: record.coins, entries: record.entries)
    channelBook = ChannelBook(record.channels)
    _ = try scripts.extend()
    for channel in liveChannels { _ = try scripts.addReturn(channel.channelIndex) }
    for coin in book.coins.values where coin.path.chain == .closeReturn && coin.spentBy == nil {
      _ = try scripts.addReturn(coin.path.index)
    }
  }

  /// The argument for ``init(_:keys:network:)``.
  var record: WalletRecord {
    WalletRecord(
      birthHeight: birthHeight, scannedHeight: scannedHeight, recentBlocks: recentBlocks,
      receive: scripts.receive, change: scripts.change, nextChannel: scripts.nextChannel,
      coins: Array(book.coins.values), entries: Array(book.entries.values),
      channels: Array(channelBook.channels.values))
  }

  /// Sets the birth height of a new wallet, once it is looked up in the chain.
  public mutating func setBirth(_ height: UInt32) { birthHeight = height }

  // MARK: Scripts

  /// Every script to watch, in a fixed order.
  public var watchedScripts: [[UInt8]] { scripts.all + liveChannels.map(\.scriptPubKey) }

  func script(_ path: KeyPath) -> [UInt8]? { scripts.script(path) }

  /// The current address: the first without a payment. It stays the same until it is used.
  public var receiveScript: [UInt8] {
    // Always derived: it is below the end of the gap.
    scripts.script(KeyPath(.receive, scripts.receive.firstUnused)) ?? []
  }

  /// A new address. After ``gapLimit`` of them without a payment the first unused one is reused,
  /// because a restored wallet would not scan further. ``watchedScripts`` may grow.
  public mutating func freshReceiveScript() throws(WalletError) -> [UInt8] {
    try freshScript(.receive)
  }

  mutating func freshScript(_ chain: KeyPath.Chain) throws(WalletError) -> [UInt8] {
    let path = scripts.takeFresh(chain)
    _ = try scripts.extend()
    return try keys.script(path)
  }

  /// The index of a new channel's keys: purposes `channel` and `closeReturn` of
  /// ``WalletKeys/derivedSecret(_:index:)``. Store the wallet before the keys are sent to a peer.
  public mutating func takeChannelIndex() throws(WalletError) -> UInt32 {
    let index = try scripts.takeChannel()
    _ = try scripts.extend()
    return index
  }

  /// Another store has a channel of this index. A restored wallet cannot know an index whose
  /// channel was not funded.
  public mutating func channelIndexUsed(_ index: UInt32) throws(WalletError) {
    if index > WalletKeys.maxChannelIndex { throw .channelsUsedUp }
    scripts.channelUsed(index)
    _ = try scripts.extend()
  }

  // MARK: Blocks

  /// A block that may concern the wallet, in any order and more than once. Returns scripts to watch
  /// from now on. While a wallet is restored, these may have been paid up to ``mempoolBlocks``
  /// earlier, because pending payments confirm in any order.
  public mutating func blockConnected(
    height: UInt32, block: Block
  ) throws(WalletError) -> [NewScript] {
    var added: [NewScript] = []
    var pending = book.pendingSpends
    for transaction in block.transactions {
      let txid = transaction.txid
      // Other spends of the same coins will never confirm.
      var losers = Set<Bytes32>()
      for input in transaction.inputs {
        losers.formUnion(pending[input.previous] ?? [])
      }
      losers.remove(txid)
      for loser in losers { drop(loser) }
      if !losers.isEmpty { pending = book.pendingSpends }
      added += try note(transaction, txid: txid, height: height, isOwn: false)
    }
    return added + (try scripts.extend())
  }

  /// All blocks up to `height` were scanned.
  public mutating func blockScanned(height: UInt32, hash: Bytes32) {
    scannedHeight = height
    recentBlocks.removeAll { $0.height >= height }
    recentBlocks.append(ScannedBlock(height: height, hash: hash))
    if recentBlocks.count > Int(Wallet.buriedDepth) { recentBlocks.removeFirst() }
    if height > Wallet.buriedDepth { book.prune(buriedHeight: height - Wallet.buriedDepth) }
  }

  /// The blocks at `height` and above left the chain. Their transactions are unconfirmed again;
  /// their coinbases are removed.
  public mutating func blockDisconnected(height: UInt32) {
    channelBook.drop(book.disconnected(height: height))
    channelBook.disconnected(height: height) { book.entries[$0]?.isOwn == true }
    recentBlocks.removeAll { $0.height >= height }
    if let scanned = scannedHeight, scanned >= height {
      scannedHeight = height > birthHeight ?? 0 ? height - 1 : nil
    }
  }

  /// Compares the blocks scanned in an earlier run with the current chain, and goes back to the
  /// last common block. `blockHash` returns nil above the tip. Below `baseHeight`, where hashes are
  /// no longer kept, no reorganisation is searched for. Returns the height from which blocks must
  /// be scanned.
  public mutating func reconcile(
    baseHeight: UInt32, blockHash: (UInt32) -> Bytes32?
  ) -> UInt32 {
    guard scannedHeight != nil else { return birthHeight ?? 0 }
    while let last = recentBlocks.last, last.height >= baseHeight {
      if let now = blockHash(last.height), now == last.hash { break }
      recentBlocks.removeLast()
    }
    let next = recentBlocks.last.map { $0.height + 1 } ?? birthHeight ?? 0
    blockDisconnected(height: next)
    return next
  }

  // MARK: Transactions

  /// A peer sent an unconfirmed transaction. Nothing about it is proven. Returns scripts to watch
  /// from now on.
  public mutating func transactionSeen(
    _ transaction: Transaction
  ) throws(WalletError) -> [NewScript] {
    let txid = transaction.txid
    if book.entries[txid] != nil || book.incomingCount >= Wallet.maxIncoming { return [] }
    // Anyone can forge a transaction that spends the wallet's coins with invalid signatures: spends
    // are accepted only from the wallet itself or from a block.
    for input in transaction.inputs where book.coins[input.previous] != nil { return [] }
    // A close too is accepted only from a block; until then its output counts as incoming.
    let added = try note(transaction, txid: txid, height: nil, isOwn: false)
    return added + (try scripts.extend())
  }

  /// Records a transaction that the wallet's owner made, or that another store kept when this
  /// wallet's file was lost: its coins are spent, and it is relayed until it confirms.
  public mutating func noteOwn(_ transaction: Transaction) throws(WalletError) {
    let txid = transaction.txid
    if book.entries[txid] != nil { return }
    _ = try note(transaction, txid: txid, height: nil, isOwn: true)
    _ = try scripts.extend()
  }

  private mutating func note(
    _ transaction: Transaction, txid: Bytes32, height: UInt32?, isOwn: Bool
  ) throws(WalletError) -> [NewScript] {
    let sighting = TransactionBook.Sighting(
      transaction: transaction, txid: txid, height: height, isOwn: isOwn,
      seenHeight: max(scannedHeight ?? 0, height ?? 0))
    let scripts = scripts
    let channels = channelBook.channels
    let paidTo = book.note(
      sighting, path: scripts.path(of:), channelSat: { channels[$0]?.capacitySat })
    for path in paidTo { self.scripts.markUsed(path) }
    if height == nil && !isOwn { return [] }
    let added = try findChannels(transaction, txid: txid)
    channelBook.note(transaction, txid: txid, height: height)
    return added
  }

  /// The channels that a transaction of this wallet funds.
  private mutating func findChannels(
    _ transaction: Transaction, txid: Bytes32
  ) throws(WalletError) -> [NewScript] {
    guard let first = transaction.inputs.first, book.coins[first.previous] != nil else {
      return []
    }
    var added: [NewScript] = []
    for channel in try ChannelBackup.channels(in: transaction, txid: txid, keys: keys) {
      if channelBook.add(channel) {
        added.append(NewScript(script: channel.scriptPubKey, kind: .channel))
      }
      scripts.channelUsed(channel.channelIndex)
      if let script = try scripts.addReturn(channel.channelIndex) {
        added.append(NewScript(script: script, kind: .channel))
      }
    }
    return added
  }

  mutating func drop(_ txid: Bytes32) { channelBook.drop(book.drop(txid)) }

  /// Undoes an own transaction that was never relayed, or that peers refuse.
  public mutating func abandon(_ txid: Bytes32) throws(WalletError) {
    guard let entry = book.entries[txid], entry.isOwn, entry.height == nil else {
      throw .notPending
    }
    drop(txid)
  }
}
