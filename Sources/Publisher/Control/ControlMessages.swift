import Bytes
import Capability
import Foundation
import Market

/// What a command wants of a run that goes on.
public struct ControlRequest: Codable, Equatable, Sendable {
  public enum Command: String, Codable, Sendable {
    case status
    case stop
    case program
  }

  public var command: Command
  /// Nil for a stop of the whole run.
  public var worker: UInt16?
  /// Of a stop: the answer is the run's status, once the jobs' end is known.
  public var wait: Bool?
  /// Of a program: 0 run, 1 copy out, 2 copy in.
  public var task: UInt8?
  public var arguments: [String]?
  public var environment: [String]?
  public var workdir: String?
  /// Rows and columns of a program's terminal.
  public var terminal: [UInt16]?

  public init(_ command: Command, worker: UInt16? = nil) {
    self.command = command
    self.worker = worker
  }

  /// Of a program; its number is given later.
  package func program() -> ProgramRequest? {
    guard command == .program, let arguments, !arguments.isEmpty,
      let task = ProgramTask(rawValue: task ?? 0)
    else { return nil }
    var size: TerminalSize?
    if let terminal {
      if terminal.count != 2 { return nil }
      size = TerminalSize(rows: terminal[0], columns: terminal[1])
    }
    return ProgramRequest(
      id: 0, task: task, terminal: size, arguments: arguments.map { Array($0.utf8) },
      environment: (environment ?? []).map { Array($0.utf8) },
      workdir: Array((workdir ?? "").utf8))
  }
}

/// One worker of a run that goes on.
public struct WorkerStatus: Codable, Sendable {
  /// As commands name it.
  public var job: String
  public var worker: UInt16
  /// The machine's identity, hexadecimal.
  public var machine: String
  public var contract: String
  /// How far it has come, or `frozen`.
  public var state: String
  public var connected: Bool
  public var programs: Int
  public var capacitySat: UInt64
  public var owedSat: UInt64
  public var paidSat: UInt64
  public var payments: UInt64
  public var hourlySat: UInt64
  public var usage: [String: UInt64]
  public var exit: String?
  public var exitStatus: Int32?
  /// What a run of this job alone exits with; nil while it has no end.
  public var status: UInt8?
  public var architecture: String
  public var processors: Int
  public var memoryMib: UInt32
  public var isolation: String

  /// The job's end is known, or the channel is closed without.
  public var hasEnded: Bool { exit != nil || state == "closed" }
}

/// A run: one that goes on, or of `zennet ps --all` any.
public struct RunStatus: Codable, Sendable {
  public var run: String
  public var title: String
  public var command: [String]
  public var startedUnixSeconds: UInt64
  public var wanted: Int
  public var workers: [WorkerStatus]
  /// Of `zennet ps --all` only: whether a program works at it.
  public var live: Bool?
  /// When it was over; nil while it is not.
  public var endedUnixSeconds: UInt64?
  /// What `zennet run` exited with, or would; nil while that is open.
  public var status: UInt8?

  /// No program works at it, and there is nothing left to be done for its jobs' results.
  public var isOver: Bool { endedUnixSeconds != nil }

  /// The worker that is meant; all of them where none is named.
  public func workers(of worker: UInt16?) -> [WorkerStatus] {
    workers.filter { worker == nil || $0.worker == worker }
  }

  init(_ machine: RunMachine, _ record: RunRecord) {
    self.init(record, machine.summaries)
  }

  init(_ record: RunRecord, _ hires: [HireSummary]) {
    run = RunFolder.name(record.id)
    let offer = record.offer
    title = String(decoding: offer.title, as: UTF8.self)
    command = offer.arguments.map { String(decoding: $0, as: UTF8.self) }
    startedUnixSeconds = record.startedUnixSeconds
    wanted = Int(offer.workers)
    let name = run
    workers = hires.map { WorkerStatus($0, run: name, offer) }
  }
}

extension WorkerStatus {
  init(_ hire: HireSummary, run: String, _ offer: Offer) {
    let contract = hire.contract
    let record = hire.record
    let report = try? CapabilityReport.decode(record.report)
    job = run + "/\(contract.workerIndex)"
    worker = contract.workerIndex
    machine = contract.provider.hex
    self.contract = contract.id.hex
    state = hire.isFrozen ? "frozen" : record.stage.text
    connected = hire.isConnected
    programs = hire.programs
    capacitySat = contract.terms.capacitySat
    owedSat = record.owedSat
    paidSat = hire.paidSat
    payments = hire.payments
    hourlySat = Price.hourlySat(contract.rates, offer.limits) ?? 0
    usage = RunReceipt.fields(record.usage)
    exit = record.exit?.kind.text
    exitStatus = record.exit?.status
    // Before the results are here nobody knows whether they will be missing.
    let isSettled = record.resultsAreHeld || record.stage >= .receipted
    status = isSettled ? record.exitStatus(wantsResults: offer.wantsResults)?.code : nil
    architecture = report?.architecture ?? ""
    processors = Int(report?.processors ?? 0)
    memoryMib = UInt32(report?.memoryMiB ?? 0)
    isolation = ["refused", "reduced", "full"][min(2, Int(report?.isolation ?? 0))]
  }
}

/// How all of this is written as JSON.
public enum ControlJson {
  public static func encode(_ value: some Encodable, pretty: Bool = false) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    if pretty { encoder.outputFormatting.insert(.prettyPrinted) }
    return (try? encoder.encode(value)).map { Array($0) } ?? Array("{}".utf8)
  }

  package static func decode<Value: Decodable>(_ type: Value.Type, _ bytes: [UInt8]) -> Value? {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try? decoder.decode(type, from: Data(bytes))
  }
}
