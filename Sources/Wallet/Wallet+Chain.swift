import Bitcoin
import Bytes

extension Wallet {
  /// Nodes forget a transaction that waited for two weeks.
  public static let mempoolBlocks: UInt32 = 2016

  // MARK: Blocks

  /// A block that may concern the wallet, in any order and more than once. Returns scripts to watch
  /// from now on. In a wallet that is being restored they may have been paid a little earlier
  /// already: payments that waited, at most ``mempoolBlocks``, are confirmed in any order.
  public mutating func blockConnected(
    height: UInt32, block: Block
  ) throws(WalletError) -> [[UInt8]] {
    for transaction in block.transactions {
      let txid = transaction.txid
      dropConflicts(of: transaction, txid: txid)
      note(transaction, txid: txid, height: height, isOwn: false)
    }
    return try extend()
  }

  /// All blocks up to `height` were looked through.
  public mutating func blockScanned(height: UInt32, hash: Bytes32) {
    scannedHeight = height
    recentBlocks.removeAll { $0.height >= height }
    recentBlocks.append((height, hash))
    if recentBlocks.count > Int(Wallet.buriedDepth) { recentBlocks.removeFirst() }
    prune()
  }

  /// The blocks at `height` and above left the chain. What they held is unconfirmed again; what
  /// they mined is gone.
  public mutating func blockDisconnected(height: UInt32) {
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
    for (txid, entry) in entries {
      guard let confirmed = entry.height, confirmed >= height else { continue }
      if entry.transaction?.isCoinbase == true {
        drop(txid)
      } else {
        entries[txid]?.height = nil
      }
    }
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
  ) throws(WalletError) -> [[UInt8]] {
    let txid = transaction.txid
    if entries[txid] != nil { return [] }
    let unconfirmed = entries.values.lazy.filter { $0.height == nil && !$0.isOwn }.count
    if unconfirmed >= Wallet.maxIncoming { return [] }
    // Anyone can invent a transaction that names the wallet's coins, with worthless signatures: what
    // spends them is believed from the wallet itself or from a block.
    for input in transaction.inputs where coins[input.previous] != nil { return [] }
    note(transaction, txid: txid, height: nil, isOwn: false)
    return try extend()
  }

  /// Remembers a transaction that another store kept when this one's was lost: it is relayed again,
  /// and its coins are taken.
  public mutating func noteOwn(_ transaction: Transaction) {
    let txid = transaction.txid
    if entries[txid] == nil { note(transaction, txid: txid, height: nil, isOwn: true) }
  }

  /// Takes in a transaction that spends or makes coins of the wallet; others leave no trace.
  mutating func note(_ transaction: Transaction, txid: Bytes32, height: UInt32?, isOwn: Bool) {
    guard let paidSat = transaction.totalOutputSat else { return }
    var receivedSat: UInt64 = 0
    for (index, output) in transaction.outputs.enumerated() {
      guard let path = path(of: output.scriptPubKey) else { continue }
      receivedSat += output.amountSat
      markUsed(path)
      let outPoint = OutPoint(txid: txid, index: UInt32(index))
      if coins[outPoint] == nil {
        coins[outPoint] = WalletCoin(
          outPoint: outPoint, amountSat: output.amountSat, path: path,
          isCoinbase: transaction.isCoinbase)
      }
      if let height { coins[outPoint]?.height = height }
    }
    var spentSat: UInt64 = 0
    var spendsOnlyOwn = true
    for input in transaction.inputs {
      guard let coin = coins[input.previous] else {
        spendsOnlyOwn = false
        continue
      }
      spentSat = min(spentSat + coin.amountSat, Amount.maxSat)
      coins[input.previous]?.spentBy = txid
      if let height { coins[input.previous]?.spentHeight = height }
    }
    if receivedSat == 0 && spentSat == 0 { return }
    var entry =
      entries[txid]
      ?? WalletTransaction(txid: txid, isOwn: isOwn, receivedSat: 0, spentSat: 0)
    if let height { entry.height = height }
    entry.receivedSat = receivedSat
    entry.spentSat = spentSat
    if spendsOnlyOwn && paidSat <= spentSat {
      entry.feeSat = spentSat - paidSat
    }
    // Blocks come without witnesses, and what has to be relayed again needs them.
    if entry.transaction?.hasWitness != true { entry.transaction = transaction }
    entries[txid] = entry
  }

  /// A block holds `transaction`: whatever spends the same coins will never confirm.
  private mutating func dropConflicts(of transaction: Transaction, txid: Bytes32) {
    var losers: [Bytes32] = []
    for entry in entries.values where entry.height == nil && entry.txid != txid {
      guard let other = entry.transaction else { continue }
      let isRival = other.inputs.contains { input in
        transaction.inputs.contains { $0.previous == input.previous }
      }
      if isRival { losers.append(entry.txid) }
    }
    for loser in losers { drop(loser) }
  }

  /// Forgets a transaction, the coins that it made, whatever spends those, and gives back the
  /// coins that it spent.
  mutating func drop(_ txid: Bytes32) {
    guard entries.removeValue(forKey: txid) != nil else { return }
    for (outPoint, coin) in coins {
      if coin.spentBy == txid {
        coins[outPoint]?.spentBy = nil
        coins[outPoint]?.spentHeight = nil
      }
      if outPoint.txid == txid {
        coins[outPoint] = nil
        if let child = coin.spentBy { drop(child) }
      }
    }
  }

  /// Gives up an own transaction that never was relayed, or that peers refuse.
  public mutating func abandon(_ txid: Bytes32) throws(WalletError) {
    guard let entry = entries[txid], entry.isOwn, entry.height == nil else { throw .notPending }
    drop(txid)
  }

  /// Forgets the bytes of transactions that no reorganisation can bring back. Spent coins stay: a
  /// block that is seen again for a later script would make them anew.
  private mutating func prune() {
    guard let scanned = scannedHeight, scanned > Wallet.buriedDepth else { return }
    let buried = scanned - Wallet.buriedDepth
    for (txid, entry) in entries where entry.transaction != nil {
      if let height = entry.height, height <= buried { entries[txid]?.transaction = nil }
    }
  }
}
