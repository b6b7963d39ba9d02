import Bitcoin
import Bytes

/// What a task, or several, used: cumulative, no counter ever falls.
public struct UsageVector: Equatable, Sendable {
  /// Processor time of all its processes.
  public var cpuMs: UInt64
  /// Memory held, summed over time: MiB times milliseconds.
  public var memoryMiBMs: UInt64
  /// The most memory it held at one time. It has no price.
  public var memoryPeakKiB: UInt64
  public var diskReadKiB: UInt64
  public var diskWriteKiB: UInt64
  public var networkKiB: UInt64
  /// Time since the start, frozen time included.
  public var wallMs: UInt64
  /// Time spent frozen, which is not paid for.
  public var frozenMs: UInt64

  public init(
    cpuMs: UInt64 = 0, memoryMiBMs: UInt64 = 0, memoryPeakKiB: UInt64 = 0,
    diskReadKiB: UInt64 = 0, diskWriteKiB: UInt64 = 0, networkKiB: UInt64 = 0,
    wallMs: UInt64 = 0, frozenMs: UInt64 = 0
  ) {
    self.cpuMs = cpuMs
    self.memoryMiBMs = memoryMiBMs
    self.memoryPeakKiB = memoryPeakKiB
    self.diskReadKiB = diskReadKiB
    self.diskWriteKiB = diskWriteKiB
    self.networkKiB = networkKiB
    self.wallMs = wallMs
    self.frozenMs = frozenMs
  }

  /// Time that is paid for.
  public var runningMs: UInt64 { wallMs > frozenMs ? wallMs - frozenMs : 0 }

  /// Every counter, with its name in JSON, in the order in which documents have them.
  public var counters: [(name: StaticString, value: UInt64)] {
    [
      ("cpu_ms", cpuMs), ("memory_mib_ms", memoryMiBMs), ("memory_peak_kib", memoryPeakKiB),
      ("disk_read_kib", diskReadKiB), ("disk_write_kib", diskWriteKiB),
      ("network_kib", networkKiB), ("wall_ms", wallMs), ("frozen_ms", frozenMs),
    ]
  }

  /// The sum of both, at most what fits; of the peaks the higher one.
  public func adding(_ other: UsageVector) -> UsageVector {
    UsageVector(
      cpuMs: UsageVector.sum(cpuMs, other.cpuMs),
      memoryMiBMs: UsageVector.sum(memoryMiBMs, other.memoryMiBMs),
      memoryPeakKiB: max(memoryPeakKiB, other.memoryPeakKiB),
      diskReadKiB: UsageVector.sum(diskReadKiB, other.diskReadKiB),
      diskWriteKiB: UsageVector.sum(diskWriteKiB, other.diskWriteKiB),
      networkKiB: UsageVector.sum(networkKiB, other.networkKiB),
      wallMs: UsageVector.sum(wallMs, other.wallMs),
      frozenMs: UsageVector.sum(frozenMs, other.frozenMs))
  }

  private static func sum(_ left: UInt64, _ right: UInt64) -> UInt64 {
    let (sum, overflow) = left.addingReportingOverflow(right)
    return overflow ? UInt64.max : sum
  }

  /// Whether every counter is at least what it is in `earlier`.
  public func isAtLeast(_ earlier: UsageVector) -> Bool {
    zip(counters, earlier.counters).allSatisfy { $0.value >= $1.value }
  }

  public func encode(to writer: inout ByteWriter) {
    for counter in counters { writer.u64le(counter.value) }
  }

  /// What ``encode(to:)`` wrote. Throws `truncated`.
  public init(_ reader: inout ByteReader) throws(BytesError) {
    self.init(
      cpuMs: try reader.u64le(), memoryMiBMs: try reader.u64le(),
      memoryPeakKiB: try reader.u64le(), diskReadKiB: try reader.u64le(),
      diskWriteKiB: try reader.u64le(), networkKiB: try reader.u64le(),
      wallMs: try reader.u64le(), frozenMs: try reader.u64le())
  }

  /// The same, as a part of a document.
  static func decode(_ reader: inout DocumentReader) throws(MarketError) -> UsageVector {
    let usage = try reader.read("usage") { part throws(BytesError) in try UsageVector(&part) }
    if usage.frozenMs > usage.wallMs {
      throw reader.refuse("frozen time", at: reader.offset - 8, "longer than the whole time")
    }
    return usage
  }

  /// One JSON object.
  public var json: String {
    var text = JsonText()
    text.beginObject()
    for counter in counters { text.field(counter.name, counter.value) }
    text.endObject()
    return text.string
  }

  /// For people, one fact a line.
  public var lines: [String] {
    [
      "processor  \(cpuMs) ms",
      "memory     \(memoryMiBMs) MiB·ms, at most \(memoryPeakKiB) KiB",
      "disk       \(diskReadKiB) KiB read, \(diskWriteKiB) KiB written",
      "network    \(networkKiB) KiB",
      "time       \(wallMs) ms, of which frozen and unpaid \(frozenMs) ms",
    ]
  }
}
