import Bitcoin
import Bytes

/// What a wallet owns and how it changes with the chain, without I/O.
///
/// The driver watches ``watchedScripts`` with the light client, gives every matching block to
/// ``blockConnected(height:block:)``, and watches the scripts that it returns from then on.
public struct Wallet: Sendable {
  /// Unused addresses that are watched beyond the last used one.
  public static let gapLimit: UInt32 = 20
  /// Scripts are derived so many at a time beyond the gap, for each batch may cost a second look at
  /// some blocks.
  private static let batch: UInt32 = 20
  public static let maxFeeRateSatPerVb: UInt64 = 10_000
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
  public internal(set) var birthHeight: UInt32?
  /// The height up to which blocks were looked through; nil before any was.
  public internal(set) var scannedHeight: UInt32?
  /// The last scanned blocks, ascending, to find where a chain was left while nobody looked.
  var recentBlocks: [(height: UInt32, hash: Bytes32)] = []

  var coins: [OutPoint: WalletCoin] = [:]
  var entries: [Bytes32: WalletTransaction] = [:]
  /// Per chain: how many scripts are derived, the first index never seen on chain, and the first
  /// never handed out.
  var derived: [UInt32] = [0, 0]
  var firstUnused: [UInt32] = [0, 0]
  var firstFresh: [UInt32] = [0, 0]
  private var paths: [[UInt8]: KeyPath] = [:]
  private var scripts: [[[UInt8]]] = [[], []]

  public init(keys: WalletKeys, network: Network, birthHeight: UInt32?) throws(WalletError) {
    self.init(withoutScripts: keys, network: network, birthHeight: birthHeight)
    _ = try extend()
  }

  /// Call ``extend()`` before anything else.
  init(withoutScripts keys: WalletKeys, network: Network, birthHeight: UInt32?) {
    self.keys = keys
    self.network = network
    self.birthHeight = birthHeight
  }

  /// The birth of a new wallet was looked up in the chain.
  public mutating func setBirth(_ height: UInt32) { birthHeight = height }

  // MARK: Scripts

  /// Every script to look for, in a fixed order.
  public var watchedScripts: [[UInt8]] { scripts[0] + scripts[1] }

  func path(of script: [UInt8]) -> KeyPath? { paths[script] }

  func script(_ path: KeyPath) -> [UInt8] { scripts[Int(path.chain.rawValue)][Int(path.index)] }

  /// Derives scripts up to the gap limit; returns the new ones.
  mutating func extend() throws(WalletError) -> [[UInt8]] {
    var added: [[UInt8]] = []
    for chain in [KeyPath.Chain.receive, .change] {
      let place = Int(chain.rawValue)
      let needed = max(firstUnused[place], firstFresh[place]) + Wallet.gapLimit
      if derived[place] >= needed { continue }
      while derived[place] < needed + Wallet.batch {
        let path = KeyPath(chain, derived[place])
        let script = try keys.script(path)
        paths[script] = path
        scripts[place].append(script)
        added.append(script)
        derived[place] += 1
      }
    }
    return added
  }

  mutating func markUsed(_ path: KeyPath) {
    let place = Int(path.chain.rawValue)
    firstUnused[place] = max(firstUnused[place], path.index + 1)
    firstFresh[place] = max(firstFresh[place], path.index + 1)
  }

  /// The address to tell now: the first that was never paid to. The same until it is used.
  public var receiveScript: [UInt8] { script(KeyPath(.receive, firstUnused[0])) }

  /// An address never told before. After ``gapLimit`` of them without a payment the first unused
  /// one comes again, for a restored wallet would not look further. ``watchedScripts`` may have
  /// grown afterwards.
  public mutating func freshReceiveScript() throws(WalletError) -> [UInt8] {
    let path = KeyPath(.receive, takeFresh(.receive))
    _ = try extend()
    return script(path)
  }

  mutating func takeFresh(_ chain: KeyPath.Chain) -> UInt32 {
    let place = Int(chain.rawValue)
    if firstFresh[place] >= firstUnused[place] + Wallet.gapLimit { return firstUnused[place] }
    firstFresh[place] += 1
    return firstFresh[place] - 1
  }

  // MARK: What is known

  /// All coins that are not spent, the oldest first.
  public var unspentCoins: [WalletCoin] {
    coins.values.filter { $0.spentBy == nil }.sorted(by: Wallet.isOlder)
  }

  /// Every output that pays to the wallet, spent or not, the oldest first: what the light client has
  /// to be told after a restart (`LightClient.recall`).
  public var knownOutputs: [(outPoint: OutPoint, script: [UInt8])] {
    coins.values.sorted(by: Wallet.isOlder).map { ($0.outPoint, script($0.path)) }
  }

  private static func isOlder(_ left: WalletCoin, _ right: WalletCoin) -> Bool {
    let heights = (left.height ?? UInt32.max, right.height ?? UInt32.max)
    if heights.0 != heights.1 { return heights.0 < heights.1 }
    if left.outPoint.txid != right.outPoint.txid { return left.outPoint.txid < right.outPoint.txid }
    return left.outPoint.index < right.outPoint.index
  }

  func isSpendable(_ coin: WalletCoin) -> Bool {
    if coin.spentBy != nil { return false }
    guard let height = coin.height else {
      // One's own change is as good as the transaction that made it.
      return entries[coin.outPoint.txid]?.isOwn == true
    }
    return !coin.isCoinbase || isMature(height)
  }

  private func isMature(_ height: UInt32) -> Bool {
    // The next block is the first in which it could be spent.
    (scannedHeight ?? 0) + 1 >= height + Wallet.coinbaseMaturity
  }

  public var balance: WalletBalance {
    var balance = WalletBalance()
    for coin in coins.values where coin.spentBy == nil {
      // Wrapping, as only an invalid chain could have more coins than fit.
      if isSpendable(coin) {
        balance.spendableSat &+= coin.amountSat
      } else if coin.height != nil {
        balance.immatureSat &+= coin.amountSat
      } else {
        balance.incomingSat &+= coin.amountSat
      }
    }
    return balance
  }

  /// The newest first: unconfirmed ones, then by falling height.
  public var history: [WalletTransaction] {
    entries.values.sorted { left, right in
      let heights = (left.height ?? UInt32.max, right.height ?? UInt32.max)
      return heights.0 == heights.1 ? left.txid < right.txid : heights.0 > heights.1
    }
  }

  /// The wallet's own transactions that are in no block yet: to be relayed again after a restart.
  /// A transaction stands after those whose outputs it spends.
  public var pendingTransactions: [Transaction] {
    var open = entries.values.filter { $0.isOwn && $0.height == nil }.sorted { $0.txid < $1.txid }
    var sorted: [Transaction] = []
    var isPlaced = Set<Bytes32>()
    while let index = open.firstIndex(where: { entry in
      !open.contains { other in
        other.txid != entry.txid && entry.transaction?.spends(other.txid) == true
      }
    }) {
      let entry = open.remove(at: index)
      if let transaction = entry.transaction, isPlaced.insert(entry.txid).inserted {
        sorted.append(transaction)
      }
    }
    return sorted
  }
}

extension Transaction {
  /// Whether an input takes an output of this transaction.
  func spends(_ txid: Bytes32) -> Bool { inputs.contains { $0.previous.txid == txid } }
}
