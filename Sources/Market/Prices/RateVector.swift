import Bitcoin
import Bytes

/// What one unit of each kind of use costs, in psat: 1 sat is 1,000,000,000,000 psat. So fine,
/// because a MiB held for a millisecond on a machine that earns 10 sat an hour costs less than a
/// millionth of a sat.
public struct RateVector: Equatable, Sendable {
  public static let psatPerSat: UInt64 = 1_000_000_000_000

  public var cpuPsatPerMs: UInt64
  public var memoryPsatPerMiBMs: UInt64
  public var diskReadPsatPerKiB: UInt64
  public var diskWritePsatPerKiB: UInt64
  public var networkPsatPerKiB: UInt64
  /// For every millisecond that the share is reserved (``ReservationClock``).
  public var reservedPsatPerMs: UInt64

  public init(
    cpuPsatPerMs: UInt64 = 0, memoryPsatPerMiBMs: UInt64 = 0, diskReadPsatPerKiB: UInt64 = 0,
    diskWritePsatPerKiB: UInt64 = 0, networkPsatPerKiB: UInt64 = 0, reservedPsatPerMs: UInt64 = 0
  ) {
    self.cpuPsatPerMs = cpuPsatPerMs
    self.memoryPsatPerMiBMs = memoryPsatPerMiBMs
    self.diskReadPsatPerKiB = diskReadPsatPerKiB
    self.diskWritePsatPerKiB = diskWritePsatPerKiB
    self.networkPsatPerKiB = networkPsatPerKiB
    self.reservedPsatPerMs = reservedPsatPerMs
  }

  var all: [UInt64] {
    [
      cpuPsatPerMs, memoryPsatPerMiBMs, diskReadPsatPerKiB, diskWritePsatPerKiB,
      networkPsatPerKiB, reservedPsatPerMs,
    ]
  }

  func encode(to writer: inout ByteWriter) { for rate in all { writer.u64le(rate) } }

  static func decode(_ reader: inout DocumentReader) throws(MarketError) -> RateVector {
    RateVector(
      cpuPsatPerMs: try reader.u64("cpu rate"),
      memoryPsatPerMiBMs: try reader.u64("memory rate"),
      diskReadPsatPerKiB: try reader.u64("disk read rate"),
      diskWritePsatPerKiB: try reader.u64("disk write rate"),
      networkPsatPerKiB: try reader.u64("network rate"),
      reservedPsatPerMs: try reader.u64("reservation rate"))
  }

  func write(to text: inout JsonText) {
    text.key("rates_psat")
    text.beginObject()
    text.field("cpu_ms", cpuPsatPerMs)
    text.field("memory_mib_ms", memoryPsatPerMiBMs)
    text.field("disk_read_kib", diskReadPsatPerKiB)
    text.field("disk_write_kib", diskWritePsatPerKiB)
    text.field("network_kib", networkPsatPerKiB)
    text.field("reserved_ms", reservedPsatPerMs)
    text.endObject()
  }

  /// For people, one fact a line.
  public var lines: [String] {
    [
      "cpu        \(cpuPsatPerMs) psat/ms",
      "memory     \(memoryPsatPerMiBMs) psat/(MiB·ms)",
      "disk read  \(diskReadPsatPerKiB) psat/KiB",
      "disk write \(diskWritePsatPerKiB) psat/KiB",
      "network    \(networkPsatPerKiB) psat/KiB",
      "reserved   \(reservedPsatPerMs) psat/ms",
    ]
  }
}
