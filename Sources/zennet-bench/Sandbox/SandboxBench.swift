import Foundation
import Sandbox

/// What walls cost, beside other programs that build them. Every contestant runs the same static
/// programs on the same machine, in turns; the median counts.
struct SandboxBench {
  let options: SandboxOptions
  let sandbox: Sandbox
  let features: KernelFeatures
  private let names = Counter()

  private final class Counter { var value = 0 }

  init(_ options: SandboxOptions) throws {
    self.options = options
    features = KernelFeatures.detect()
    if features.level != .full {
      note("WARNING: the isolation here is \(features.level.name), not full")
    }
    sandbox = Sandbox(
      features: features,
      settings: SandboxSettings(owner: "bench\(getpid())", helperProgram: options.helper))
    signal(SIGPIPE, SIG_IGN)
  }

  func measure() throws {
    if options.wants("start") { try start() }
    if options.wants("many") { try many() }
    if options.wants("slowdown") { try slowdown() }
    if options.wants("unpack") { try unpack() }
    if options.wants("rss") { try resident() }
    if options.wants("metering") { try metering() }
    if options.wants("stop") { try stop() }
  }

  func spec(_ arguments: [String], pids: UInt64 = 64, disk: UInt64 = 64 << 20) -> JobSpec {
    names.value += 1
    // No quota of processor time: what is measured is the walls, not the limits.
    let limits = JobLimits(
      memoryBytes: 512 << 20, cpuMilli: 1_000_000, pids: pids, diskBytes: disk)
    return JobSpec(name: "run-\(names.value)", arguments: arguments, limits: limits)
  }

  // MARK: Start

  private func start() throws {
    let bundle = try options.bundle("true.tar.zst")
    let program = options.jobs + "/root/bin/true"
    let stages = Stages(names: ["asking for it", "walls, bundle, program", "removal"])
    var contestants: [(String, () throws -> Void)] = [
      (
        "zennet",
        {
          let began = Monotonic.ns()
          let run = try SandboxRun(sandbox, spec(["/bin/true"]), bundle: bundle)
          let made = Monotonic.ns()
          try run.untilEnded()
          let ended = Monotonic.ns()
          try run.process.destroy()
          stages.add([made - began, ended - made, Monotonic.ns() - ended])
        }
      )
    ]
    for rival in startRivals(program) { contestants.append((rival.name, { try rival.run() })) }
    try compare("sandbox_start", contestants)
    stages.tell()
  }

  /// Where the time goes, for people.
  private final class Stages {
    private let names: [String]
    private var times: [[Double]]

    init(names: [String]) {
      self.names = names
      times = names.map { _ in [] }
    }

    func add(_ ns: [UInt64]) {
      for (index, value) in ns.enumerated() { times[index].append(Double(value) / 1e6) }
    }

    func tell() {
      for (name, values) in zip(names, times) {
        let sorted = values.sorted()
        note(
          String(
            format: "  zennet, %@: %.4g ms (least %.4g)", name, Contest.median(sorted), sorted[0]))
      }
    }
  }

  private func startRivals(_ program: String) -> [Rival] {
    let container = ["run", "--bundle", options.jobs + "/oci"]
    return [
      Rival.working("fork_exec", [program]),
      Rival.working(
        "unshare",
        [
          "/usr/bin/unshare", "--user", "--map-root-user", "--mount", "--pid", "--net", "--ipc",
          "--uts", "--cgroup", "--time", "--fork", "--mount-proc", program,
        ]),
      Rival.working(
        "bubblewrap",
        [
          "/usr/bin/bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--ro-bind",
          options.jobs + "/root", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp",
          "/bin/true",
        ]),
      Rival.working("runc", ["/usr/sbin/runc"] + container + ["bench-runc-\(getpid())"]),
      Rival.working("crun", ["/usr/bin/crun"] + container + ["bench-crun-\(getpid())"]),
    ].compactMap { $0 }
  }

  /// Milliseconds, by the wall clock, in turns: on a machine at rest, as most jobs find it, and once more at
  /// once (`…_again`), when nothing could be made ahead and the kernel still cleans up.
  private func compare(_ metric: String, _ contestants: [(String, () throws -> Void)]) throws {
    let metrics = [metric, metric + "_again"]
    var times = contestants.map { _ in metrics.map { _ in [Double]() } }
    for round in 0...options.rounds {
      for index in contestants.indices.shuffled() {
        usleep(50_000)
        for which in metrics.indices {
          let before = Monotonic.ns()
          try contestants[index].1()
          let ms = Double(Monotonic.ns() - before) / 1e6
          if round > 0 { times[index][which].append(ms) }
        }
      }
    }
    for which in metrics.indices {
      for (index, contestant) in contestants.enumerated() {
        try tell(metrics[which], contestant.0, times[index][which], "ms")
      }
    }
  }

  func tell(_ metric: String, _ subject: String, _ values: [Double], _ unit: String) throws {
    let sorted = values.sorted()
    let median = Contest.median(sorted)
    note(
      String(
        format: "%@ %@: %.4g %@ (%d rounds, %.4g to %.4g)", metric, subject, median, unit,
        sorted.count, sorted[0], sorted[sorted.count - 1]))
    try Row(metric: metric, subject: subject, value: median, unit: unit).write()
  }

  /// Thirty at once: all are there before the first of them goes.
  private func many() throws {
    let bundle = try options.bundle("job.tar.zst")
    let before = Monotonic.ns()
    var runs: [SandboxRun] = []
    for _ in 0..<30 {
      runs.append(try SandboxRun(sandbox, spec(["/bin/job", "sleep"]), bundle: bundle))
    }
    for run in runs { try run.untilStarted() }
    let started = Monotonic.ns()
    for run in runs { try run.process.destroy() }
    try tell("thirty_at_once_start", "zennet", [Double(started - before) / 1e6], "ms")
    try tell("thirty_at_once_destroy", "zennet", [Double(Monotonic.ns() - started) / 1e6], "ms")
  }
}
