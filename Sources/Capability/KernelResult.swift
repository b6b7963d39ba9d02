/// What a kernel found: the median of its rounds and how far they spread, in ``Kernel/unit``.
public struct KernelResult: Equatable, Sendable {
  public enum Status: UInt8, Equatable, Sendable {
    case measured = 0
    /// There is one processor, so that nothing can be scaled.
    case oneProcessor = 1
    /// The program was not given what the kernel needs, as a disk or processes.
    case unavailable = 2

    public var text: String {
      switch self {
      case .measured: return "measured"
      case .oneProcessor: return "one processor"
      case .unavailable: return "not available"
      }
    }
  }

  public var kernel: Kernel
  public var status: Status
  /// How often it was timed.
  public var rounds: UInt32
  public var median: UInt64
  public var least: UInt64
  public var most: UInt64
  /// Folded from what the rounds computed; it depends on seed and rounds only, where
  /// ``Benchmark/checksum(of:seed:rounds:)`` can tell it.
  public var checksum: UInt64

  public init(
    kernel: Kernel, status: Status, rounds: UInt32, median: UInt64, least: UInt64, most: UInt64,
    checksum: UInt64
  ) {
    self.kernel = kernel
    self.status = status
    self.rounds = rounds
    self.median = median
    self.least = least
    self.most = most
    self.checksum = checksum
  }

  static func skipped(_ kernel: Kernel, _ status: Status) -> KernelResult {
    KernelResult(
      kernel: kernel, status: status, rounds: 0, median: 0, least: 0, most: 0, checksum: 0)
  }
}
