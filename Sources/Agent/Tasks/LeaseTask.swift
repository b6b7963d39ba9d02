import Bytes
import Market
import Sandbox

/// One task of a lease: an order that waits, a sandbox, a line.
final class LeaseTask {
  /// The publisher's or this machine's wish that it end.
  struct Stop: Equatable {
    let kind: ExitKind
    let reason: StopReason
    /// No more than this is owed of it.
    let most: UsageVector
    /// SIGTERM was sent; killed then.
    var killAtMs: UInt64?
  }

  struct Running: Equatable {
    let startedUnixSeconds: UInt64
    /// As far as it is owed.
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
    /// Its sandbox is being made.
    case starting(TaskOrder, stop: Stop?)
    case running(TaskOrder, Running)
    /// Its program is over; its results are being collected.
    case collecting(TaskOrder, Exit)
    /// Its line is made.
    case ended(TaskLine)
  }

  let number: UInt32
  /// What its streams are called.
  let key: Bytes32
  var phase: Phase
  /// What its order takes, as it is sent.
  let orderBytes: Int
  var output = TaskOutput()
  /// An earlier run of the agent held what it printed.
  let outputIsLost: Bool
  /// Bundles whose transfer it was charged for.
  var charged: [Bytes32] = []

  init(_ order: TaskOrder, contract: Bytes32) {
    number = order.number
    key = TaskKey.of(contract: contract, number: order.number)
    phase = .queued(order)
    orderBytes = order.encode().count
    outputIsLost = false
  }

  /// A task whose line an earlier run made, or that this one makes of its order.
  init(_ line: TaskLine, contract: Bytes32) {
    number = line.number
    key = TaskKey.of(contract: contract, number: line.number)
    phase = .ended(line)
    orderBytes = 0
    outputIsLost = true
    output.programEnded()
  }

  /// The order, until it has ended: its program and its secrets go with it.
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

  /// Whether it holds memory and processes of the share.
  var isActive: Bool { !isQueued && !isEnded }

  /// What it used so far, beyond the lines.
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

  /// The kind and the status of an end, by what the sandbox reports.
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
