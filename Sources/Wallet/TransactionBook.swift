import Bitcoin
import Bytes

/// The transactions that touch the wallet, and the outputs that pay to it.
struct TransactionBook: Sendable {
  private(set) var coins: [OutPoint: WalletCoin] = [:]
  private(set) var entries: [Bytes32: WalletTransaction] = [:]

  init() {}
  init(coins: [WalletCoin], entries: [WalletTransaction]) {
    for coin in coins { self.coins[coin.outPoint] = coin }
    for entry in entries { self.entries[entry.txid] = entry }
  }

  /// Number of unconfirmed transactions made by others.
  var incomingCount: Int {
    entries.values.lazy.filter { $0.height == nil && !$0.isOwn }.count
  }

  // MARK: Recording

  /// A transaction to record.
  struct Sighting {
    var transaction: Transaction
    var txid: Bytes32
    /// Nil for one that is in no block.
    var height: UInt32?
    var isOwn: Bool
    /// The height up to which blocks are known.
    var seenHeight: UInt32
  }

  /// Records a transaction that spends or makes coins of the wallet; ignores others.
  ///
  /// - Parameters:
  ///   - path: the key of an output's script.
  ///   - channelSat: the amount of an output that is one of the wallet's channels.
  /// - Returns: the keys that were paid to.
  mutating func note(
    _ sighting: Sighting, path: ([UInt8]) -> KeyPath?, channelSat: (OutPoint) -> UInt64?
  ) -> [KeyPath] {
    let transaction = sighting.transaction
    guard let paidSat = transaction.totalOutputSat else { return [] }
    var paidTo: [KeyPath] = []
    var receivedSat: UInt64 = 0
    for (index, output) in transaction.outputs.enumerated() {
      guard let path = path(output.scriptPubKey) else { continue }
      receivedSat += output.amountSat
      paidTo.append(path)
      let outPoint = OutPoint(txid: sighting.txid, index: UInt32(index))
      if coins[outPoint] == nil {
        coins[outPoint] = WalletCoin(
          outPoint: outPoint, amountSat: output.amountSat, path: path,
          isCoinbase: transaction.isCoinbase)
      }
      if let height = sighting.height { coins[outPoint]?.height = height }
    }
    let spent = takeCoins(sighting, channelSat)
    if paidTo.isEmpty && !spent.isAny { return [] }
    var entry =
      entries[sighting.txid]
      ?? WalletTransaction(
        txid: sighting.txid, isOwn: sighting.isOwn, seenHeight: sighting.seenHeight,
        receivedSat: 0, spentSat: 0)
    if let height = sighting.height { entry.height = height }
    entry.receivedSat = receivedSat
    entry.spentSat = spent.coinsSat
    if spent.isAll && paidSat <= spent.coinsSat + spent.channelsSat {
      entry.feeSat = spent.coinsSat + spent.channelsSat - paidSat
    }
    // Relaying it again needs its witnesses, which not every block includes.
    if entry.transaction?.hasWitness != true { entry.transaction = transaction }
    entries[sighting.txid] = entry
    return paidTo
  }

  private struct Taken {
    var coinsSat: UInt64 = 0
    var channelsSat: UInt64 = 0
    var isAny = false
    /// Every input is the wallet's.
    var isAll = true
  }

  private mutating func takeCoins(
    _ sighting: Sighting, _ channelSat: (OutPoint) -> UInt64?
  ) -> Taken {
    var taken = Taken()
    for input in sighting.transaction.inputs {
      if let coin = coins[input.previous] {
        taken.isAny = true
        taken.coinsSat = min(taken.coinsSat + coin.amountSat, Amount.maxSat)
        coins[input.previous]?.spentBy = sighting.txid
        if let height = sighting.height { coins[input.previous]?.spentHeight = height }
      } else if let amountSat = channelSat(input.previous) {
        taken.isAny = true
        taken.channelsSat = min(taken.channelsSat + amountSat, Amount.maxSat)
      } else {
        taken.isAll = false
      }
    }
    return taken
  }

  // MARK: Conflicts

  /// The outputs that unconfirmed transactions spend, and the ids of those transactions.
  var pendingSpends: [OutPoint: [Bytes32]] {
    var spends: [OutPoint: [Bytes32]] = [:]
    for entry in entries.values where entry.height == nil {
      for input in entry.transaction?.inputs ?? [] {
        spends[input.previous, default: []].append(entry.txid)
      }
    }
    return spends
  }

  /// Removes a transaction, its coins and whatever spends those, and frees the coins that it spent.
  /// Returns the ids of all removed transactions.
  mutating func drop(_ txid: Bytes32) -> Set<Bytes32> {
    var dropped = Set<Bytes32>()
    var open = [txid]
    while let next = open.popLast() {
      if entries.removeValue(forKey: next) == nil || !dropped.insert(next).inserted { continue }
      for (outPoint, coin) in coins {
        if coin.spentBy == next {
          coins[outPoint]?.spentBy = nil
          coins[outPoint]?.spentHeight = nil
        }
        if outPoint.txid == next {
          coins[outPoint] = nil
          if let child = coin.spentBy { open.append(child) }
        }
      }
    }
    return dropped
  }

  // MARK: Blocks

  /// The blocks at `height` and above left the chain. Their transactions are unconfirmed again;
  /// their coinbases are removed. Returns the removed ids.
  mutating func disconnected(height: UInt32) -> Set<Bytes32> {
    for (outPoint, coin) in coins {
      if let made = coin.height, made >= height {
        if coin.isCoinbase {
          coins[outPoint] = nil
          continue
        }
        coins[outPoint]?.height = nil
      }
      if let spent = coin.spentHeight, spent >= height { coins[outPoint]?.spentHeight = nil }
    }
    var dropped = Set<Bytes32>()
    for (txid, entry) in entries {
      guard let confirmed = entry.height, confirmed >= height else { continue }
      if entry.transaction?.isCoinbase == true {
        dropped.formUnion(drop(txid))
      } else {
        entries[txid]?.height = nil
      }
    }
    return dropped
  }

  /// Drops the bytes of transactions that are too deep for a reorganisation. Spent coins stay: a
  /// rescan of their block for a later script would add them again as unspent.
  mutating func prune(buriedHeight: UInt32) {
    for (txid, entry) in entries where entry.transaction != nil {
      if let height = entry.height, height <= buriedHeight { entries[txid]?.transaction = nil }
    }
  }
}
