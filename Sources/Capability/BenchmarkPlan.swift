/// The resources of a benchmark run, and its access to the host.
public struct BenchmarkPlan {
  /// Approximate wall time for each kernel. A slow host takes longer, because at least three rounds
  /// are run.
  public var budgetMs: UInt64 = 700
  /// The size of the memory kernels' buffer: far more than the last cache, and a small part of the
  /// memory; see ``bufferBytes(memoryMiB:)``.
  public var bufferBytes = 16_777_216
  public var processors: UInt32 = 1
  /// A monotonic clock, in nanoseconds.
  public var nowNs: () -> UInt64
  /// Nil: the disk is not measured.
  public var disk: DiskProbe?
  /// Runs a function in so many processes at once, passes each its number, and returns their
  /// results in order; nil if that failed. If the closure itself is nil, scaling is not measured.
  public var inParallel: ((UInt32, (UInt32) -> [UInt8]) -> [[UInt8]]?)?
  public var kernels = Kernel.all

  public init(nowNs: @escaping () -> UInt64) { self.nowNs = nowNs }

  /// A sixteenth of the memory, at least 1 MiB and at most 64 MiB.
  public static func bufferBytes(memoryMiB: UInt64) -> Int {
    Int(min(max(memoryMiB / 16, 1), 64)) * 1_048_576
  }
}
