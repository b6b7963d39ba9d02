import Bitcoin
import Bytes

/// What a lease was used for: its tasks' usage in sum, and the time that its share was reserved.
public struct LeaseUsage: Equatable, Sendable {
  /// Of finished and running tasks, and the network traffic of the lease itself. Its wall and frozen
  /// times are sums over tasks and have no price.
  public var tasks: UsageVector
  public var reservedMs: UInt64

  public init(tasks: UsageVector = UsageVector(), reservedMs: UInt64 = 0) {
    self.tasks = tasks
    self.reservedMs = reservedMs
  }

  /// Whether every counter is at least what it is in `earlier`.
  public func isAtLeast(_ earlier: LeaseUsage) -> Bool {
    reservedMs >= earlier.reservedMs && tasks.isAtLeast(earlier.tasks)
  }

  public func encode(to writer: inout ByteWriter) {
    tasks.encode(to: &writer)
    writer.u64le(reservedMs)
  }

  /// What ``encode(to:)`` wrote. Throws `truncated`.
  public init(_ reader: inout ByteReader) throws(BytesError) {
    tasks = try UsageVector(&reader)
    reservedMs = try reader.u64le()
  }

  static func decode(_ reader: inout DocumentReader) throws(MarketError) -> LeaseUsage {
    LeaseUsage(
      tasks: try UsageVector.decode(&reader), reservedMs: try reader.u64("reserved time"))
  }

  /// One JSON object: the tasks' counters and `reserved_ms`.
  public var json: String {
    var text = JsonText()
    text.beginObject()
    for counter in tasks.counters { text.field(counter.name, counter.value) }
    text.field("reserved_ms", reservedMs)
    text.endObject()
    return text.string
  }
}
