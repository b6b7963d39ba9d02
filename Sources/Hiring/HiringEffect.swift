import Bitcoin
import Bytes
import Market

/// An accepted connection, for the driver: never used twice in one process.
public struct CallKey: Hashable, Sendable {
  public let value: UInt64
  public init(_ value: UInt64) { self.value = value }
}

/// A task of a pool, for the driver.
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

/// What the publisher's core asks of its driver. The driver carries effects out in the order given and
/// finishes each before the next: what is stored is on disk before anything after it happens. Stores
/// that follow each other directly may share one transaction. A store that fails ends the program.
public enum HiringEffect: Equatable, Sendable {
  /// For the timeline; 0 error, 1 warning, 2 info, 3 debug.
  case log(level: UInt8, String)

  // MARK: The providers' connections

  case transmit(CallKey, [UInt8])
  /// Send what was transmitted before, then close. `disconnected` is not called for it.
  case hangUp(CallKey)

  // MARK: The chain

  /// From now on report everything that touches this script, from `fromHeight` on.
  case watch(script: [UInt8], fromHeight: UInt32)
  /// An output of this script is known from before.
  case recall(OutPoint, script: [UInt8])
  /// Relay, and again until it confirms.
  case broadcast(Transaction)
  case forget(txid: Bytes32)

  // MARK: Disk, synchronously: each replaces what was stored under the same key

  /// A ``PoolRecord``.
  case storePool(id: Bytes32, [UInt8])
  /// A ``LeaseRecord``: the documents of a lease. Written a few times.
  case storeLease(contract: Bytes32, pool: Bytes32, [UInt8])
  /// A ``LeaseProgress``: where a lease stands. Small, written often.
  case storeLeaseState(contract: Bytes32, [UInt8])
  /// The state of one channel; `id` is `ChannelId.of(contract:number:)`. Neither the last payment's
  /// number nor its amount ever falls.
  case storeChannel(id: Bytes32, sequence: UInt64, amountSat: UInt64, [UInt8])
  /// A ``TaskRecord``.
  case storeTask(TaskId, [UInt8])
  /// The wallet's document.
  case storeWallet([UInt8])
  /// A ``ProviderBook``: who was hired before, who failed, what is owed from earlier leases.
  case storeProviders([UInt8])

  // MARK: What tasks make

  /// The task runs on the machine at this place of the pool.
  case taskStarted(TaskId, worker: UInt16, unixSeconds: UInt64)
  /// It was lost, and will run again on another machine: what it made so far counts for nothing.
  case taskRestarted(TaskId)
  /// What a task printed; `offset` is the place of the first byte in the whole stream. After a restart
  /// of this program, or where a task runs again on another machine, a stream begins at 0 again.
  case taskOutput(TaskId, isError: Bool, offset: UInt64, [UInt8])
  /// Bytes of the results of a task; `offset` 0 starts the file afresh.
  case taskResults(TaskId, offset: UInt64, [UInt8])
  /// The file is whole and has the digest that the provider reported: make it durable, and unpack it.
  case keepResults(TaskId)
  /// The last event of a task: its output and its results have come, or never will.
  case taskEnded(TaskId, TaskOutcome)
  /// Something about an exec session, by the number that ``HiringMachine/startExec(_:in:_:)`` gave.
  case exec(UInt32, ExecEvent)
  /// Nothing is left to be done for the pool, or to be waited for.
  case poolFinished(id: Bytes32)
}

extension HiringEffect {
  /// The effect's name, by which tests say where a publisher is to be killed.
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

  /// Whether it only writes to the disk: such effects that follow each other may share a transaction.
  public var isStore: Bool {
    switch self {
    case .storePool, .storeLease, .storeLeaseState, .storeChannel, .storeTask, .storeWallet,
      .storeProviders:
      return true
    default: return false
    }
  }
}

/// What became of a task.
public enum TaskOutcome: Equatable, Sendable {
  /// The provider's line. `hasResults`: the results are durable on this machine.
  case line(TaskLine, hasResults: Bool)
  /// The machine vanished, or was given up, after the task may have started; no reruns are left.
  case lost
  /// No machine was hired for it in time, or none would take it.
  case notHired
  /// Stopped by the publisher before it was sent to a machine.
  case stopped
}

/// What happens to an exec session, for whoever asked for it.
public enum ExecEvent: Equatable, Sendable {
  /// Call `execOutputTaken` when it is disposed of.
  case output(isError: Bool, [UInt8])
  /// `execInput` may take more again.
  case inputRoom
  case ended(ExecEnd)
  /// It is not known how it ended, or it could not be asked for.
  case failed(String)
}
