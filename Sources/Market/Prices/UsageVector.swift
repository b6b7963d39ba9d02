import Bitcoin
import Bytes

/// What a job has used since it started: cumulative, no counter ever falls.
public struct UsageVector: Equatable, Sendable {
  /// Processor time of all its processes.
  public var cpuMs: UInt64
  /// Memory held, summed over time: MiB times milliseconds.
  public var memoryMiBMs: UInt64
  public var diskReadKiB: UInt64
  public var diskWriteKiB: UInt64
  public var networkKiB: UInt64
  /// Time since the start, frozen time included.
  public var wallMs: UInt64
  /// Time spent frozen, which is not paid for.
  public var frozenMs: UInt64

  public init(
    cpuMs: UInt64 = 0, memoryMiBMs: UInt64 = 0, diskReadKiB: UInt64 = 0,
    diskWriteKiB: UInt64 = 0, networkKiB: UInt64 = 0, wallMs: UInt64 = 0, frozenMs: UInt64 = 0
  ) {
    self.cpuMs = cpuMs
    self.memoryMiBMs = memoryMiBMs
    self.diskReadKiB = diskReadKiB
    self.diskWriteKiB = diskWriteKiB
    self.networkKiB = networkKiB
    self.wallMs = wallMs
    self.frozenMs = frozenMs
  }

  /// Time that is paid for.
  public var runningMs: UInt64 { wallMs > frozenMs ? wallMs - frozenMs : 0 }

  /// Whether every counter is at least what it is in `earlier`.
  public func isAtLeast(_ earlier: UsageVector) -> Bool {
    cpuMs >= earlier.cpuMs && memoryMiBMs >= earlier.memoryMiBMs
      && diskReadKiB >= earlier.diskReadKiB && diskWriteKiB >= earlier.diskWriteKiB
      && networkKiB >= earlier.networkKiB && wallMs >= earlier.wallMs
      && frozenMs >= earlier.frozenMs
  }

  func encode(to writer: inout ByteWriter) {
    for value in [
      cpuMs, memoryMiBMs, diskReadKiB, diskWriteKiB, networkKiB, wallMs, frozenMs,
    ] { writer.u64le(value) }
  }

  static func decode(_ reader: inout DocumentReader) throws(MarketError) -> UsageVector {
    let usage = UsageVector(
      cpuMs: try reader.u64("cpu time"), memoryMiBMs: try reader.u64("memory time"),
      diskReadKiB: try reader.u64("disk read"), diskWriteKiB: try reader.u64("disk write"),
      networkKiB: try reader.u64("network"), wallMs: try reader.u64("wall time"),
      frozenMs: try reader.u64("frozen time"))
    if usage.frozenMs > usage.wallMs {
      throw reader.refuse("frozen time", at: reader.offset - 8, "longer than the whole time")
    }
    return usage
  }

  /// One JSON object.
  public var json: String {
    var text = JsonText()
    text.beginObject()
    text.field("cpu_ms", cpuMs)
    text.field("memory_mib_ms", memoryMiBMs)
    text.field("disk_read_kib", diskReadKiB)
    text.field("disk_write_kib", diskWriteKiB)
    text.field("network_kib", networkKiB)
    text.field("wall_ms", wallMs)
    text.field("frozen_ms", frozenMs)
    text.endObject()
    return text.string
  }

  /// For people, one fact a line.
  public var lines: [String] {
    [
      "processor  \(cpuMs) ms",
      "memory     \(memoryMiBMs) MiB·ms",
      "disk       \(diskReadKiB) KiB read, \(diskWriteKiB) KiB written",
      "network    \(networkKiB) KiB",
      "time       \(wallMs) ms, of which frozen and unpaid \(frozenMs) ms",
    ]
  }
}
