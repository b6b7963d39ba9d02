import Bitcoin
import Bytes
import Market

/// Row 0 of a lease's task table: the sums of its acknowledged lines, and the last report.
struct LeaseSums: Equatable {
  /// The number of lines that the publisher stored; their rows are deleted.
  var lines: UInt32 = 0
  /// The chain's hash after these lines.
  var chain = Bytes32.zero
  /// The sum of their usage.
  var usage = UsageVector()
  /// The highest stored task number. A refused task's number is not stored and may be sent again.
  var lastTask: UInt32 = 0
  /// The highest task number among these lines.
  var lastLine: UInt32 = 0
  /// The last reported usage.
  var reported = LeaseUsage()
  /// Bytes transferred on the lease's calls.
  var trafficBytes: UInt64 = 0
  /// The amount owed when a reorganisation removed the funding; 0 if none did.
  var lostAtSat: UInt64 = 0
  /// The last statement signed by both sides.
  var statement: Signed<Statement>?

  static let row: UInt32 = 0
  private static let version: UInt8 = 1

  func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 640)
    writer.u8(LeaseSums.version)
    writer.u32le(lines)
    writer.append(chain)
    usage.encode(to: &writer)
    writer.u32le(lastTask)
    writer.u32le(lastLine)
    reported.encode(to: &writer)
    writer.u64le(trafficBytes)
    writer.u64le(lostAtSat)
    writer.lengthPrefixed(statement?.encode() ?? [])
    return writer.bytes
  }

  /// Returns nil for anything that ``encode()`` did not write.
  static func decode(_ bytes: [UInt8]) -> LeaseSums? {
    var reader = ByteReader(bytes)
    var sums = LeaseSums()
    do throws(BytesError) {
      if try reader.u8() != version { return nil }
      sums.lines = try reader.u32le()
      sums.chain = try reader.bytes32()
      sums.usage = try UsageVector(&reader)
      sums.lastTask = try reader.u32le()
      sums.lastLine = try reader.u32le()
      sums.reported = try LeaseUsage(&reader)
      sums.trafficBytes = try reader.u64le()
      sums.lostAtSat = try reader.u64le()
      let statement = try reader.lengthPrefixed(limit: 4096)
      if !statement.isEmpty {
        guard let signed = try? Signed<Statement>.decode(statement) else { return nil }
        sums.statement = signed
      }
      try reader.finish()
    } catch { return nil }
    return sums
  }
}
