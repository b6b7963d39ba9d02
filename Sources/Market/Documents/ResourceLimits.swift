import Bitcoin
import Bytes

/// What a job may use of a machine. The machine enforces it, and the price of an hour assumes it.
public struct ResourceLimits: Equatable, Sendable {
  public var memoryMiB: UInt32
  /// Thousandths of one processor: 1000 is one whole core.
  public var milliCpus: UInt32
  /// Processes and threads.
  public var pids: UInt32
  /// Files that the job has and makes.
  public var diskMiB: UInt32
  /// Time from start to end without the time in which the job was frozen or paused.
  public var wallMs: UInt64

  public init(memoryMiB: UInt32, milliCpus: UInt32, pids: UInt32, diskMiB: UInt32, wallMs: UInt64) {
    self.memoryMiB = memoryMiB
    self.milliCpus = milliCpus
    self.pids = pids
    self.diskMiB = diskMiB
    self.wallMs = wallMs
  }

  func encode(to writer: inout ByteWriter) {
    writer.u32le(memoryMiB)
    writer.u32le(milliCpus)
    writer.u32le(pids)
    writer.u32le(diskMiB)
    writer.u64le(wallMs)
  }

  static func decode(_ reader: inout DocumentReader) throws(MarketError) -> ResourceLimits {
    ResourceLimits(
      memoryMiB: try reader.u32("memory", 1...Limits.maxMemoryMiB),
      milliCpus: try reader.u32("processor share", 1...1_024_000),
      pids: try reader.u32("processes", 1...(1 << 20)),
      diskMiB: try reader.u32("disk", 1...Limits.maxMemoryMiB),
      wallMs: try reader.u64("wall time", Limits.wallMs))
  }

  func write(to text: inout JsonText) {
    text.key("limits")
    text.beginObject()
    text.field("memory_mib", UInt64(memoryMiB))
    text.field("milli_cpus", UInt64(milliCpus))
    text.field("pids", UInt64(pids))
    text.field("disk_mib", UInt64(diskMiB))
    text.field("wall_ms", wallMs)
    text.endObject()
  }
}
