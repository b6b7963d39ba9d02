import Bytes
import Market
import Sandbox

/// One task of a lease: first a queued order, then a sandbox, then a line.
final class LeaseTask {
  /// A requested stop.
  struct Stop: Equatable {
    let kind: ExitKind
    let reason: StopReason
    /// The most usage that is charged.
    let most: UsageVector
    /// SIGTERM was sent; when to kill the task.
    var killAtMs: UInt64?
  }

  struct Running: Equatable {
    let startedUnixSeconds: UInt64
    /// The usage that is charged.
    var usage = UsageVector()
    var nextSampleAtMs: UInt64
    var stop: Stop?
  }

  struct Exit: Equatable {
    var kind: ExitKind
    var status: Int32
    var usage: UsageVector
    var startedUnixSeconds: UInt64
  }

  enum Phase: Equatable {
    case queued(TaskOrder)
    /// Its sandbox is being created.
    case starting(TaskOrder, stop: Stop?)
    case running(TaskOrder, Running)
    /// Its program ended; its results are being collected.
    case collecting(TaskOrder, Exit)
    /// It has its line.
    case ended(TaskLine)
  }

  let number: UInt32
  /// The key that its streams are opened with.
  let key: Bytes32
  var phase: Phase
  /// The encoded size of its order.
  let orderBytes: Int
  var output = TaskOutput()
  /// Its output was lost with an earlier run of the agent.
  let outputIsLost: Bool
  /// Bundles whose transfer was charged to it.
  var charged: [Bytes32] = []

  init(_ order: TaskOrder, contract: Bytes32) {
    number = order.number
    key = TaskKey.of(contract: contract, number: order.number)
    phase = .queued(order)
    orderBytes = order.encode().count
    outputIsLost = false
  }

  /// An ended task, restored from its line.
  init(_ line: TaskLine, contract: Bytes32) {
    number = line.number
    key = TaskKey.of(contract: contract, number: line.number)
    phase = .ended(line)
    orderBytes = 0
    outputIsLost = true
    output.programEnded()
  }

  /// The order; nil after the end, so that its program and secrets are not kept.
  var order: TaskOrder? {
    switch phase {
    case .queued(let order), .starting(let order, _), .running(let order, _),
      .collecting(let order, _):
      return order
    case .ended: return nil
    }
  }

  var isQueued: Bool {
    if case .queued = phase { return true }
    return false
  }

  var isStarting: Bool {
    if case .starting = phase { return true }
    return false
  }

  var isEnded: Bool {
    if case .ended = phase { return true }
    return false
  }

  var running: Running? {
    if case .running(_, let running) = phase { return running }
    return nil
  }

  /// Whether it occupies memory and processes of the share.
  var isActive: Bool { !isQueued && !isEnded }

  /// Its usage so far; zero once it has a line.
  var usage: UsageVector {
    switch phase {
    case .running(_, let running): return running.usage
    case .collecting(_, let exit): return exit.usage
    case .queued, .starting, .ended: return UsageVector()
    }
  }

  // MARK: Changes

  func update(_ body: (inout Running) -> Void) {
    guard case .running(let order, var running) = phase else { return }
    body(&running)
    phase = .running(order, running)
  }

  /// Maps the sandbox's outcome to an exit kind and status.
  static func exit(_ outcome: JobOutcome) -> (ExitKind, Int32) {
    switch outcome {
    case .exited(let status): return (.exited, Int32(status))
    case .signalled(let signal): return (.signalled, Int32(signal))
    case .outOfMemory: return (.outOfMemory, 0)
    case .terminated(let reason):
      switch reason {
      case .publisher: return (.stoppedByPublisher, 0)
      case .timeLimit: return (.timeLimit, 0)
      case .unpaid: return (.unpaid, 0)
      case .owner: return (.stoppedByOwner, 0)
      }
    case .notExecutable(let code): return (.neverRan, code)
    case .bundleRefused(.writeFailed(_, let code), _): return (.neverRan, code)
    case .bundleRefused: return (.neverRan, 0)
    case .setupFailed(_, let code): return (.neverRan, code)
    case .lost: return (.lost, 0)
    }
  }
}
