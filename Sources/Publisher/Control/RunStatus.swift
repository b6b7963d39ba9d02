import Capability
import Hiring
import Market

/// One lease of a run.
public struct WorkerStatus: Codable, Sendable {
  /// Its name on the command line.
  public var job: String
  public var worker: UInt16
  /// The provider's identity, hexadecimal.
  public var machine: String
  public var contract: String
  /// The lease's stage, or its standing while suspended.
  public var state: String
  public var connected: Bool
  /// The number of exec sessions.
  public var programs: Int
  public var capacitySat: UInt64
  public var owedSat: UInt64
  public var paidSat: UInt64
  public var payments: UInt64
  public var hourlySat: UInt64
  /// The sums of its tasks' counters, and `reserved_ms`.
  public var usage: [String: UInt64]
  /// The number of further channels.
  public var topUps: Int
  /// The numbers of its running tasks.
  public var tasks: [UInt32]
  /// The number of tasks queued at the provider.
  public var queued: Int
  /// How its last task ended; nil while a task runs.
  public var exit: String?
  public var exitStatus: Int32?
  /// The exit status for this task; nil while it has not ended.
  public var status: UInt8?
  public var architecture: String
  public var processors: Int
  public var memoryMib: UInt32
  public var isolation: String

  /// - Parameter last: the task that ended last on it.
  init(_ lease: LeaseView, run: String, last: RunReceipt.Task?) {
    let contract = lease.contract
    let report = try? CapabilityReport.decode(lease.report)
    job = run + "/\(contract.workerIndex)"
    worker = contract.workerIndex
    machine = contract.provider.hex
    self.contract = contract.id.hex
    let stands = lease.stage == .open && lease.standing != .running
    state = stands ? lease.standing.text : lease.stage.text
    connected = lease.isConnected
    programs = lease.execSessions
    capacitySat = lease.capacitySat
    owedSat = lease.owedSat
    paidSat = lease.paidSat
    payments = lease.payments
    hourlySat = Price.hourlySat(contract.rates, contract.share) ?? 0
    usage = lease.usageFields
    topUps = max(0, lease.channels.count - 1)
    tasks = lease.running
    queued = lease.queued
    let shown = lease.running.isEmpty ? last : nil
    exit = shown?.exit
    exitStatus = shown?.exitStatus
    status = shown?.status
    architecture = report?.architecture ?? ""
    processors = Int(report?.processors ?? 0)
    memoryMib = UInt32(report?.memoryMiB ?? 0)
    isolation = ["refused", "reduced", "full"][min(2, Int(report?.isolation ?? 0))]
  }
}

/// A run: live, or any with `zennet ps --all`.
public struct RunStatus: Codable, Sendable {
  public var run: String
  public var title: String
  public var command: [String]
  public var startedUnixSeconds: UInt64
  public var wanted: Int
  /// Whether it is a `zennet map`.
  public var map: Bool
  public var workers: [WorkerStatus]
  public var tasks: TaskCounts
  /// With `zennet ps --all` only: whether the run is live.
  public var live: Bool?
  /// When it ended; nil before.
  public var endedUnixSeconds: UInt64?
  /// The exit status of `zennet run`; nil while unknown.
  public var status: UInt8?

  public struct TaskCounts: Codable, Sendable {
    /// For a map, the tasks created so far.
    public var all: UInt64 = 0
    public var running: UInt64 = 0
    public var ended: UInt64 = 0
    public var failed: UInt64 = 0
  }

  /// Whether the run has ended.
  public var isOver: Bool { endedUnixSeconds != nil }

  /// The named worker; all workers if nil.
  public func workers(of worker: UInt16?) -> [WorkerStatus] {
    workers.filter { worker == nil || $0.worker == worker }
  }

  init(
    id: String, _ offer: Offer, command: [String], isMap: Bool, startedUnixSeconds: UInt64,
    workers: [WorkerStatus], tasks: TaskCounts
  ) {
    run = id
    map = isMap
    title = String(decoding: offer.title, as: UTF8.self)
    self.command = command
    self.startedUnixSeconds = startedUnixSeconds
    wanted = Int(offer.workers)
    self.workers = workers
    self.tasks = tasks
  }
}
