import Bitcoin
import Bytes
import Market

/// What is kept on disk of a run, from its announcement on.
public struct RunRecord: Equatable, Sendable {
  public var id: Bytes32
  public var offer: Offer
  public var endpoint: Endpoint
  /// Signed, and relayed until it confirms.
  public var announcement: Transaction
  /// In which block it is; 0 before.
  public var announcementHeight: UInt32 = 0
  public var startedUnixSeconds: UInt64
  /// The tip at the start: nothing of this run is below.
  public var startHeight: UInt32
  public var bundleCount: UInt16
  public var isFinished = false

  static let version: UInt8 = 1

  public func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 2048)
    writer.u8(RunRecord.version)
    writer.append(id)
    writer.lengthPrefixed(offer.encode())
    writer.lengthPrefixed(endpoint.host)
    writer.u16le(endpoint.port)
    writer.lengthPrefixed(announcement.bytes())
    writer.u32le(announcementHeight)
    writer.u64le(startedUnixSeconds)
    writer.u32le(startHeight)
    writer.u16le(bundleCount)
    writer.u8(isFinished ? 1 : 0)
    return writer.bytes
  }

  /// Nil for bytes that are no record: a damaged disk, or a later version.
  public static func decode(_ bytes: [UInt8]) -> RunRecord? {
    var reader = ByteReader(bytes)
    return try? read(&reader)
  }

  private static func read(_ reader: inout ByteReader) throws -> RunRecord? {
    if try reader.u8() != version { return nil }
    let id = try reader.bytes32()
    let offer = try Offer.decode(try reader.lengthPrefixed(limit: Limits.maxDocumentBytes))
    let host = try reader.lengthPrefixed(limit: Endpoint.maxHostBytes)
    guard let endpoint = Endpoint(host: host, port: try reader.u16le()) else { return nil }
    let transaction = try Transaction.decode(
      try reader.lengthPrefixed(limit: Transaction.maxRelayedBytes))
    let height = try reader.u32le()
    var record = RunRecord(
      id: id, offer: offer, endpoint: endpoint, announcement: transaction,
      announcementHeight: height, startedUnixSeconds: try reader.u64le(),
      startHeight: try reader.u32le(), bundleCount: try reader.u16le())
    record.isFinished = try reader.u8() == 1
    try reader.finish()
    return record
  }
}
