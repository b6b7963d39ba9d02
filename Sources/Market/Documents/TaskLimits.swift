import Bitcoin
import Bytes

/// What one task may use of its lease's share.
public struct TaskLimits: Equatable, Sendable {
  public var memoryMiB: UInt32
  /// Thousandths of one processor.
  public var milliCpus: UInt32
  /// Processes and threads.
  public var pids: UInt32
  /// Files that the task has and makes.
  public var diskMiB: UInt32
  /// Time from start to end without the time in which the task stood still.
  public var wallMs: UInt64

  public init(memoryMiB: UInt32, milliCpus: UInt32, pids: UInt32, diskMiB: UInt32, wallMs: UInt64) {
    self.memoryMiB = memoryMiB
    self.milliCpus = milliCpus
    self.pids = pids
    self.diskMiB = diskMiB
    self.wallMs = wallMs
  }

  /// Nil where it fits the whole share, else what does not.
  public func excess(of share: ShareLimits) -> StaticReason? {
    if memoryMiB > share.memoryMiB { return "the task's memory is above the lease's" }
    if milliCpus > share.milliCpus { return "the task's processors are above the lease's" }
    if pids > share.pids { return "the task's processes are above the lease's" }
    if diskMiB > share.diskMiB { return "the task's disk is above the lease's" }
    return nil
  }

  func encode(to writer: inout ByteWriter) {
    writer.u32le(memoryMiB)
    writer.u32le(milliCpus)
    writer.u32le(pids)
    writer.u32le(diskMiB)
    writer.u64le(wallMs)
  }

  static func decode(_ reader: inout DocumentReader) throws(MarketError) -> TaskLimits {
    TaskLimits(
      memoryMiB: try reader.u32("memory", 1...Limits.maxMemoryMiB),
      milliCpus: try reader.u32("processor share", 1...1_024_000),
      pids: try reader.u32("processes", 1...(1 << 20)),
      diskMiB: try reader.u32("disk", 1...Limits.maxMemoryMiB),
      wallMs: try reader.u64("wall time", Limits.wallMs))
  }
}
