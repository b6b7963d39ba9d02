import Bitcoin
import Bytes
import Market
import Sandbox

/// What the core requests from its driver. The driver performs effects in order and completes each
/// one before the next: a store is on disk before any later effect.
public enum AgentEffect {
  /// A log line. Levels: 0 error, 1 warning, 2 info, 3 debug.
  case log(level: UInt8, String)

  // MARK: The publisher

  /// Connect, then call `publisherConnected` or `publisherDisconnected`. Unless `allowsPrivate`,
  /// connect only to public addresses that the host name resolves to
  /// (``AddressRule/isPublic(_:)``).
  case dial(CallKey, host: [UInt8], port: UInt16, allowsPrivate: Bool)
  case transmit(CallKey, [UInt8])
  /// Sends all transmitted bytes, then closes. The driver does not call `publisherDisconnected` for
  /// it.
  case hangUp(CallKey)

  // MARK: The chain

  /// Report every transaction that touches this script, from block `fromHeight` on.
  case watch(script: [UInt8], fromHeight: UInt32)
  case unwatch(script: [UInt8])
  /// Relay the transaction, and repeat until it confirms.
  case broadcast(Transaction)
  /// The same for a funding. Also request it from peers until two have returned or fetched it, then
  /// report `.transactionRelayed`. Report a conflicting spend of its inputs.
  case relay(Transaction)
  case forget(txid: Bytes32)

  // MARK: Disk, synchronously

  /// Replaces a lease's record.
  case storeLease(contract: Bytes32, [UInt8])
  /// Writes or deletes rows of a lease's task table in one commit.
  case storeRows(contract: Bytes32, [StoredRow])
  /// Replaces a channel's state (``ChannelId``). The last payment's sequence number and amount
  /// never decrease.
  case storeChannel(id: Bytes32, sequence: UInt64, amountSat: UInt64, [UInt8])
  /// Keeps the lease's record and its channels' last states without loading them again; deletes its
  /// rows.
  case archiveLease(contract: Bytes32, channels: [Bytes32])
  /// Replaces one of the agent's documents.
  case storeMemory(MemoryKind, [UInt8])
  /// Erases overwritten data from disk, including the database's logs.
  case eraseTraces

  // MARK: Shares, bundles and tasks

  /// Creates the lease's share, in which its tasks run. `name` is unique among the agent's shares.
  case openShare(LeaseKey, name: String, ShareLimits)
  /// Removes all tasks, results and bundles of the lease. No event follows for its tasks.
  case closeShare(LeaseKey)
  /// Freezes all tasks of the lease, including those that start later.
  case freezeShare(LeaseKey)
  case thawShare(LeaseKey)
  /// Appends to a staged bundle in memory; the first bytes create it. Call `bundleLost` on failure.
  case stageBundle(LeaseKey, digest: Bytes32, [UInt8])
  case dropBundle(LeaseKey, digest: Bytes32)
  /// Starts the task with these staged bundles, the base first; their digests are verified. Then
  /// call `taskStarted`, and `taskEnded` in any case.
  case startTask(TaskRef, JobSpec, bundles: [Bytes32])
  case writeInput(TaskRef, [UInt8])
  case closeInput(TaskRef)
  /// Sends a signal to the task's program.
  case signalTask(TaskRef, UInt8)
  /// Kills the task; `taskEnded` follows.
  case terminate(TaskRef, StopReason)
  /// Requests `usageSampled` immediately.
  case sampleUsage(TaskRef)
  /// An action on an exec session in the task's sandbox; `id` is the publisher's number for it.
  case exec(TaskRef, id: UInt32, ExecAction)
  /// Collects `path` below `/out` (`/` for all) in memory, then calls `resultsCollected` or
  /// `resultsLost`.
  case collectResults(TaskRef, path: [UInt8], limitBytes: UInt64)
  /// Requests `resultBytes` with up to `count` bytes of the collected results at `offset`.
  case readResults(TaskRef, offset: UInt64, count: Int)
  case dropResults(TaskRef)
  /// Removes the task's sandbox and keeps its collected results. Only `resultBytes` follows for it.
  case destroyTask(TaskRef)
}

extension AgentEffect {
  /// The effect's name. Tests use it to select the effect at which to kill an agent.
  public var name: StaticString {
    switch self {
    case .log: return "log"
    case .dial: return "dial"
    case .transmit: return "transmit"
    case .hangUp: return "hangUp"
    case .watch: return "watch"
    case .unwatch: return "unwatch"
    case .broadcast: return "broadcast"
    case .relay: return "relay"
    case .forget: return "forget"
    case .storeLease: return "storeLease"
    case .storeRows: return "storeRows"
    case .storeChannel: return "storeChannel"
    case .archiveLease: return "archiveLease"
    case .storeMemory: return "storeMemory"
    case .eraseTraces: return "eraseTraces"
    case .openShare: return "openShare"
    case .closeShare: return "closeShare"
    case .freezeShare: return "freezeShare"
    case .thawShare: return "thawShare"
    case .stageBundle: return "stageBundle"
    case .dropBundle: return "dropBundle"
    case .startTask: return "startTask"
    case .writeInput: return "writeInput"
    case .closeInput: return "closeInput"
    case .signalTask: return "signalTask"
    case .terminate: return "terminate"
    case .sampleUsage: return "sampleUsage"
    case .exec: return "exec"
    case .collectResults: return "collectResults"
    case .readResults: return "readResults"
    case .dropResults: return "dropResults"
    case .destroyTask: return "destroyTask"
    }
  }
}
