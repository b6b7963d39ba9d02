/// The measurements, each by a small kernel. The numbers are part of the report's format.
public enum Kernel: UInt8, Equatable, Sendable {
  /// 32-bit multiplications, additions, rotations, on one core; operations per second.
  case integer = 1
  /// Double-precision arithmetic on one core; operations per second.
  case floatingPoint = 2
  /// Sequential reading and writing of memory; KiB per second.
  case memoryBandwidth = 3
  /// Unpredictable reading of memory; picoseconds per access.
  case memoryLatency = 4
  /// Compressing text with zstd at level 1; KiB of text per second.
  case compression = 5
  /// Decompressing it; KiB of text per second.
  case decompression = 6
  /// Sequential writing of blocks of 64 KiB to the disk; KiB per second.
  case diskWrite = 7
  /// Random reading of blocks of 4 KiB, bypassing the cache; reads per second.
  case diskRead = 8
  /// All cores at once, relative to one of them; thousandths of a core.
  case scaling = 9

  public static let all: [Kernel] = [
    .integer, .floatingPoint, .memoryBandwidth, .memoryLatency, .compression, .decompression,
    .diskWrite, .diskRead, .scaling,
  ]

  /// The name in JSON.
  public var name: String {
    switch self {
    case .integer: return "integer"
    case .floatingPoint: return "floating_point"
    case .memoryBandwidth: return "memory_bandwidth"
    case .memoryLatency: return "memory_latency"
    case .compression: return "compression"
    case .decompression: return "decompression"
    case .diskWrite: return "disk_write"
    case .diskRead: return "disk_read"
    case .scaling: return "scaling"
    }
  }

  /// The unit of its results.
  public var unit: String {
    switch self {
    case .integer, .floatingPoint: return "op/s"
    case .memoryBandwidth, .compression, .decompression, .diskWrite: return "KiB/s"
    case .memoryLatency: return "ps"
    case .diskRead: return "reads/s"
    case .scaling: return "core/1000"
    }
  }
}
