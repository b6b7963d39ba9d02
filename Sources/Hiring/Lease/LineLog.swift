import Bytes
import Market

/// A position in the hash chain of a lease's task lines.
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

/// The task lines of a lease: received, and on disk. The provider keeps unacknowledged lines and
/// sends them again after a reconnection.
struct LineLog {
  /// All received lines.
  private(set) var received: LineMark
  /// All lines up to here are on disk with their tasks.
  private(set) var stored: LineMark
  /// The lines after `stored`, up to `received`.
  private var pending: [(line: TaskLine, isStored: Bool)] = []
  /// The number of lines acknowledged on this connection.
  private var acknowledged: UInt32

  /// Stored lines are acknowledged in groups of this size.
  private static let group: UInt32 = 16

  init(_ mark: LineMark = LineMark()) {
    received = mark
    stored = mark
    acknowledged = mark.count
  }

  /// Appends a line and returns its place in the chain, from 1.
  mutating func append(_ line: TaskLine) -> UInt32 {
    received.append(line)
    pending.append((line, false))
    return received.count
  }

  /// Marks the task of the line at this place as stored.
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

  /// The count to acknowledge now; nil if it can wait. `isIdle`: no task is left that would fill a
  /// group.
  mutating func toAcknowledge(isIdle: Bool) -> UInt32? {
    let waiting = stored.count - acknowledged
    if waiting == 0 || (!isIdle && waiting < LineLog.group) { return nil }
    acknowledged = stored.count
    return stored.count
  }

  /// The last acknowledgement may be lost: acknowledge again after a reconnection.
  mutating func disconnected() { acknowledged = 0 }
}
