import Bitcoin
import Bytes
import Market
import Sandbox

/// What the agent asks of its driver. The driver carries effects out in the order given and
/// finishes each before the next: what is stored is on disk before anything after it happens.
public enum AgentEffect {
  /// For the owner's eyes; 0 error, 1 warning, 2 info, 3 debug.
  case log(level: UInt8, String)

  // MARK: The publisher

  /// Connect, then call `publisherConnected` or `publisherDisconnected`. Unless `allowsPrivate`, an
  /// address that a host name resolves to is dialled only where it is public
  /// (``AddressRule/isPublic(_:)``).
  case dial(CallKey, host: [UInt8], port: UInt16, allowsPrivate: Bool)
  case transmit(CallKey, [UInt8])
  /// Send what was transmitted before, then close. `publisherDisconnected` is not called for it.
  case hangUp(CallKey)

  // MARK: The chain

  /// From now on report everything that touches this script, from `fromHeight` on.
  case watch(script: [UInt8], fromHeight: UInt32)
  case unwatch(script: [UInt8])
  /// Announce, and again until it confirms.
  case broadcast(Transaction)
  /// The same for a funding, and ask peers for it until two return or fetch it: then
  /// `.transactionRelayed` is due. Report where an input of it is spent by another transaction.
  case relay(Transaction)
  case forget(txid: Bytes32)

  // MARK: Disk, synchronously

  /// Replace the record of a lease.
  case storeLease(contract: Bytes32, [UInt8])
  /// Put or delete rows of a lease's task table: all or none, in one commit.
  case storeRows(contract: Bytes32, [StoredRow])
  /// Replace the state of a channel (``ChannelId``); neither the last payment's number nor its amount
  /// ever falls.
  case storeChannel(id: Bytes32, sequence: UInt64, amountSat: UInt64, [UInt8])
  /// The lease is over for good: keep its record and its channels' last states, never load them again;
  /// delete its rows.
  case archiveLease(contract: Bytes32, channels: [Bytes32])
  /// Replace a document of the agent's own.
  case storeMemory(MemoryKind, [UInt8])
  /// What was just stored replaces what was stored before: that must not be found any more, in no log of
  /// the database either.
  case eraseTraces

  // MARK: Shares, bundles and tasks

  /// Set the lease's share aside: its tasks run within it. `name` is unique among the agent's shares.
  case openShare(LeaseKey, name: String, ShareLimits)
  /// Nothing of the lease may remain: tasks, results, bundles. No event follows for any of its tasks.
  case closeShare(LeaseKey)
  /// Stop everything of the lease where it stands, tasks that start later too.
  case freezeShare(LeaseKey)
  case thawShare(LeaseKey)
  /// Append to a staged bundle, which is kept in memory; the first bytes make it. Where that fails call
  /// `bundleLost`.
  case stageBundle(LeaseKey, digest: Bytes32, [UInt8])
  case dropBundle(LeaseKey, digest: Bytes32)
  /// Start the task with these staged bundles, the base first; their digests were checked. Then call
  /// `taskStarted`, and `taskEnded` in any case.
  case startTask(TaskRef, JobSpec, bundles: [Bytes32])
  case writeInput(TaskRef, [UInt8])
  case closeInput(TaskRef)
  /// Send a signal to the task's program.
  case signalTask(TaskRef, UInt8)
  /// Kill the task; `taskEnded` follows.
  case terminate(TaskRef, StopReason)
  /// Call `usageSampled` at once.
  case sampleUsage(TaskRef)
  /// Something about an exec session in the task's sandbox, by the publisher's number for it.
  case exec(TaskRef, id: UInt32, ExecAction)
  /// Collect what `path` names below `/out` (`/` is all of it) in memory, then call `resultsCollected`
  /// or `resultsLost`.
  case collectResults(TaskRef, path: [UInt8], limitBytes: UInt64)
  /// Call `resultBytes` with up to `count` bytes of the collected results from `offset` on.
  case readResults(TaskRef, offset: UInt64, count: Int)
  case dropResults(TaskRef)
  /// The task's sandbox goes, its collected results stay. No event follows for it but `resultBytes`.
  case destroyTask(TaskRef)
}

extension AgentEffect {
  /// The effect's name, by which tests say where an agent is to be killed.
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
