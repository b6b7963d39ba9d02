import Bitcoin
import Bytes

/// The wallet's file: what it learnt, without any key. A lost file costs a scan from
/// ``Wallet/birthHeight`` and the memory of transactions that were not yet in a block.
extension Wallet {
  static let documentVersion: UInt8 = 1
  static let maxCoins: UInt64 = 1_000_000
  static let maxEntries: UInt64 = 1_000_000
  private static let none = UInt32.max

  // MARK: Writing

  public func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 4096)
    writer.u8(Wallet.documentVersion)
    writer.append(network.magic)
    writer.append(keys.identity)
    writer.u32le(birthHeight ?? Wallet.none)
    writer.u32le(scannedHeight ?? Wallet.none)
    for chain in 0..<2 {
      writer.u32le(firstUnused[chain])
      writer.u32le(firstFresh[chain])
    }
    writer.compactSize(recentBlocks.count)
    for block in recentBlocks {
      writer.u32le(block.height)
      writer.append(block.hash)
    }
    writer.compactSize(coins.count)
    for coin in coins.values.sorted(by: Wallet.isBefore) { Wallet.encode(coin, to: &writer) }
    writer.compactSize(entries.count)
    for entry in entries.values.sorted(by: { $0.txid < $1.txid }) {
      Wallet.encode(entry, to: &writer)
    }
    return writer.bytes
  }

  private static func isBefore(_ left: WalletCoin, _ right: WalletCoin) -> Bool {
    if left.outPoint.txid != right.outPoint.txid { return left.outPoint.txid < right.outPoint.txid }
    return left.outPoint.index < right.outPoint.index
  }

  private static func encode(_ coin: WalletCoin, to writer: inout ByteWriter) {
    coin.outPoint.encode(to: &writer)
    writer.u64le(coin.amountSat)
    writer.u8(UInt8(coin.path.chain.rawValue) | (coin.isCoinbase ? 2 : 0))
    writer.u32le(coin.path.index)
    writer.u32le(coin.height ?? none)
    writer.u8(coin.spentBy == nil ? 0 : 1)
    if let spentBy = coin.spentBy {
      writer.append(spentBy)
      writer.u32le(coin.spentHeight ?? none)
    }
  }

  private static func encode(_ entry: WalletTransaction, to writer: inout ByteWriter) {
    writer.append(entry.txid)
    let flags: UInt8 =
      (entry.isOwn ? 1 : 0) | (entry.feeSat == nil ? 0 : 2) | (entry.transaction == nil ? 0 : 4)
    writer.u8(flags)
    writer.u32le(entry.height ?? none)
    writer.u64le(entry.receivedSat)
    writer.u64le(entry.spentSat)
    if let feeSat = entry.feeSat { writer.u64le(feeSat) }
    if let transaction = entry.transaction { writer.lengthPrefixed(transaction.bytes()) }
  }

  // MARK: Reading

  /// Reads what ``encode()`` wrote for the same keys and network. Throws `otherWallet` for any
  /// other, `document` for damage.
  public init(document: [UInt8], keys: WalletKeys, network: Network) throws(WalletError) {
    var reader = ByteReader(document)
    let isOurs: Bool
    let birthHeight: UInt32?
    do {
      isOurs =
        try reader.u8() == Wallet.documentVersion && reader.take(4) == network.magic
        && reader.bytes32() == keys.identity
      birthHeight = isOurs ? try Wallet.height(&reader) : nil
    } catch { throw Wallet.documentError(error) }
    if !isOurs { throw .otherWallet }
    self.init(withoutScripts: keys, network: network, birthHeight: birthHeight)
    do {
      try read(&reader)
      try reader.finish()
    } catch { throw Wallet.documentError(error) }
    // A coin has a script, and that script counts as used.
    for coin in coins.values
    where coin.path.index >= firstUnused[Int(coin.path.chain.rawValue)] {
      throw .document(.invalid(offset: 0))
    }
    _ = try extend()
  }

  private static func documentError(_ error: any Error) -> WalletError {
    switch error {
    case let error as BytesError: return .document(error)
    case let error as WalletError: return error
    default: return .document(.invalid(offset: 0))
    }
  }

  private mutating func read(_ reader: inout ByteReader) throws {
    scannedHeight = try Wallet.height(&reader)
    for chain in 0..<2 {
      let start = reader.offset
      firstUnused[chain] = try reader.u32le()
      firstFresh[chain] = try reader.u32le()
      // Each script costs time to derive, and the gap limit keeps the two together.
      if firstUnused[chain] > 100_000 || firstFresh[chain] < firstUnused[chain]
        || firstFresh[chain] - firstUnused[chain] > Wallet.gapLimit
      {
        throw BytesError.invalid(offset: start)
      }
    }
    for _ in 0..<(try reader.compactSize(limit: UInt64(Wallet.buriedDepth))) {
      let start = reader.offset
      let height = try reader.u32le()
      if let last = recentBlocks.last, last.height >= height {
        throw BytesError.invalid(offset: start)
      }
      recentBlocks.append((height, try reader.bytes32()))
    }
    for _ in 0..<(try reader.compactSize(limit: Wallet.maxCoins)) {
      let coin = try Wallet.coin(&reader)
      coins[coin.outPoint] = coin
    }
    for _ in 0..<(try reader.compactSize(limit: Wallet.maxEntries)) {
      let entry = try Wallet.entry(&reader)
      entries[entry.txid] = entry
    }
  }

  private static func height(_ reader: inout ByteReader) throws(BytesError) -> UInt32? {
    let value = try reader.u32le()
    return value == none ? nil : value
  }

  private static func coin(_ reader: inout ByteReader) throws(BytesError) -> WalletCoin {
    let outPoint = try OutPoint.decode(&reader)
    let start = reader.offset
    let amountSat = try reader.u64le()
    let flags = try reader.u8()
    let index = try reader.u32le()
    guard amountSat <= Amount.maxSat, flags < 4,
      let chain = KeyPath.Chain(rawValue: UInt32(flags & 1))
    else { throw BytesError.invalid(offset: start) }
    var coin = WalletCoin(
      outPoint: outPoint, amountSat: amountSat, path: KeyPath(chain, index),
      isCoinbase: flags & 2 != 0)
    coin.height = try height(&reader)
    if try reader.u8() != 0 {
      coin.spentBy = try reader.bytes32()
      coin.spentHeight = try height(&reader)
    }
    return coin
  }

  private static func entry(_ reader: inout ByteReader) throws -> WalletTransaction {
    let txid = try reader.bytes32()
    let start = reader.offset
    let flags = try reader.u8()
    if flags > 7 { throw BytesError.invalid(offset: start) }
    let height = try height(&reader)
    let receivedSat = try reader.u64le()
    let spentSat = try reader.u64le()
    if receivedSat > Amount.maxSat || spentSat > Amount.maxSat {
      throw BytesError.invalid(offset: start)
    }
    let feeSat = flags & 2 == 0 ? nil : try reader.u64le()
    var transaction: Transaction?
    if flags & 4 != 0 {
      let bytes = try reader.lengthPrefixed(limit: Transaction.maxBytes)
      transaction = try Transaction.decode(bytes)
      if transaction?.txid != txid { throw BytesError.invalid(offset: start) }
    }
    return WalletTransaction(
      txid: txid, isOwn: flags & 1 != 0, height: height, receivedSat: receivedSat,
      spentSat: spentSat, feeSat: feeSat, transaction: transaction)
  }
}
