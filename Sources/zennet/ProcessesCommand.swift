import ArgumentParser
import Foundation
import Host
import Publisher

/// `zennet ps`: lists live runs, or all.
struct ProcessesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ps", abstract: "List the leases of live runs: state, usage, owed, paid.",
    discussion: """
      One line per lease, and one more for a map, with its tasks. With --all also ended runs, and \
      interrupted ones, which `zennet resume` can continue: how and when they ended, what was owed \
      and paid; the newest run first, at most the last 1000. In JSON each run then has `live`, \
      `ended_unix_seconds` once it has ended, and `status`, the exit status of `zennet run`, once \
      it is known. Unreadable records are reported on standard error; the other records are shown, \
      and the exit status is 1.
      """)

  @OptionGroup var place: WalletCommand.Place

  @Flag(name: .shortAndLong, help: "Include ended and interrupted runs.")
  var all = false

  func run() throws {
    let path = try place.path()
    if !all { return show(LiveRuns.all(path)) }
    var runs = LiveRuns.all(path)
    for index in runs.indices { runs[index].live = true }
    let past = PastRuns(path, without: Set(runs.map(\.run)))
    runs = (runs + past.runs).sorted { $0.startedUnixSeconds > $1.startedUnixSeconds }
    show(runs)
    for line in past.notes + past.problems { Complaint.tell(line) }
    if !past.problems.isEmpty { throw ExitCode.failure }
  }

  private func show(_ runs: [RunStatus]) {
    if place.json { return Output.json(runs) }
    for line in JobTable.lines(runs, withTimes: all) { Output.line(line) }
  }
}

/// `zennet top`: repeats the listing of `ps`.
struct TopCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "top",
    abstract: "Watch the leases of live runs: usage, owed and paid as they grow.")

  @OptionGroup var place: WalletCommand.Place

  @Option(name: .shortAndLong, help: "Seconds between samples.")
  var interval: Double = 1

  @Option(name: .shortAndLong, help: "The number of samples; by default no limit.")
  var number: UInt64?

  func run() throws {
    if !(interval >= 0.05 && interval <= 3600) {
      throw ValidationError("--interval: 0.05 to 3600")
    }
    let isTerminal = Terminal.isTerminal(1)
    var looks: UInt64 = 0
    while true {
      let runs = LiveRuns.all(try place.path())
      var page = ""
      if place.json {
        page = String(decoding: ControlJson.encode(runs), as: UTF8.self) + "\n"
      } else {
        // Move the cursor home and erase the screen below.
        if isTerminal { page = "\u{1b}[H\u{1b}[J" }
        for line in JobTable.lines(runs) { page += line + "\n" }
      }
      Output.text(page)
      looks += 1
      if let number, looks >= number { return }
      Thread.sleep(forTimeInterval: interval)
    }
  }
}

/// `zennet workers`: lists the hired machines.
struct WorkersCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "workers",
    abstract: "List the hired machines: their hardware and their prices.")

  @OptionGroup var place: WalletCommand.Place

  func run() throws {
    let workers = LiveRuns.all(try place.path()).flatMap(\.workers)
    if place.json { return Output.json(workers) }
    var rows = [["JOB", "MACHINE", "KIND", "CPUS", "MEMORY", "ISOLATION", "SAT/H", "HERE"]]
    for worker in workers {
      rows.append([
        worker.job, String(worker.machine.prefix(16)), worker.architecture,
        "\(worker.processors)", "\(worker.memoryMib) MiB", worker.isolation,
        "\(worker.hourlySat)", worker.connected ? "yes" : "no",
      ])
    }
    for line in JobTable.align(rows) { Output.line(line) }
  }
}

/// Formats jobs as a table.
enum JobTable {
  /// - Parameter withTimes: adds the start and the end of each run.
  static func lines(_ runs: [RunStatus], withTimes: Bool = false) -> [String] {
    var rows = [
      ["JOB", "STATE", "TASKS", "TIME", "CPU", "MEMORY", "PEAK", "OWED", "PAID", "PAYMENTS"]
    ]
    rows[0] += (withTimes ? ["BEGAN", "OVER"] : []) + ["TITLE"]
    for run in runs {
      let last = (withTimes ? times(run) : []) + [run.title]
      if run.map {
        let failed = run.tasks.failed > 0 ? ", \(run.tasks.failed) failed" : ""
        let tasks = "\(run.tasks.ended) of \(run.tasks.all) done" + failed
        rows.append(
          [run.run, run.isOver ? "over" : interrupted("map", run), tasks]
            + Array(repeating: "", count: 7) + last)
      }
      for worker in run.workers {
        rows.append(
          [
            worker.job, state(worker, of: run), tasks(worker), seconds(worker.usage["wall_ms"]),
            seconds(worker.usage["cpu_ms"]), memory(worker),
            "\((worker.usage["memory_peak_kib"] ?? 0) >> 10) MiB",
            "\(worker.owedSat) sat", "\(worker.paidSat) sat", "\(worker.payments)",
          ] + last)
      }
      for _ in run.workers.count..<max(run.wanted, run.workers.count) {
        let state = run.isOver ? "not hired" : interrupted("wanted", run)
        rows.append([run.run, state] + Array(repeating: "", count: 8) + last)
      }
    }
    return align(rows)
  }

  private static func tasks(_ worker: WorkerStatus) -> String {
    "\(worker.tasks.count)" + (worker.queued > 0 ? ", \(worker.queued) queued" : "")
  }

  private static func times(_ run: RunStatus) -> [String] {
    [run.startedUnixSeconds, run.endedUnixSeconds].map { seconds in
      guard let seconds else { return "" }
      return ISO8601DateFormatter().string(from: Date(timeIntervalSince1970: Double(seconds)))
    }
  }

  /// Marks a run as interrupted if no program works on it and it has not ended.
  private static func interrupted(_ state: String, _ run: RunStatus) -> String {
    run.live == false && !run.isOver ? state + ", interrupted" : state
  }

  private static func state(_ worker: WorkerStatus, of run: RunStatus) -> String {
    var text = worker.state
    if let exit = worker.exit {
      text +=
        " (" + exit + (exit == "exited" || exit == "signalled" ? " \(worker.exitStatus ?? 0)" : "")
        + ")"
    }
    if run.live == false { return interrupted(text, run) }
    return worker.connected || ["settled", "closed"].contains(worker.state) ? text : text + ", away"
  }

  private static func seconds(_ ms: UInt64?) -> String {
    let ms = ms ?? 0
    return "\(ms / 1000).\(ms % 1000 / 100) s"
  }

  /// The mean memory over the time that was charged.
  private static func memory(_ worker: WorkerStatus) -> String {
    let wall = worker.usage["wall_ms"] ?? 0
    let frozen = min(wall, worker.usage["frozen_ms"] ?? 0)
    let mean = (worker.usage["memory_mib_ms"] ?? 0) / max(1, wall - frozen)
    return "\(mean) MiB"
  }

  /// Aligns columns to their widest entry.
  static func align(_ rows: [[String]]) -> [String] {
    let count = rows.map(\.count).max() ?? 0
    let widths = (0..<count).map { column in
      rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
    }
    return rows.map { row in
      var line = ""
      for (column, entry) in row.enumerated() {
        line += entry
        if column + 1 < row.count {
          line += String(repeating: " ", count: widths[column] - entry.count + 2)
        }
      }
      return line
    }
  }
}
