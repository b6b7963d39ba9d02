import Bitcoin
import Bytes
import Market

/// Row 0 of a lease's task table: what its lines add up to, and what was reported of it.
struct LeaseSums: Equatable {
  /// Lines that the publisher holds for good: their rows are gone.
  var lines: UInt32 = 0
  /// The chain's value after these.
  var chain = Bytes32.zero
  /// Their usage in sum.
  var usage = UsageVector()
  /// The highest task number that was stored: one that was refused may come again.
  var lastTask: UInt32 = 0
  /// The highest task number among these lines.
  var lastLine: UInt32 = 0
  /// The usage that was reported last.
  var reported = LeaseUsage()
  /// Bytes that the lease's calls moved.
  var trafficBytes: UInt64 = 0
  /// What was owed when a reorganisation took the funding out of the chain; 0 where none did.
  var lostAtSat: UInt64 = 0
  /// The last statement that both signed.
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

  /// Nil for what ``encode()`` has not written.
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
