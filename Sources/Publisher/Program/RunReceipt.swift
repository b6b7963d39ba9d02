import Bitcoin
import Bytes
import Foundation
import Hiring
import Host
import Market

/// The receipt of a run, as JSON. All values are read from the ledger, which stores on-chain
/// amounts from blocks.
public struct RunReceipt: Encodable {
  /// A lease.
  public struct Job: Encodable {
    /// The provider's identity, hexadecimal.
    public var worker: String
    /// Its worker index.
    public var place: UInt16
    /// The contract's digest, hexadecimal.
    public var contract: String
    public var reportSignatureOk: Bool
    public var receiptSignaturesOk: Bool
    /// Of the first channel.
    public var fundingTxid: String?
    public var fundingHeight: UInt32?
    /// The sum over all channels.
    public var capacitySat: UInt64
    public var payments: UInt64
    public var owedSat: UInt64
    public var paidSat: UInt64
    public var closeTxid: String?
    public var closeHeight: UInt32?
    public var payoutAddress: String
    public var payoutSat: UInt64
    /// How its last task ended.
    public var exit: String?
    public var exitStatus: Int32?
    /// The first nonzero status of its tasks, by number, else the last one's; nil before any end.
    public var status: UInt8?
    public var resultBytes: UInt64
    public var resultDigest: String?
    public var usage: [String: UInt64]
    public var tasks: [Task]
    public var topUps: [TopUp]
  }

  public struct Task: Encodable {
    public var task: UInt32
    public var exit: String
    public var exitStatus: Int32?
    /// The exit status for this task.
    public var status: UInt8
    public var resultBytes: UInt64
    public var resultDigest: String?
    public var usage: [String: UInt64]
    /// Unix time in seconds by the provider's clock.
    public var started: UInt64?
  }

  /// A further channel of a lease.
  public struct TopUp: Encodable {
    public var number: Int
    public var fundingTxid: String?
    public var fundingHeight: UInt32?
    public var capacitySat: UInt64
    public var paidSat: UInt64
    public var closeTxid: String?
    public var closeHeight: UInt32?
    public var payoutSat: UInt64
  }

  public var network: String
  public var run: String
  public var announcementTxid: String
  public var announcementHeight: UInt32
  public var seconds: Double
  /// The exit status of `zennet run`; nil while unknown.
  public var status: UInt8?
  public var jobs: [Job]
  /// Tasks that ended without a provider's line.
  public var unplaced: [Task]

  /// - Parameter end: the end of the current run; nil derives the status from the ledger.
  public init(
    _ folder: RunFolder, run: PoolRecord, networkName: String, seconds: Double, end: RunEnd? = nil
  ) throws(RunError) {
    network = networkName
    self.run = RunFolder.name(run.id)
    announcementTxid = run.announcement.txid.reversed.hex
    announcementHeight = run.announcementHeight
    self.seconds = seconds
    jobs = []
    let tasks = try TaskEnds(folder.ledger, run, results: folder.path)
    if let problem = tasks.problems.first { throw problem }
    for lease in try folder.ledger.leases(of: run.id) where lease.stage != .abandoned {
      let view = try LeaseView(lease, folder.walletFolder.keys)
      jobs.append(
        RunReceipt.job(
          view, tasks.byLease[view.contract.id] ?? [], folder.walletFolder.network))
    }
    unplaced = tasks.unplaced
    status = (end?.status ?? tasks.status(of: run))?.code
  }

  private static func job(_ lease: LeaseView, _ tasks: [Task], _ network: Network) -> Job {
    let first = lease.channels.first
    let last = tasks.last
    let payout = Address.text(
      scriptPubKey: lease.contract.terms.payoutScript, network: network)
    let failed = tasks.sorted { $0.task < $1.task }.first { $0.status != 0 }
    return Job(
      worker: lease.contract.provider.hex, place: lease.worker, contract: lease.contract.id.hex,
      reportSignatureOk: lease.reportIsSigned, receiptSignaturesOk: lease.receiptIsSigned,
      fundingTxid: first?.fundingTxid?.reversed.hex, fundingHeight: first?.fundingHeight,
      capacitySat: lease.capacitySat, payments: lease.payments, owedSat: lease.owedSat,
      paidSat: lease.paidSat, closeTxid: first?.spend?.txid.reversed.hex,
      closeHeight: first?.spendHeight, payoutAddress: payout ?? "", payoutSat: lease.payoutSat,
      exit: last?.exit, exitStatus: last?.exitStatus,
      status: failed?.status ?? last?.status,
      resultBytes: last?.resultBytes ?? 0, resultDigest: last?.resultDigest,
      usage: lease.usageFields, tasks: tasks, topUps: topUps(lease))
  }

  private static func topUps(_ lease: LeaseView) -> [TopUp] {
    lease.channels.enumerated().dropFirst().map { number, channel in
      TopUp(
        number: number, fundingTxid: channel.fundingTxid?.reversed.hex,
        fundingHeight: channel.fundingHeight, capacitySat: channel.capacitySat,
        paidSat: channel.paidSat, closeTxid: channel.spend?.txid.reversed.hex,
        closeHeight: channel.spendHeight, payoutSat: channel.spend?.payoutSat ?? 0)
    }
  }

  /// A one-line summary.
  public var summary: String? {
    let ended = jobs.flatMap(\.tasks) + unplaced
    let failed = ended.filter { $0.status != 0 }.count
    let paidSat = jobs.map(\.paidSat).reduce(0, +)
    return "\(ended.count) tasks" + (failed > 0 ? ", \(failed) of them failed" : "")
      + "; \(jobs.count) leases; paid \(paidSat) sat"
  }

  /// Replaces the file at `path`; a pipe, a device or a link is written to in place.
  public func write(_ path: String) throws(RunError) {
    do throws(HostError) {
      let text = Array((json + "\n").utf8)
      if try !OutputCheck.isReplaced(path) { return try Files.append(path, text) }
      try Files.writeAtomically(path, text, mode: 0o644)
    } catch { throw .host(error) }
  }

  public var json: String {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }
}

/// How the tasks of a run ended, from the ledger.
struct TaskEnds {
  /// In the order of their ends.
  private(set) var byLease: [Bytes32: [RunReceipt.Task]] = [:]
  private(set) var unplaced: [RunReceipt.Task] = []
  private(set) var tally = TaskTally()
  /// The number of unfinished tasks.
  private(set) var openCount: UInt64 = 0
  private(set) var count: UInt64 = 0
  /// Unreadable tasks; they count as unfinished.
  private(set) var problems: [RunError] = []

  /// - Parameter results: the data folder, which holds the markers of unwritten results.
  init(_ ledger: RunLedger, _ run: PoolRecord, results dataFolder: String) throws(RunError) {
    let folder = dataFolder + "/runs/" + RunFolder.name(run.id)
    let options = try? RunFolder.options(in: folder)
    let results = ResultsWriter(
      folder: folder, target: nil, prefix: options?.resultPrefix ?? "worker")
    var places: [Bytes32: [(place: UInt32, task: RunReceipt.Task)]] = [:]
    var unplaced: [RunReceipt.Task] = []
    var tally = TaskTally()
    var openCount: UInt64 = 0
    var count: UInt64 = 0
    var problems: [RunError] = []
    try ledger.forEachStoredTask(of: run.id) { (index, record) throws(RunError) in
      count += 1
      if record == nil { problems.append(RunLedger.damagedTask(index, of: run.id)) }
      guard let record, let outcome = record.outcome else {
        openCount += 1
        return
      }
      var status = ExitStatus(outcome, wantsResults: record.wantsResults)
      if status == .success && results.isUnwritten(task: index) { status = .notWritten }
      tally.add(index, status)
      let task = RunReceipt.Task(index, outcome, status)
      if case .line(let lease, let place, _, _) = record.state {
        places[lease, default: []].append((place, task))
      } else {
        unplaced.append(task)
      }
    }
    for (lease, tasks) in places {
      byLease[lease] = tasks.sorted { $0.place < $1.place }.map(\.task)
    }
    self.unplaced = unplaced
    self.tally = tally
    self.openCount = openCount
    self.count = count
    self.problems = problems
  }

  /// The exit status of the run's program; nil while unknown.
  func status(of run: PoolRecord) -> ExitStatus? {
    if run.isFinished {
      if let failed = tally.firstFailed { return failed.status }
      return openCount > 0 ? .lost : (count == 0 && run.isStopping ? .stoppedByPublisher : .success)
    }
    if openCount > 0 || !(run.isComplete || run.isStopping) { return nil }
    return tally.firstFailed?.status ?? .success
  }
}

extension RunReceipt.Task {
  init(_ index: UInt32, _ outcome: TaskOutcome, _ status: ExitStatus) {
    let line = outcome.line
    self.init(
      task: index, exit: outcome.exitText, exitStatus: line?.status, status: status.code,
      resultBytes: line?.resultBytes ?? 0,
      resultDigest: line.flatMap { $0.resultBytes > 0 ? $0.resultDigest.hex : nil },
      usage: LeaseView.fields(line?.usage ?? UsageVector()),
      started: line.flatMap { $0.startedUnixSeconds > 0 ? $0.startedUnixSeconds : nil })
  }
}
