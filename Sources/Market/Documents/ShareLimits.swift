import Bitcoin
import Bytes

/// The share of a machine that a lease is for. The provider enforces it, and the price of an hour
/// assumes it.
public struct ShareLimits: Equatable, Sendable {
  public var memoryMiB: UInt32
  /// Thousandths of one processor: 1000 is one whole core.
  public var milliCpus: UInt32
  /// Processes and threads of all tasks.
  public var pids: UInt32
  /// Bundles that are kept, and files that tasks have and make.
  public var diskMiB: UInt32

  public init(memoryMiB: UInt32, milliCpus: UInt32, pids: UInt32, diskMiB: UInt32) {
    self.memoryMiB = memoryMiB
    self.milliCpus = milliCpus
    self.pids = pids
    self.diskMiB = diskMiB
  }

  func encode(to writer: inout ByteWriter) {
    writer.u32le(memoryMiB)
    writer.u32le(milliCpus)
    writer.u32le(pids)
    writer.u32le(diskMiB)
  }

  static func decode(_ reader: inout DocumentReader) throws(MarketError) -> ShareLimits {
    ShareLimits(
      memoryMiB: try reader.u32("memory", 1...Limits.maxMemoryMiB),
      milliCpus: try reader.u32("processor share", 1...1_024_000),
      pids: try reader.u32("processes", 1...(1 << 20)),
      diskMiB: try reader.u32("disk", 1...Limits.maxMemoryMiB))
  }

  func write(to text: inout JsonText) {
    text.key("share")
    text.beginObject()
    text.field("memory_mib", UInt64(memoryMiB))
    text.field("milli_cpus", UInt64(milliCpus))
    text.field("pids", UInt64(pids))
    text.field("disk_mib", UInt64(diskMiB))
    text.endObject()
  }

  /// For people.
  public var text: String {
    "\(memoryMiB) MiB, \(milliCpus) milli-cpus, \(pids) processes, \(diskMiB) MiB disk"
  }
}
