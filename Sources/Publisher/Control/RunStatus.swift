import Capability
import Hiring
import Market

/// One lease of a run.
public struct WorkerStatus: Codable, Sendable {
  /// As commands name it.
  public var job: String
  public var worker: UInt16
  /// The machine's identity, hexadecimal.
  public var machine: String
  public var contract: String
  /// How far it has come, or why its tasks stand still.
  public var state: String
  public var connected: Bool
  /// Exec sessions.
  public var programs: Int
  public var capacitySat: UInt64
  public var owedSat: UInt64
  public var paidSat: UInt64
  public var payments: UInt64
  public var hourlySat: UInt64
  /// Of its tasks in sum, and `reserved_ms`.
  public var usage: [String: UInt64]
  /// Channels that followed the first.
  public var topUps: Int
  /// Numbers of the tasks that run on it.
  public var tasks: [UInt32]
  /// Tasks that wait there for their turn.
  public var queued: Int
  /// How its task ended; of a map, the last one. Nil while a task runs.
  public var exit: String?
  public var exitStatus: Int32?
  /// What a run of this task alone exits with; nil while it has no end.
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

/// A run: one that goes on, or of `zennet ps --all` any.
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
  /// Of `zennet ps --all` only: whether a program works at it.
  public var live: Bool?
  /// When it was over; nil while it is not.
  public var endedUnixSeconds: UInt64?
  /// What `zennet run` exited with, or would; nil while that is open.
  public var status: UInt8?

  public struct TaskCounts: Codable, Sendable {
    /// Of a map those that were made so far.
    public var all: UInt64 = 0
    public var running: UInt64 = 0
    public var ended: UInt64 = 0
    public var failed: UInt64 = 0
  }

  /// No program works at it, and there is nothing left to be done for its tasks' results.
  public var isOver: Bool { endedUnixSeconds != nil }

  /// The worker that is meant; all of them where none is named.
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
