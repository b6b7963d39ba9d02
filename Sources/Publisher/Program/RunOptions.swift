import Bytes
import Foundation
import Hiring
import Market

/// A run's options beside its offer, stored in the run's folder, so that a run can be resumed by
/// name.
public struct RunOptions: Codable, Equatable, Sendable {
  /// `regtest`, `signet`, `testnet4`, `bitcoin`, or the name of a custom signet.
  public var network: String
  /// A custom signet's challenge script, hexadecimal.
  public var challenge: String?
  /// `host:port` of nodes for following the chain.
  public var peers: [String]
  /// `address:port` where workers call.
  public var listen: String
  /// The folder for results: `worker-0`, `worker-1` …, for a map `task-0` …; nil keeps the archives
  /// in the run's folder.
  public var results: String?
  /// The file for the receipt, as JSON.
  public var receipt: String?
  public var bidWindowMs: UInt64 = 2_000
  public var hireTimeoutMs: UInt64?
  public var waitsForClose = true
  public var awayMs: UInt64 = 600_000
  public var capacitySat: UInt64?
  public var maxTopUps: UInt8 = 7
  /// The longest expected use of each lease.
  public var workMs: UInt64 = 600_000
  public var stopPayingAfter: UInt64?
  public var payAgainAfterMs: UInt64?
  /// The common part of all tasks.
  public var tasks: TaskTemplate
  /// A map's options; nil for `zennet run`.
  public var map: MapOptions?

  public init(
    network: String, challenge: String?, peers: [String], listen: String, tasks: TaskTemplate
  ) {
    self.network = network
    self.challenge = challenge
    self.peers = peers
    self.listen = listen
    self.tasks = tasks
  }

  func apply(to plan: inout PoolPlan) {
    plan.bidWindowMs = bidWindowMs
    plan.hireTimeoutMs = hireTimeoutMs
    plan.waitsForClose = waitsForClose
    plan.awayMs = awayMs
    plan.capacitySat = capacitySat
    plan.maxTopUps = maxTopUps
    plan.workMs = workMs
    // A task of `zennet run` may have side effects and is not run again.
    if map == nil { plan.reruns = 0 }
    plan.stopPayingAfter = stopPayingAfter
    plan.payAgainAfterMs = payAgainAfterMs
  }

  /// The name prefix of results.
  var resultPrefix: String { map == nil ? "worker" : "task" }
}

/// A stored reference to a bundle.
public struct KeptBundle: Codable, Equatable, Sendable {
  /// SHA-256 of its bytes, hexadecimal.
  public var digest: String
  public var sizeBytes: UInt64

  public init(_ bundle: BundleRef) {
    digest = bundle.digest.hex
    sizeBytes = bundle.sizeBytes
  }

  var ref: BundleRef? {
    Hex.decode(digest).flatMap { Bytes32(exactly: $0) }.map {
      BundleRef(digest: $0, sizeBytes: sizeBytes)
    }
  }
}

/// The common part of a run's tasks.
public struct TaskTemplate: Codable, Equatable, Sendable {
  /// The program and its arguments; for a map, `{}` stands for a task's argument.
  public var command: [String]
  /// `NAME=value`.
  public var environment: [String] = []
  public var workdir = "/work"
  public var memoryMiB: UInt32
  public var milliCpus: UInt32
  public var pids: UInt32
  public var diskMiB: UInt32
  public var wallMs: UInt64
  public var stopMs: UInt32 = 0
  public var maxResultBytes: UInt64 = 0
  /// For a run: one for all workers, or one per worker. For a map: the common base, or none.
  public var bundles: [KeptBundle] = []

  public init(command: [String], limits: TaskLimits) {
    self.command = command
    memoryMiB = limits.memoryMiB
    milliCpus = limits.milliCpus
    pids = limits.pids
    diskMiB = limits.diskMiB
    wallMs = limits.wallMs
  }

  public var limits: TaskLimits {
    TaskLimits(
      memoryMiB: memoryMiB, milliCpus: milliCpus, pids: pids, diskMiB: diskMiB, wallMs: wallMs)
  }

  /// The task of one worker of a run.
  func spec(worker: UInt16, of workers: UInt16, hasInput: Bool) -> TaskSpec {
    let bundle = bundles.isEmpty ? nil : bundles[Int(worker) % bundles.count].ref
    return spec(
      command, environment: ["ZENNET_WORKER=\(worker)", "ZENNET_WORKERS=\(workers)"],
      bundles: bundle.map { [$0] } ?? [], hasInput: hasInput, worker: worker)
  }

  /// One task of a map.
  /// - Parameter input: the task's own files.
  func spec(task: UInt32, argument: String, input: BundleRef?) -> TaskSpec {
    spec(
      TaskArgument.fill(command, with: argument),
      environment: ["ZENNET_TASK=\(task)", TaskTemplate.argumentName + argument],
      bundles: bundles.compactMap(\.ref) + (input.map { [$0] } ?? []))
  }

  /// Gives a shell the argument without quoting.
  private static let argumentName = "ZENNET_ARGUMENT="

  /// The argument from which a task was created.
  static func argument(of spec: TaskSpec) -> String? {
    let entry = spec.environment.last { $0.starts(with: argumentName.utf8) }
    return entry.map { String(decoding: $0.dropFirst(argumentName.utf8.count), as: UTF8.self) }
  }

  private func spec(
    _ arguments: [String], environment more: [String], bundles: [BundleRef],
    hasInput: Bool = false, worker: UInt16? = nil
  ) -> TaskSpec {
    TaskSpec(
      bundles: bundles, arguments: arguments.map { Array($0.utf8) },
      environment: (environment + more).map { Array($0.utf8) }, workdir: Array(workdir.utf8),
      limits: limits, stopMs: stopMs, hasInput: hasInput, maxResultBytes: maxResultBytes,
      worker: worker)
  }
}

/// Options of a map.
public struct MapOptions: Codable, Equatable, Sendable {
  /// The absolute path of a file with one argument per line; `-` for standard input.
  public var arguments: String
  /// The absolute path of a folder or bundle per task; `{}` stands for the argument.
  public var taskInput: String?
  public var keepsOrder = false
  /// Print one JSON line per task instead of its output.
  public var printsJson = false

  public init(arguments: String) { self.arguments = arguments }
}
