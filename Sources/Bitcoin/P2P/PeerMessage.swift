import Bytes

/// A message of the Bitcoin peer-to-peer protocol, version 1, as used by light clients and their
/// servers. Unknown messages keep their command and are otherwise ignored.
public enum PeerMessage: Equatable, Sendable {
  case version(VersionMessage)
  case verack
  case ping(UInt64)
  case pong(UInt64)
  /// BIP130: announce new blocks by header.
  case sendHeaders
  /// BIP339: announce transactions by witness id. Sent before `verack`.
  case wtxidRelay
  /// BIP155: send `addrv2`. Sent before `verack`.
  case sendAddrV2
  /// BIP133: the lowest fee rate, in sat per 1000 virtual bytes, of transactions to announce.
  case feeFilter(UInt64)
  case getHeaders(locator: [Bytes32], stop: Bytes32)
  case headers([BlockHeader])
  case inv([InventoryVector])
  case getData([InventoryVector])
  case notFound([InventoryVector])
  case block(Block)
  case transaction(Transaction)
  case mempool
  case getAddr
  case addr([NetworkAddress])
  case addrV2([NetworkAddress])
  case getFilters(FilterRangeRequest)
  case filter(FilterMessage)
  case getFilterHeaders(FilterRangeRequest)
  case filterHeaders(FilterHeadersMessage)
  case getFilterCheckpoints(filterType: UInt8, stopHash: Bytes32)
  case filterCheckpoints(FilterCheckpointsMessage)
  case unknown(command: [UInt8])

  /// Bitcoin Core's limits.
  public static let maxHeaders = 2000
  public static let maxInventory = 50_000
  public static let maxLocator = 101
  public static let maxAddresses = 1000

  static func hashes(_ reader: inout ByteReader, limit: Int) throws(BytesError) -> [Bytes32] {
    let count = try reader.compactSize(limit: UInt64(limit))
    var list: [Bytes32] = []
    list.reserveCapacity(min(count, reader.remaining / 32))
    for _ in 0..<count { list.append(try reader.bytes32()) }
    return list
  }
}
