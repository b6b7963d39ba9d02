/// What is measured, each by one small program. The numbers are part of the report's format.
public enum Kernel: UInt8, Equatable, Sendable {
  /// 32-bit multiplications, additions, rotations, on one core; operations per second.
  case integer = 1
  /// Double-precision arithmetic on one core; operations per second.
  case floatingPoint = 2
  /// Memory read and written in order; KiB per second.
  case memoryBandwidth = 3
  /// Memory read where nobody can foresee it; picoseconds an access.
  case memoryLatency = 4
  /// Text packed with zstd at level 1; KiB per second of text.
  case compression = 5
  /// The same unpacked; KiB per second of text.
  case decompression = 6
  /// Blocks of 64 KiB written in order, on the disk; KiB per second.
  case diskWrite = 7
  /// Blocks of 4 KiB read anywhere, past the cache; reads per second.
  case diskRead = 8
  /// All cores at once, against one of them; thousandths of a core.
  case scaling = 9

  public static let all: [Kernel] = [
    .integer, .floatingPoint, .memoryBandwidth, .memoryLatency, .compression, .decompression,
    .diskWrite, .diskRead, .scaling,
  ]

  /// As it stands in JSON.
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

  /// The unit of its values.
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
