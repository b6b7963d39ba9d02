import Bytes
import Market

/// One task of a pool, before it is known which lease runs it.
public struct TaskSpec: Equatable, Sendable {
  /// The base first, inputs on top; the driver's bundle source serves every digest.
  public var bundles: [BundleRef]
  /// The program and its arguments: at most 64 of at most 4 KiB.
  public var arguments: [[UInt8]]
  /// `NAME=value`, at most 64 of at most 4 KiB.
  public var environment: [[UInt8]]
  /// Absolute, inside the sandbox.
  public var workdir: [UInt8]
  public var limits: TaskLimits
  /// After a stop: SIGTERM first, and the end after this time; 0 ends it at once.
  public var stopMs: UInt32
  /// Whether it reads the pool's input.
  public var hasInput: Bool
  /// What of `/out` is wanted; `/` is all.
  public var resultPath: [UInt8]
  /// 0 wants no results.
  public var maxResultBytes: UInt64
  /// The place of the pool whose machine is to run it; nil lets any of them.
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

  /// The same as an order of a lease.
  public func order(number: UInt32) -> TaskOrder {
    TaskOrder(
      number: number, bundles: bundles, arguments: arguments, environment: environment,
      workdir: workdir, limits: limits, stopMs: stopMs, hasInput: hasInput,
      resultPath: resultPath, maxResultBytes: maxResultBytes)
  }

  /// Nil where every provider would accept its form, and it fits `share`; else what is wrong.
  public func problem(in share: ShareLimits) -> String? {
    if let excess = limits.excess(of: share) { return excess.text }
    do { _ = try TaskOrder.decode(order(number: 1).encode()) } catch { return error.message }
    return nil
  }
}
