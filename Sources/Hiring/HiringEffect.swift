import Bitcoin
import Bytes
import Market

/// Identifies an accepted connection to the driver. A value is used once per process.
public struct CallKey: Hashable, Sendable {
  public let value: UInt64
  public init(_ value: UInt64) { self.value = value }
}

/// Identifies a task of a pool to the driver.
public struct TaskId: Hashable, Sendable {
  /// ``PoolRecord/id``.
  public var pool: Bytes32
  /// From 0, in the order of ``HiringMachine/addTask(_:to:_:)``.
  public var index: UInt32

  public init(pool: Bytes32, index: UInt32) {
    self.pool = pool
    self.index = index
  }
}

/// What the core requests from its driver. The driver performs effects in order and completes each
/// one before the next: a store is on disk before any later effect. Consecutive stores may share
/// one transaction. A failed store ends the program.
public enum HiringEffect: Equatable, Sendable {
  /// A log line. Levels: 0 error, 1 warning, 2 info, 3 debug.
  case log(level: UInt8, String)

  // MARK: The providers' connections

  case transmit(CallKey, [UInt8])
  /// Sends all transmitted bytes, then closes. The driver does not call `disconnected` for it.
  case hangUp(CallKey)

  // MARK: The chain

  /// Report every transaction that touches this script, from block `fromHeight` on.
  case watch(script: [UInt8], fromHeight: UInt32)
  /// Registers an unspent output of this script that an earlier run found.
  case recall(OutPoint, script: [UInt8])
  /// Relay the transaction, and repeat until it confirms.
  case broadcast(Transaction)
  case forget(txid: Bytes32)

  // MARK: Disk, synchronously: each replaces the value stored under the same key

  /// A ``PoolRecord``.
  case storePool(id: Bytes32, [UInt8])
  /// A ``LeaseRecord``: the documents of a lease. Written rarely.
  case storeLease(contract: Bytes32, pool: Bytes32, [UInt8])
  /// A ``LeaseProgress``: the current state of a lease. Small, written often.
  case storeLeaseState(contract: Bytes32, [UInt8])
  /// The state of one channel; `id` is `ChannelId.of(contract:number:)`. The last payment's
  /// sequence number and amount never decrease.
  case storeChannel(id: Bytes32, sequence: UInt64, amountSat: UInt64, [UInt8])
  /// A ``TaskRecord``.
  case storeTask(TaskId, [UInt8])
  /// The wallet's document.
  case storeWallet([UInt8])
  /// A ``ProviderBook``: settled leases and debts per provider.
  case storeProviders([UInt8])

  // MARK: Task output and results

  /// The task runs on the provider with this worker index.
  case taskStarted(TaskId, worker: UInt16, unixSeconds: UInt64)
  /// The task was lost and will run again on another provider. Discard its output and results.
  case taskRestarted(TaskId)
  /// Output of a task; `offset` counts bytes from the start of the stream. A stream restarts at 0
  /// after a restart of this program, or when the task runs again on another provider.
  case taskOutput(TaskId, isError: Bool, offset: UInt64, [UInt8])
  /// Bytes of a task's result archive; `offset` 0 truncates the file first.
  case taskResults(TaskId, offset: UInt64, [UInt8])
  /// The archive is complete and matches the digest that the provider reported: make it durable,
  /// then unpack it.
  case keepResults(TaskId)
  /// The last event of a task: no more output or results follow.
  case taskEnded(TaskId, TaskOutcome)
  /// An event of the exec session with this ``HiringMachine/startExec(_:in:_:)`` number.
  case exec(UInt32, ExecEvent)
  /// The pool is complete: nothing is running or awaited.
  case poolFinished(id: Bytes32)
}

extension HiringEffect {
  /// The effect's name. Tests use it to select the effect at which to kill a publisher.
  public var name: StaticString {
    switch self {
    case .log: return "log"
    case .transmit: return "transmit"
    case .hangUp: return "hangUp"
    case .watch: return "watch"
    case .recall: return "recall"
    case .broadcast: return "broadcast"
    case .forget: return "forget"
    case .storePool: return "storePool"
    case .storeLease: return "storeLease"
    case .storeLeaseState: return "storeLeaseState"
    case .storeChannel: return "storeChannel"
    case .storeTask: return "storeTask"
    case .storeWallet: return "storeWallet"
    case .storeProviders: return "storeProviders"
    case .taskStarted: return "taskStarted"
    case .taskRestarted: return "taskRestarted"
    case .taskOutput: return "taskOutput"
    case .taskResults: return "taskResults"
    case .keepResults: return "keepResults"
    case .taskEnded: return "taskEnded"
    case .exec: return "exec"
    case .poolFinished: return "poolFinished"
    }
  }

  /// Whether the effect only writes to disk: consecutive stores may share a transaction.
  public var isStore: Bool {
    switch self {
    case .storePool, .storeLease, .storeLeaseState, .storeChannel, .storeTask, .storeWallet,
      .storeProviders:
      return true
    default: return false
    }
  }
}

/// The final state of a task.
public enum TaskOutcome: Equatable, Sendable {
  /// The provider reported this line. `hasResults`: the results are durable on this host.
  case line(TaskLine, hasResults: Bool)
  /// The provider disconnected for good or was dropped after the task may have started, and no
  /// reruns are left.
  case lost
  /// No provider was hired in time, or every provider refused it.
  case notHired
  /// The publisher stopped it before it was sent to a provider.
  case stopped
}

/// An event of an exec session, for the client that started it.
public enum ExecEvent: Equatable, Sendable {
  /// Call `execOutputTaken` when the bytes are consumed.
  case output(isError: Bool, [UInt8])
  /// `execInput` accepts more bytes.
  case inputRoom
  case ended(ExecEnd)
  /// The session failed, or its end is unknown.
  case failed(String)
}
