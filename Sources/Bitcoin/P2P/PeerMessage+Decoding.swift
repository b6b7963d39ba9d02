import Bytes

extension PeerMessage {
  /// Decodes the payload of a message. A known command must hold exactly its fields; an unknown one
  /// is accepted, because the protocol may grow. For `keepsBlockWitnesses` see ``MessageFramer``.
  public static func decode(
    command: [UInt8], payload: [UInt8], keepsBlockWitnesses: Bool = true
  ) throws(BitcoinError) -> PeerMessage {
    var reader = ByteReader(payload)
    return try decoding { () throws(BytesError) in
      if command.isAscii("block") {
        let block = try Block.decode(&reader, keepsWitness: keepsBlockWitnesses)
        try reader.finish()
        return .block(block)
      }
      guard let message = try decodeBody(command, &reader) else {
        return .unknown(command: command)
      }
      try reader.finish()
      return message
    }
  }

  private static func decodeBody(
    _ command: [UInt8], _ reader: inout ByteReader
  ) throws(BytesError) -> PeerMessage? {
    if command.isAscii("version") { return .version(try VersionMessage.decode(&reader)) }
    if command.isAscii("verack") { return .verack }
    if command.isAscii("ping") { return .ping(try reader.u64le()) }
    if command.isAscii("pong") { return .pong(try reader.u64le()) }
    if command.isAscii("sendheaders") { return .sendHeaders }
    if command.isAscii("wtxidrelay") { return .wtxidRelay }
    if command.isAscii("sendaddrv2") { return .sendAddrV2 }
    if command.isAscii("feefilter") { return .feeFilter(try reader.u64le()) }
    if command.isAscii("mempool") { return .mempool }
    if command.isAscii("getaddr") { return .getAddr }
    if command.isAscii("tx") { return .transaction(try decodeTransaction(&reader)) }
    if command.isAscii("headers") { return .headers(try decodeHeaders(&reader)) }
    if command.isAscii("getheaders") { return try decodeGetHeaders(&reader) }
    return try decodeInventory(command, &reader)
  }

  private static func decodeInventory(
    _ command: [UInt8], _ reader: inout ByteReader
  ) throws(BytesError) -> PeerMessage? {
    if command.isAscii("inv") { return .inv(try inventory(&reader)) }
    if command.isAscii("getdata") { return .getData(try inventory(&reader)) }
    if command.isAscii("notfound") { return .notFound(try inventory(&reader)) }
    if command.isAscii("addr") {
      let count = try reader.compactSize(limit: UInt64(maxAddresses))
      var list: [NetworkAddress] = []
      for _ in 0..<count { list.append(try NetworkAddress.decodeLegacy(&reader)) }
      return .addr(list)
    }
    if command.isAscii("addrv2") {
      let count = try reader.compactSize(limit: UInt64(maxAddresses))
      var list: [NetworkAddress] = []
      for _ in 0..<count { list.append(try NetworkAddress.decodeV2(&reader)) }
      return .addrV2(list)
    }
    return try decodeFilterMessage(command, &reader)
  }

  private static func decodeFilterMessage(
    _ command: [UInt8], _ reader: inout ByteReader
  ) throws(BytesError) -> PeerMessage? {
    if command.isAscii("getcfilters") {
      return .getFilters(try FilterRangeRequest.decode(&reader))
    }
    if command.isAscii("cfilter") { return .filter(try FilterMessage.decode(&reader)) }
    if command.isAscii("getcfheaders") {
      return .getFilterHeaders(try FilterRangeRequest.decode(&reader))
    }
    if command.isAscii("cfheaders") {
      return .filterHeaders(try FilterHeadersMessage.decode(&reader))
    }
    if command.isAscii("getcfcheckpt") {
      return .getFilterCheckpoints(filterType: try reader.u8(), stopHash: try reader.bytes32())
    }
    if command.isAscii("cfcheckpt") {
      return .filterCheckpoints(try FilterCheckpointsMessage.decode(&reader))
    }
    return nil
  }

  private static func decodeTransaction(
    _ reader: inout ByteReader
  ) throws(BytesError) -> Transaction {
    if reader.remaining > Transaction.maxRelayedBytes {
      throw BytesError.tooLarge(
        offset: reader.offset, value: UInt64(reader.remaining),
        limit: UInt64(Transaction.maxRelayedBytes))
    }
    return try Transaction.decode(&reader)
  }

  private static func decodeHeaders(
    _ reader: inout ByteReader
  ) throws(BytesError) -> [BlockHeader] {
    let count = try reader.compactSize(limit: UInt64(maxHeaders))
    var list: [BlockHeader] = []
    list.reserveCapacity(min(count, reader.remaining / BlockHeader.byteCount))
    for _ in 0..<count {
      list.append(try BlockHeader.decode(&reader))
      // The number of transactions, always zero in `headers`.
      _ = try reader.compactSize(limit: 0)
    }
    return list
  }

  private static func decodeGetHeaders(
    _ reader: inout ByteReader
  ) throws(BytesError) -> PeerMessage {
    _ = try reader.u32le()
    let locator = try hashes(&reader, limit: maxLocator)
    return .getHeaders(locator: locator, stop: try reader.bytes32())
  }

  private static func inventory(
    _ reader: inout ByteReader
  ) throws(BytesError) -> [InventoryVector] {
    let count = try reader.compactSize(limit: UInt64(maxInventory))
    var list: [InventoryVector] = []
    list.reserveCapacity(min(count, reader.remaining / InventoryVector.byteCount))
    for _ in 0..<count { list.append(try InventoryVector.decode(&reader)) }
    return list
  }
}

extension [UInt8] {
  /// Compares with ASCII text without Unicode tables.
  public func isAscii(_ text: StaticString) -> Bool {
    if count != text.utf8CodeUnitCount { return false }
    for index in 0..<count where self[index] != text.utf8Start[index] { return false }
    return true
  }
}
