import Bytes

/// BIP157's requests for filters and filter headers: a range from a height to a block.
public struct FilterRangeRequest: Equatable, Sendable {
  /// 0 is BIP158's basic filter, the only defined type.
  public var filterType: UInt8
  public var startHeight: UInt32
  public var stopHash: Bytes32

  public init(filterType: UInt8 = 0, startHeight: UInt32, stopHash: Bytes32) {
    self.filterType = filterType
    self.startHeight = startHeight
    self.stopHash = stopHash
  }

  func encode(to writer: inout ByteWriter) {
    writer.u8(filterType)
    writer.u32le(startHeight)
    writer.append(stopHash)
  }

  static func decode(_ reader: inout ByteReader) throws(BytesError) -> FilterRangeRequest {
    FilterRangeRequest(
      filterType: try reader.u8(), startHeight: try reader.u32le(),
      stopHash: try reader.bytes32())
  }
}

/// BIP157 `cfheaders`: the filter header before the range, then the filter hashes of the range.
public struct FilterHeadersMessage: Equatable, Sendable {
  public static let maxHashes = 2000

  public var filterType: UInt8
  public var stopHash: Bytes32
  public var previousHeader: Bytes32
  public var filterHashes: [Bytes32]

  public init(
    filterType: UInt8 = 0, stopHash: Bytes32, previousHeader: Bytes32, filterHashes: [Bytes32]
  ) {
    self.filterType = filterType
    self.stopHash = stopHash
    self.previousHeader = previousHeader
    self.filterHashes = filterHashes
  }

  func encode(to writer: inout ByteWriter) {
    writer.u8(filterType)
    writer.append(stopHash)
    writer.append(previousHeader)
    writer.compactSize(filterHashes.count)
    for hash in filterHashes { writer.append(hash) }
  }

  static func decode(_ reader: inout ByteReader) throws(BytesError) -> FilterHeadersMessage {
    let filterType = try reader.u8()
    let stopHash = try reader.bytes32()
    let previousHeader = try reader.bytes32()
    let hashes = try PeerMessage.hashes(&reader, limit: maxHashes)
    return FilterHeadersMessage(
      filterType: filterType, stopHash: stopHash, previousHeader: previousHeader,
      filterHashes: hashes)
  }
}

/// BIP157 `cfilter`: the filter of one block, encoded as in BIP158.
public struct FilterMessage: Equatable, Sendable {
  public static let maxBytes = 4_000_000

  public var filterType: UInt8
  public var blockHash: Bytes32
  public var filter: [UInt8]

  public init(filterType: UInt8 = 0, blockHash: Bytes32, filter: [UInt8]) {
    self.filterType = filterType
    self.blockHash = blockHash
    self.filter = filter
  }

  func encode(to writer: inout ByteWriter) {
    writer.u8(filterType)
    writer.append(blockHash)
    writer.lengthPrefixed(filter)
  }

  static func decode(_ reader: inout ByteReader) throws(BytesError) -> FilterMessage {
    FilterMessage(
      filterType: try reader.u8(), blockHash: try reader.bytes32(),
      filter: try reader.lengthPrefixed(limit: maxBytes))
  }
}

/// BIP157 `cfcheckpt`: the filter header at every multiple of 1,000 up to the stop block.
public struct FilterCheckpointsMessage: Equatable, Sendable {
  /// Twenty million blocks: enough for centuries.
  static let maxHeaders = 20_000

  public var filterType: UInt8
  public var stopHash: Bytes32
  public var filterHeaders: [Bytes32]

  public init(filterType: UInt8 = 0, stopHash: Bytes32, filterHeaders: [Bytes32]) {
    self.filterType = filterType
    self.stopHash = stopHash
    self.filterHeaders = filterHeaders
  }

  func encode(to writer: inout ByteWriter) {
    writer.u8(filterType)
    writer.append(stopHash)
    writer.compactSize(filterHeaders.count)
    for header in filterHeaders { writer.append(header) }
  }

  static func decode(_ reader: inout ByteReader) throws(BytesError) -> FilterCheckpointsMessage {
    FilterCheckpointsMessage(
      filterType: try reader.u8(), stopHash: try reader.bytes32(),
      filterHeaders: try PeerMessage.hashes(&reader, limit: maxHeaders))
  }
}
