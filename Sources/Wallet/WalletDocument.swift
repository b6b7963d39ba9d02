import Bitcoin
import Bytes
import Channel

/// The file format of a ``WalletRecord``: a version byte, the wallet's identity, then the fields in
/// a fixed order; numbers little-endian, 0xffffffff for an unknown height.
enum WalletDocument {
  static let version: UInt8 = 2
  static let maxCoins: UInt64 = 1_000_000
  static let maxEntries: UInt64 = 1_000_000
  static let maxChannels: UInt64 = 1_000_000
  /// Limit of derivation time.
  static let maxScripts: UInt32 = 100_000
  private static let none = UInt32.max

  // MARK: Writing

  static func encode(_ record: WalletRecord, keys: WalletKeys, network: Network) -> [UInt8] {
    var writer = ByteWriter(reserving: 4096)
    writer.u8(version)
    writer.append(network.magic)
    writer.append(keys.identity)
    writer.u32le(record.birthHeight ?? none)
    writer.u32le(record.scannedHeight ?? none)
    for chain in [record.receive, record.change] {
      writer.u32le(chain.firstUnused)
      writer.u32le(chain.firstFresh)
    }
    writer.u32le(record.nextChannel)
    writer.compactSize(record.recentBlocks.count)
    for block in record.recentBlocks {
      writer.u32le(block.height)
      writer.append(block.hash)
    }
    writer.compactSize(record.coins.count)
    for coin in record.coins.sorted(by: { isBefore($0.outPoint, $1.outPoint) }) {
      encode(coin, to: &writer)
    }
    writer.compactSize(record.entries.count)
    for entry in record.entries.sorted(by: { $0.txid < $1.txid }) { encode(entry, to: &writer) }
    writer.compactSize(record.channels.count)
    for channel in record.channels.sorted(by: { isBefore($0.outPoint, $1.outPoint) }) {
      encode(channel, to: &writer)
    }
    return writer.bytes
  }

  private static func isBefore(_ left: OutPoint, _ right: OutPoint) -> Bool {
    left.txid == right.txid ? left.index < right.index : left.txid < right.txid
  }

  private static func encode(_ coin: WalletCoin, to writer: inout ByteWriter) {
    coin.outPoint.encode(to: &writer)
    writer.u64le(coin.amountSat)
    writer.u8(UInt8(coin.path.chain.rawValue) | (coin.isCoinbase ? 4 : 0))
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
    writer.u32le(entry.seenHeight)
    writer.u64le(entry.receivedSat)
    writer.u64le(entry.spentSat)
    if let feeSat = entry.feeSat { writer.u64le(feeSat) }
    if let transaction = entry.transaction { writer.lengthPrefixed(transaction.bytes()) }
  }

  private static func encode(_ channel: LockedChannel, to writer: inout ByteWriter) {
    channel.outPoint.encode(to: &writer)
    writer.u64le(channel.capacitySat)
    writer.u32le(channel.channelIndex)
    writer.append(channel.lock.providerKey)
    writer.append(channel.lock.publisherKey)
    writer.u32le(channel.lock.expiryHeight)
    writer.u32le(channel.fundingHeight ?? none)
    writer.u8(channel.spend?.kind.rawValue ?? 0)
    if let spend = channel.spend {
      writer.append(spend.txid)
      writer.u32le(spend.height ?? none)
    }
  }

  // MARK: Reading

  /// Decodes the output of ``encode(_:keys:network:)`` for the same keys and network. Throws
  /// `otherWallet` for others, `documentVersion` for another version, `document` for damage.
  static func decode(
    _ document: [UInt8], keys: WalletKeys, network: Network
  ) throws(WalletError) -> WalletRecord {
    if let found = document.first, found != version { throw .documentVersion(found) }
    var reader = ByteReader(document)
    let isOurs: Bool
    do throws(BytesError) {
      try reader.skip(1)
      let magic = try reader.take(4)
      let identity = try reader.bytes32()
      isOurs = magic == network.magic && identity == keys.identity
    } catch { throw .document(error) }
    if !isOurs { throw .otherWallet }
    do throws(BytesError) {
      let record = try read(&reader)
      try reader.finish()
      return record
    } catch { throw .document(error) }
  }

  private static func read(_ reader: inout ByteReader) throws(BytesError) -> WalletRecord {
    var record = WalletRecord()
    record.birthHeight = try height(&reader)
    record.scannedHeight = try height(&reader)
    record.receive = try chain(&reader)
    record.change = try chain(&reader)
    record.nextChannel = try channelIndex(&reader, limit: WalletKeys.maxChannelIndex + 1)
    for _ in 0..<(try reader.compactSize(limit: UInt64(Wallet.buriedDepth))) {
      let start = reader.offset
      let block = Wallet.ScannedBlock(height: try reader.u32le(), hash: try reader.bytes32())
      if let last = record.recentBlocks.last, last.height >= block.height {
        throw BytesError.invalid(offset: start)
      }
      record.recentBlocks.append(block)
    }
    var last: OutPoint?
    for _ in 0..<(try reader.compactSize(limit: maxCoins)) {
      let start = reader.offset
      let coin = try coin(&reader, record)
      try checkOrder(coin.outPoint, &last, start)
      record.coins.append(coin)
    }
    for _ in 0..<(try reader.compactSize(limit: maxEntries)) {
      let start = reader.offset
      let entry = try entry(&reader)
      if let before = record.entries.last, !(before.txid < entry.txid) {
        throw BytesError.nonCanonical(offset: start)
      }
      record.entries.append(entry)
    }
    last = nil
    for _ in 0..<(try reader.compactSize(limit: maxChannels)) {
      let start = reader.offset
      let channel = try channel(&reader, record)
      try checkOrder(channel.outPoint, &last, start)
      record.channels.append(channel)
    }
    return record
  }

  private static func checkOrder(
    _ outPoint: OutPoint, _ last: inout OutPoint?, _ start: Int
  ) throws(BytesError) {
    if let last, !isBefore(last, outPoint) { throw BytesError.nonCanonical(offset: start) }
    last = outPoint
  }

  private static func height(_ reader: inout ByteReader) throws(BytesError) -> UInt32? {
    let value = try reader.u32le()
    return value == none ? nil : value
  }

  private static func chain(_ reader: inout ByteReader) throws(BytesError) -> ScriptBook.Chain {
    let start = reader.offset
    let chain = ScriptBook.Chain(firstUnused: try reader.u32le(), firstFresh: try reader.u32le())
    // The gap limit bounds their difference.
    if chain.firstUnused > maxScripts || chain.firstFresh < chain.firstUnused
      || chain.firstFresh - chain.firstUnused > ScriptBook.gapLimit
    {
      throw BytesError.invalid(offset: start)
    }
    return chain
  }

  private static func channelIndex(
    _ reader: inout ByteReader, limit: UInt32
  ) throws(BytesError) -> UInt32 {
    let start = reader.offset
    let index = try reader.u32le()
    if index > limit { throw BytesError.invalid(offset: start) }
    return index
  }

  private static func amount(_ reader: inout ByteReader) throws(BytesError) -> UInt64 {
    let start = reader.offset
    let amountSat = try reader.u64le()
    if amountSat > Amount.maxSat { throw BytesError.invalid(offset: start) }
    return amountSat
  }

  /// A coin has a script, and that script counts as used.
  private static func coin(
    _ reader: inout ByteReader, _ record: WalletRecord
  ) throws(BytesError) -> WalletCoin {
    let outPoint = try OutPoint.decode(&reader)
    let amountSat = try amount(&reader)
    let start = reader.offset
    let flags = try reader.u8()
    let index = try reader.u32le()
    guard flags < 8, let chain = KeyPath.Chain(rawValue: UInt32(flags & 3)) else {
      throw BytesError.invalid(offset: start)
    }
    let used: UInt32
    switch chain {
    case .receive: used = record.receive.firstUnused
    case .change: used = record.change.firstUnused
    case .closeReturn: used = record.nextChannel
    }
    if index >= used { throw BytesError.invalid(offset: start) }
    var coin = WalletCoin(
      outPoint: outPoint, amountSat: amountSat, path: KeyPath(chain, index),
      isCoinbase: flags & 4 != 0)
    coin.height = try height(&reader)
    if try flag(&reader) {
      coin.spentBy = try reader.bytes32()
      coin.spentHeight = try height(&reader)
    }
    return coin
  }

  private static func flag(_ reader: inout ByteReader) throws(BytesError) -> Bool {
    let start = reader.offset
    let value = try reader.u8()
    if value > 1 { throw BytesError.invalid(offset: start) }
    return value == 1
  }

  private static func entry(_ reader: inout ByteReader) throws(BytesError) -> WalletTransaction {
    let txid = try reader.bytes32()
    let start = reader.offset
    let flags = try reader.u8()
    if flags > 7 { throw BytesError.invalid(offset: start) }
    var entry = WalletTransaction(
      txid: txid, isOwn: flags & 1 != 0, height: try height(&reader),
      seenHeight: try reader.u32le(), receivedSat: try amount(&reader),
      spentSat: try amount(&reader))
    if flags & 2 != 0 { entry.feeSat = try amount(&reader) }
    if flags & 4 != 0 {
      var inner = ByteReader(try reader.lengthPrefixed(limit: Transaction.maxBytes))
      let transaction = try Transaction.decode(&inner)
      try inner.finish()
      if transaction.txid != txid { throw BytesError.invalid(offset: start) }
      entry.transaction = transaction
    }
    return entry
  }

  private static func channel(
    _ reader: inout ByteReader, _ record: WalletRecord
  ) throws(BytesError) -> LockedChannel {
    let outPoint = try OutPoint.decode(&reader)
    let capacitySat = try amount(&reader)
    let start = reader.offset
    let index = try channelIndex(&reader, limit: WalletKeys.maxChannelIndex)
    let lock = ChannelLock(
      providerKey: try reader.take(33), publisherKey: try reader.take(33),
      expiryHeight: try reader.u32le())
    if index >= record.nextChannel || lock.expiryHeight == 0
      || lock.expiryHeight >= ChannelTerms.heightLimit
    {
      throw BytesError.invalid(offset: start)
    }
    var channel = LockedChannel(
      outPoint: outPoint, capacitySat: capacitySat, channelIndex: index, lock: lock)
    channel.fundingHeight = try height(&reader)
    let kindStart = reader.offset
    let kind = try reader.u8()
    if kind != 0 {
      guard let kind = LockedChannel.Spend.Kind(rawValue: kind) else {
        throw BytesError.invalid(offset: kindStart)
      }
      channel.spend = LockedChannel.Spend(
        kind: kind, txid: try reader.bytes32(), height: try height(&reader))
    }
    return channel
  }
}

extension Wallet {
  /// The input of ``init(document:keys:network:)``. Contains no key.
  public func encode() -> [UInt8] {
    WalletDocument.encode(record, keys: keys, network: network)
  }

  /// Decodes the output of ``encode()`` for the same keys and network. Throws `otherWallet` for
  /// others, `documentVersion` for another version, `document` for damage.
  public init(document: [UInt8], keys: WalletKeys, network: Network) throws(WalletError) {
    let record = try WalletDocument.decode(document, keys: keys, network: network)
    try self.init(record, keys: keys, network: network)
  }
}
