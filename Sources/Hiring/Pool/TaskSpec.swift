import Bytes
import Market

/// One task of a pool, independent of the lease that will run it.
public struct TaskSpec: Equatable, Sendable {
  /// The base first, then inputs; the driver's bundle source must serve every digest.
  public var bundles: [BundleRef]
  /// The program and its arguments: at most 64, each at most 4 KiB.
  public var arguments: [[UInt8]]
  /// `NAME=value`: at most 64, each at most 4 KiB.
  public var environment: [[UInt8]]
  /// Absolute, inside the sandbox.
  public var workdir: [UInt8]
  public var limits: TaskLimits
  /// Time between SIGTERM and SIGKILL at a stop; 0 kills at once.
  public var stopMs: UInt32
  /// Whether it reads the pool's input.
  public var hasInput: Bool
  /// The path below `/out` to return; `/` for all.
  public var resultPath: [UInt8]
  /// Size limit of the results; 0 for no results.
  public var maxResultBytes: UInt64
  /// The worker index that must run it; nil for any.
  public var worker: UInt16?

  public init(
    bundles: [BundleRef], arguments: [[UInt8]], environment: [[UInt8]] = [],
    workdir: [UInt8] = Array("/work".utf8), limits: TaskLimits, stopMs: UInt32 = 0,
    hasInput: Bool = false, resultPath: [UInt8] = [0x2f], maxResultBytes: UInt64 = 0,
    worker: UInt16? = nil
  ) {
    self.bundles = bundles
    self.arguments = arguments
    self.environment = environment
    self.workdir = workdir
    self.limits = limits
    self.stopMs = stopMs
    self.hasInput = hasInput
    self.resultPath = resultPath
    self.maxResultBytes = maxResultBytes
    self.worker = worker
  }

  /// The task as an order in a lease.
  public func order(number: UInt32) -> TaskOrder {
    TaskOrder(
      number: number, bundles: bundles, arguments: arguments, environment: environment,
      workdir: workdir, limits: limits, stopMs: stopMs, hasInput: hasInput,
      resultPath: resultPath, maxResultBytes: maxResultBytes)
  }

  /// Returns nil if the task is well-formed and fits `share`, else the problem.
  public func problem(in share: ShareLimits) -> String? {
    if let excess = limits.excess(of: share) { return excess.text }
    do { _ = try TaskOrder.decode(order(number: 1).encode()) } catch { return error.message }
    return nil
  }
}
