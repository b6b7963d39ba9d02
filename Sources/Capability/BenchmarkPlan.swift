/// What a run of the benchmarks may use, and how it reaches the machine.
public struct BenchmarkPlan {
  /// Wall time for each kernel, about. A slow machine takes longer, since three rounds are the least.
  public var budgetMs: UInt64 = 700
  /// The buffer of the memory kernels. It should be far more than the last cache, and a small part
  /// of the memory: see ``bufferBytes(memoryMiB:)``.
  public var bufferBytes = 16_777_216
  public var processors: UInt32 = 1
  /// Nanoseconds of a clock that only goes forward.
  public var nowNs: () -> UInt64
  /// Nil: the disk is left out.
  public var disk: DiskProbe?
  /// Runs a function at once in so many processes, gives each its number, and returns what they
  /// returned, in order; nil when that failed. Nil itself: scaling is left out.
  public var inParallel: ((UInt32, (UInt32) -> [UInt8]) -> [[UInt8]]?)?
  public var kernels = Kernel.all

  public init(nowNs: @escaping () -> UInt64) { self.nowNs = nowNs }

  /// A sixteenth of the memory, within 1 MiB and 64 MiB.
  public static func bufferBytes(memoryMiB: UInt64) -> Int {
    Int(min(max(memoryMiB / 16, 1), 64)) * 1_048_576
  }
}
