import Bitcoin
import Bytes

/// Queries.
extension Wallet {
  /// All unspent coins, oldest first.
  public var unspentCoins: [WalletCoin] {
    book.coins.values.filter { $0.spentBy == nil }.sorted(by: Wallet.isOlder)
  }

  /// Every output that pays to the wallet or is one of its channels, oldest first: to be passed to
  /// the light client after a restart (`LightClient.recall`).
  public var knownOutputs: [(outPoint: OutPoint, script: [UInt8])] {
    var known: [(outPoint: OutPoint, script: [UInt8])] = []
    for coin in book.coins.values.sorted(by: Wallet.isOlder) {
      if let script = script(coin.path) { known.append((coin.outPoint, script)) }
    }
    // The light client keeps the newest ones, and channels matter most, so they come last.
    for channel in liveChannels { known.append((channel.outPoint, channel.scriptPubKey)) }
    return known
  }

  private static func isOlder(_ left: WalletCoin, _ right: WalletCoin) -> Bool {
    let heights = (left.height ?? UInt32.max, right.height ?? UInt32.max)
    if heights.0 != heights.1 { return heights.0 < heights.1 }
    if left.outPoint.txid != right.outPoint.txid { return left.outPoint.txid < right.outPoint.txid }
    return left.outPoint.index < right.outPoint.index
  }

  // MARK: Channels

  /// The channels that are neither closed nor refunded, oldest first.
  public var lockedChannels: [LockedChannel] { channelBook.locked }

  /// Every channel that the wallet funded, also those that have ended.
  public var channels: [LockedChannel] { channelBook.sorted }

  public func channel(_ outPoint: OutPoint) -> LockedChannel? { channelBook.channels[outPoint] }

  /// Channels whose end is not buried yet.
  var liveChannels: [LockedChannel] {
    channelBook.live(scannedHeight: scannedHeight ?? 0, depth: Wallet.buriedDepth)
  }

  // MARK: Balance

  func isSpendable(_ coin: WalletCoin) -> Bool {
    if coin.spentBy != nil { return false }
    guard let height = coin.height else {
      // The wallet's own change is as safe as the transaction that made it. The return of a close
      // is locked until the close is in a block.
      return coin.path.chain != .closeReturn
        && book.entries[coin.outPoint.txid]?.isOwn == true
    }
    return !coin.isCoinbase || isMature(height)
  }

  private func isMature(_ height: UInt32) -> Bool {
    // The next block is the first that could hold the spend.
    UInt64(scannedHeight ?? 0) + 1 >= UInt64(height) + UInt64(Wallet.coinbaseMaturity)
  }

  public var balance: WalletBalance {
    var balance = WalletBalance()
    for coin in book.coins.values where coin.spentBy == nil {
      // Wrapping addition: only an invalid chain could overflow.
      if isSpendable(coin) {
        balance.spendableSat &+= coin.amountSat
      } else if coin.height != nil {
        balance.immatureSat &+= coin.amountSat
      } else {
        balance.incomingSat &+= coin.amountSat
      }
    }
    for channel in channelBook.channels.values where channel.spend == nil {
      balance.lockedSat &+= channel.capacitySat
    }
    return balance
  }

  // MARK: Transactions

  /// Newest first: unconfirmed ones, then by descending height.
  public var history: [WalletTransaction] {
    book.entries.values.sorted { left, right in
      let heights = (left.height ?? UInt32.max, right.height ?? UInt32.max)
      return heights.0 == heights.1 ? left.txid < right.txid : heights.0 > heights.1
    }
  }

  public func transaction(_ txid: Bytes32) -> WalletTransaction? { book.entries[txid] }

  /// The kind of each transaction in ``history``.
  public var kinds: [Bytes32: WalletTransactionKind] {
    var kinds: [Bytes32: WalletTransactionKind] = [:]
    for entry in book.entries.values {
      let isMoved = entry.feeSat != nil && entry.spentSat == entry.receivedSat + (entry.feeSat ?? 0)
      kinds[entry.txid] = entry.spentSat == 0 ? .received : isMoved ? .moved : .sent
    }
    var funded: [Bytes32: Int] = [:]
    for channel in channelBook.channels.values {
      funded[channel.outPoint.txid, default: 0] += 1
      if let spend = channel.spend {
        kinds[spend.txid] = spend.kind == .close ? .close : .refund
      }
    }
    for (txid, count) in funded { kinds[txid] = .funding(channels: count) }
    return kinds
  }

  /// The wallet's own unconfirmed transactions, to be relayed again after a restart. Parents come
  /// before their children.
  public var pendingTransactions: [Transaction] {
    var open = book.entries.values.filter { $0.isOwn && $0.height == nil }
      .sorted { $0.txid < $1.txid }
    var sorted: [Transaction] = []
    while let index = open.firstIndex(where: { entry in
      !open.contains { other in
        other.txid != entry.txid && entry.transaction?.spends(other.txid) == true
      }
    }) {
      if let transaction = open.remove(at: index).transaction { sorted.append(transaction) }
    }
    return sorted
  }
}

extension Transaction {
  /// Whether an input spends an output of this transaction.
  func spends(_ txid: Bytes32) -> Bool { inputs.contains { $0.previous.txid == txid } }
}
