/// What a job has used since it started. Cumulative: no counter ever falls.
public struct UsageSample: Equatable, Sendable {
  /// Processor time of all its processes, milliseconds.
  public var cpuMs: UInt64 = 0
  /// Memory held, summed over time: MiB times milliseconds.
  public var memoryMiBMs: UInt64 = 0
  /// The most memory ever held, KiB.
  public var memoryPeakKiB: UInt64 = 0
  public var diskReadKiB: UInt64 = 0
  public var diskWriteKiB: UInt64 = 0
  /// What crossed the wire for the job, as told to ``SandboxProcess/countTransfer(bytes:)``.
  public var networkKiB: UInt64 = 0
  /// Time since the start, milliseconds, frozen time included.
  public var wallMs: UInt64 = 0
  /// Time spent frozen, milliseconds.
  public var frozenMs: UInt64 = 0

  public init() {}
}
