/// A kernel's result: the median and the range of its rounds, in ``Kernel/unit``.
public struct KernelResult: Equatable, Sendable {
  public enum Status: UInt8, Equatable, Sendable {
    case measured = 0
    /// Scaling cannot be measured with one processor.
    case oneProcessor = 1
    /// The program lacks something that the kernel needs, such as a disk or processes.
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
  /// The number of timed rounds.
  public var rounds: UInt32
  public var median: UInt64
  public var least: UInt64
  public var most: UInt64
  /// Combines the results of all rounds. It depends only on the seed and the number of rounds for
  /// the kernels that ``Benchmark/checksum(of:seed:rounds:)`` supports.
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
