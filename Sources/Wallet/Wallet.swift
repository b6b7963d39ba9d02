import Bitcoin
import Bytes
import Channel

/// What a wallet owns and how it changes with the chain, without I/O.
///
/// The driver watches ``watchedScripts`` with the light client, gives every matching block to
/// ``blockConnected(height:block:)``, and watches the scripts that it returns from then on.
/// ``WalletOwner`` does so for a program.
public struct Wallet: Sendable {
  /// Unused addresses, and channels, that are looked for beyond the last used one.
  public static let gapLimit = ScriptBook.gapLimit
  /// Nodes forget a transaction that waited for two weeks.
  public static let mempoolBlocks: UInt32 = 2016
  /// Blocks before a miner's coins may be spent.
  static let coinbaseMaturity: UInt32 = 100
  /// What is deeper is not kept for reorganisations.
  static let buriedDepth: UInt32 = 144
  /// Others' unconfirmed payments that are remembered: anyone can invent them.
  static let maxIncoming = 256

  public let keys: WalletKeys
  public let network: Network
  /// No block below can concern the wallet. Nil until it was looked up in the chain, for a wallet
  /// that was made without one at hand.
  public private(set) var birthHeight: UInt32?
  /// The height up to which blocks were looked through; nil before any was.
  public private(set) var scannedHeight: UInt32?
  /// The last scanned blocks, ascending, to find where a chain was left while nobody looked.
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

  /// What ``init(_:keys:network:)`` takes.
  var record: WalletRecord {
    WalletRecord(
      birthHeight: birthHeight, scannedHeight: scannedHeight, recentBlocks: recentBlocks,
      receive: scripts.receive, change: scripts.change, nextChannel: scripts.nextChannel,
      coins: Array(book.coins.values), entries: Array(book.entries.values),
      channels: Array(channelBook.channels.values))
  }

  /// The birth of a new wallet was looked up in the chain.
  public mutating func setBirth(_ height: UInt32) { birthHeight = height }

  // MARK: Scripts

  /// Every script to look for, in a fixed order.
  public var watchedScripts: [[UInt8]] { scripts.all + liveChannels.map(\.scriptPubKey) }

  func script(_ path: KeyPath) -> [UInt8]? { scripts.script(path) }

  /// The address to tell now: the first that was never paid to. The same until it is used.
  public var receiveScript: [UInt8] {
    // Always derived, as the gap lies beyond it.
    scripts.script(KeyPath(.receive, scripts.receive.firstUnused)) ?? []
  }

  /// An address never told before. After ``gapLimit`` of them without a payment the first unused
  /// one comes again, for a restored wallet would not look further. ``watchedScripts`` may have
  /// grown afterwards.
  public mutating func freshReceiveScript() throws(WalletError) -> [UInt8] {
    try freshScript(.receive)
  }

  mutating func freshScript(_ chain: KeyPath.Chain) throws(WalletError) -> [UInt8] {
    let path = scripts.takeFresh(chain)
    _ = try scripts.extend()
    return try keys.script(path)
  }

  /// The index of a new channel's keys: purposes `channel` and `closeReturn` of
  /// ``WalletKeys/derivedSecret(_:index:)``. Store the wallet before the keys are told to anybody.
  public mutating func takeChannelIndex() throws(WalletError) -> UInt32 {
    let index = try scripts.takeChannel()
    _ = try scripts.extend()
    return index
  }

  /// Another store has a channel of this index, which a wallet that was restored cannot know of
  /// while it was not funded.
  public mutating func channelIndexUsed(_ index: UInt32) throws(WalletError) {
    if index > WalletKeys.maxChannelIndex { throw .channelsUsedUp }
    scripts.channelUsed(index)
    _ = try scripts.extend()
  }

  // MARK: Blocks

  /// A block that may concern the wallet, in any order and more than once. Returns scripts to watch
  /// from now on. In a wallet that is being restored they may have been paid a little earlier
  /// already: payments that waited, at most ``mempoolBlocks``, are confirmed in any order.
  public mutating func blockConnected(
    height: UInt32, block: Block
  ) throws(WalletError) -> [NewScript] {
    var added: [NewScript] = []
    var pending = book.pendingSpends
    for transaction in block.transactions {
      let txid = transaction.txid
      // Whatever spends the same coins will never confirm.
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

  /// All blocks up to `height` were looked through.
  public mutating func blockScanned(height: UInt32, hash: Bytes32) {
    scannedHeight = height
    recentBlocks.removeAll { $0.height >= height }
    recentBlocks.append(ScannedBlock(height: height, hash: hash))
    if recentBlocks.count > Int(Wallet.buriedDepth) { recentBlocks.removeFirst() }
    if height > Wallet.buriedDepth { book.prune(buriedHeight: height - Wallet.buriedDepth) }
  }

  /// The blocks at `height` and above left the chain. What they held is unconfirmed again; what
  /// they mined is gone.
  public mutating func blockDisconnected(height: UInt32) {
    channelBook.drop(book.disconnected(height: height))
    channelBook.disconnected(height: height) { book.entries[$0]?.isOwn == true }
    recentBlocks.removeAll { $0.height >= height }
    if let scanned = scannedHeight, scanned >= height {
      scannedHeight = height > birthHeight ?? 0 ? height - 1 : nil
    }
  }

  /// Compares what was scanned in an earlier run with the chain as it is now, and goes back to the
  /// last block that both have. `blockHash` is nil above the tip; below `baseHeight`, where hashes
  /// are no longer kept, no reorganisation is looked for.
  /// Returns the height from which blocks have to be looked through.
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

  /// A peer showed an unconfirmed transaction. Nothing about it is proven. Returns scripts to watch
  /// from now on.
  public mutating func transactionSeen(
    _ transaction: Transaction
  ) throws(WalletError) -> [NewScript] {
    let txid = transaction.txid
    if book.entries[txid] != nil || book.incomingCount >= Wallet.maxIncoming { return [] }
    // Anyone can invent a transaction that names the wallet's coins, with worthless signatures: what
    // spends them is believed from the wallet itself or from a block.
    for input in transaction.inputs where book.coins[input.previous] != nil { return [] }
    // A close too is believed in a block; until then its output is one that may come.
    let added = try note(transaction, txid: txid, height: nil, isOwn: false)
    return added + (try scripts.extend())
  }

  /// Takes in a transaction that the wallet's owner made, or that another store kept when this
  /// one's was lost: its coins are taken, and it is relayed until it confirms.
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

  /// Gives up an own transaction that never was relayed, or that peers refuse.
  public mutating func abandon(_ txid: Bytes32) throws(WalletError) {
    guard let entry = book.entries[txid], entry.isOwn, entry.height == nil else {
      throw .notPending
    }
    drop(txid)
  }
}
