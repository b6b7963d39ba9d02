import Bitcoin
import Bytes
import Market
import Sandbox

/// A job of this agent, for the driver: never used twice in one run.
public struct JobKey: Hashable, Comparable, Sendable {
  public let value: UInt32
  public init(_ value: UInt32) { self.value = value }
  public static func < (left: JobKey, right: JobKey) -> Bool { left.value < right.value }
}

/// What the agent asks of its driver. The driver carries effects out in the order given and
/// finishes each before the next: what is stored is on disk before anything after it happens.
public enum AgentEffect {
  /// For the owner's eyes; 0 error, 1 warning, 2 info, 3 debug.
  case log(level: UInt8, String)

  // MARK: The publisher

  /// Connect, then call `publisherConnected` or `publisherDisconnected`.
  case dial(JobKey, host: [UInt8], port: UInt16)
  case transmit(JobKey, [UInt8])
  /// Send what was transmitted before, then close. `publisherDisconnected` is not called for it.
  case hangUp(JobKey)

  // MARK: The chain

  /// From now on tell of everything that touches this script, from `fromHeight` on.
  case watch(script: [UInt8], fromHeight: UInt32)
  case unwatch(script: [UInt8])
  /// Relay, and again until it confirms.
  case broadcast(Transaction)
  case forget(txid: Bytes32)

  // MARK: Disk, synchronously

  /// Replace the record of a job.
  case storeJob(contract: Bytes32, [UInt8])
  /// Replace the state of a channel; neither the last payment's number nor its amount ever falls.
  case storeChannel(contract: Bytes32, sequence: UInt64, amountSat: UInt64, [UInt8])
  /// The channel is settled for good: keep its record, and never load it again.
  case archiveChannel(contract: Bytes32)

  // MARK: The sandbox

  /// Append to the job's staged bundle, which is kept in memory.
  case stageBundle(JobKey, [UInt8])
  /// Stage the bundle from the cache if it is there and has this digest, then call `bundleLoaded`.
  case loadBundle(JobKey, digest: Bytes32, bytes: UInt64)
  /// Keep the staged bundle, whose digest was checked, for later jobs.
  case cacheBundle(JobKey, digest: Bytes32)
  /// Throw the staged bundle away.
  case dropBundle(JobKey)
  /// Start the job with the staged bundle, which was checked.
  case startSandbox(JobKey, JobSpec)
  case writeInput(JobKey, [UInt8])
  case closeInput(JobKey)
  case freeze(JobKey)
  case thaw(JobKey)
  case terminate(JobKey, StopReason)
  /// Something about a further program beside the job, by the publisher's number for it.
  case program(JobKey, id: UInt32, ProgramAction)
  /// Call `usageSampled` at once.
  case sampleUsage(JobKey)
  /// Collect `/out` in memory, then call `resultsCollected`.
  case collectResults(JobKey, limitBytes: UInt64)
  /// Call `resultBytes` with up to `count` bytes of the collected results from `offset` on.
  case readResults(JobKey, offset: UInt64, count: Int)
  /// Nothing of the job may remain. Call `sandboxDestroyed` when nothing does.
  case destroySandbox(JobKey)
  /// What was just stored of the job replaces what was stored before: that must not be found any more,
  /// in no log of the database either.
  case eraseTraces(JobKey)
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
    case .forget: return "forget"
    case .storeJob: return "storeJob"
    case .storeChannel: return "storeChannel"
    case .archiveChannel: return "archiveChannel"
    case .stageBundle: return "stageBundle"
    case .loadBundle: return "loadBundle"
    case .cacheBundle: return "cacheBundle"
    case .dropBundle: return "dropBundle"
    case .startSandbox: return "startSandbox"
    case .writeInput: return "writeInput"
    case .closeInput: return "closeInput"
    case .freeze: return "freeze"
    case .thaw: return "thaw"
    case .terminate: return "terminate"
    case .program: return "program"
    case .sampleUsage: return "sampleUsage"
    case .collectResults: return "collectResults"
    case .readResults: return "readResults"
    case .destroySandbox: return "destroySandbox"
    case .eraseTraces: return "eraseTraces"
    }
  }
}
