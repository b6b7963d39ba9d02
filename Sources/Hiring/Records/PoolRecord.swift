import Bitcoin
import Bytes
import Market

/// A pool's stored state, from its announcement on.
public struct PoolRecord: Equatable, Sendable {
  public var id: Bytes32
  public var plan: PoolPlan
  /// The newest announcement: signed, and relayed until it confirms.
  public var announcement: Transaction
  /// The height of its block; 0 while unconfirmed.
  public var announcementHeight: UInt32 = 0
  /// The height at which it expires.
  public var announcementEndsAt: UInt32
  public var startedUnixSeconds: UInt64
  /// The tip at the start; all transactions of this pool are above it.
  public var startHeight: UInt32
  /// No more tasks will be added.
  public var isComplete = false
  /// The publisher stopped the pool.
  public var isStopping = false
  /// Nothing is running or awaited.
  public var isFinished = false

  static let version: UInt8 = 1

  public func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 2048)
    writer.u8(PoolRecord.version)
    writer.append(id)
    plan.encode(to: &writer)
    writer.lengthPrefixed(announcement.bytes())
    writer.u32le(announcementHeight)
    writer.u32le(announcementEndsAt)
    writer.u64le(startedUnixSeconds)
    writer.u32le(startHeight)
    writer.flag(isComplete)
    writer.flag(isStopping)
    writer.flag(isFinished)
    return writer.bytes
  }

  /// Returns nil for damaged bytes or an unknown version.
  public static func decode(_ bytes: [UInt8]) -> PoolRecord? {
    RecordReader.read(bytes, version: version) { reader in
      let id = try reader.bytes32()
      guard let plan = try PoolPlan.decode(&reader) else { return nil }
      var record = PoolRecord(
        id: id, plan: plan,
        announcement: try Transaction.decode(
          try reader.lengthPrefixed(limit: Transaction.maxRelayedBytes)),
        announcementHeight: try reader.u32le(), announcementEndsAt: try reader.u32le(),
        startedUnixSeconds: try reader.u64le(), startHeight: try reader.u32le())
      record.isComplete = try reader.flag()
      record.isStopping = try reader.flag()
      record.isFinished = try reader.flag()
      return record
    }
  }
}

extension PoolPlan {
  /// Encodes a missing amount or time.
  private static let none = UInt64.max

  func encode(to writer: inout ByteWriter) {
    writer.lengthPrefixed(offer.encode())
    writer.lengthPrefixed(endpoint.host)
    writer.u16le(endpoint.port)
    writer.u64le(bidWindowMs)
    writer.u32le(announcementBlocks)
    writer.u64le(capacitySat ?? PoolPlan.none)
    writer.u64le(workMs)
    writer.u8(maxTopUps)
    writer.flag(waitsForClose)
    writer.u64le(awayMs)
    writer.u64le(hireTimeoutMs ?? PoolPlan.none)
    writer.u8(reruns)
    writer.u64le(unknownLossSat ?? PoolPlan.none)
    writer.u64le(stopPayingAfter ?? PoolPlan.none)
    writer.u64le(payAgainAfterMs ?? PoolPlan.none)
  }

  static func decode(_ reader: inout ByteReader) throws -> PoolPlan? {
    func optional(_ value: UInt64) -> UInt64? { value == none ? nil : value }
    let offer = try Offer.decode(try reader.document())
    let host = try reader.lengthPrefixed(limit: Endpoint.maxHostBytes)
    guard let endpoint = Endpoint(host: host, port: try reader.u16le()) else { return nil }
    var plan = PoolPlan(offer: offer, endpoint: endpoint)
    plan.bidWindowMs = try reader.u64le()
    plan.announcementBlocks = try reader.u32le()
    plan.capacitySat = optional(try reader.u64le())
    plan.workMs = try reader.u64le()
    plan.maxTopUps = try reader.u8()
    plan.waitsForClose = try reader.flag()
    plan.awayMs = try reader.u64le()
    plan.hireTimeoutMs = optional(try reader.u64le())
    plan.reruns = try reader.u8()
    plan.unknownLossSat = optional(try reader.u64le())
    plan.stopPayingAfter = optional(try reader.u64le())
    plan.payAgainAfterMs = optional(try reader.u64le())
    return plan
  }
}
