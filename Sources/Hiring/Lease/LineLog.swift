import Bytes
import Market

/// A place in the chain of a lease's lines.
public struct LineMark: Equatable, Sendable {
  public var count: UInt32 = 0
  public var chain = Bytes32.zero
  /// The sum of the lines' usage.
  public var usage = UsageVector()
  /// The highest task number among them.
  public var lastTask: UInt32 = 0

  public init() {}

  mutating func append(_ line: TaskLine) {
    count += 1
    chain = line.chain(after: chain)
    usage = usage.adding(line.usage)
    lastTask = max(lastTask, line.number)
  }

  func encode(to writer: inout ByteWriter) {
    writer.u32le(count)
    writer.append(chain)
    usage.encode(to: &writer)
    writer.u32le(lastTask)
  }

  init(_ reader: inout ByteReader) throws(BytesError) {
    count = try reader.u32le()
    chain = try reader.bytes32()
    usage = try UsageVector(&reader)
    lastTask = try reader.u32le()
  }
}

/// The lines of a lease: those that came, and up to where they are on disk with their tasks. What is
/// not on disk the provider keeps, and sends again after a broken connection.
struct LineLog {
  /// Everything that came.
  private(set) var received: LineMark
  /// All before it is on disk.
  private(set) var stored: LineMark
  /// From `stored` to `received`.
  private var pending: [(line: TaskLine, isStored: Bool)] = []
  /// What the provider was told to forget.
  private var acknowledged: UInt32

  /// The provider is told of stored lines in groups of this many.
  private static let group: UInt32 = 16

  init(_ mark: LineMark = LineMark()) {
    received = mark
    stored = mark
    acknowledged = mark.count
  }

  /// Its place in the chain, from 1.
  mutating func append(_ line: TaskLine) -> UInt32 {
    received.append(line)
    pending.append((line, false))
    return received.count
  }

  /// The task of the line at this place is on disk.
  mutating func taskStored(place: UInt32) {
    if place <= stored.count || place > received.count { return }
    pending[Int(place - stored.count) - 1].isStored = true
    var count = 0
    while count < pending.count, pending[count].isStored {
      stored.append(pending[count].line)
      count += 1
    }
    pending.removeFirst(count)
  }

  /// The count to acknowledge now; nil where it can wait. `isIdle`: nothing follows soon.
  mutating func toAcknowledge(isIdle: Bool) -> UInt32? {
    let waiting = stored.count - acknowledged
    if waiting == 0 || (!isIdle && waiting < LineLog.group) { return nil }
    acknowledged = stored.count
    return stored.count
  }

  /// The connection broke: what was acknowledged last may not have arrived.
  mutating func disconnected() { acknowledged = 0 }
}
