import Bytes
import Foundation
import Host
import Sandbox

/// An agent as far as its sandboxes go: it cleans what an earlier one left, then runs jobs in a row, each
/// ended in another way. It is there to be killed; see ``Soak``.
struct SoakWorker {
  let options: SoakOptions
  let sandbox: Sandbox

  init(_ options: SoakOptions) {
    self.options = options
    signal(SIGPIPE, SIG_IGN)
    sandbox = Sandbox(
      features: KernelFeatures.detect(),
      settings: SandboxSettings(owner: options.owner, helperProgram: options.helper))
  }

  /// One line a job on standard output: its number, then descriptors, resident KiB.
  func run() throws {
    say("stale \(try sandbox.cleanStale())")
    let bundle = [UInt8](try Data(contentsOf: URL(fileURLWithPath: options.bundle)))
    for number in options.from..<options.count {
      say("begin \(number)")
      var random = SeededNumbers(options.seed &+ UInt64(number) &* 0x9e37_79b9)
      try job(number, bundle, &random)
      say("job \(number) \(SoakWorker.descriptors()) \(SoakWorker.residentKiB())")
    }
    say("done")
  }

  private static let scripts = [
    "exit 0", "exit 7", "sleep 1000", "kill -9 $$",
    "i=0; while [ $i -lt 20 ]; do sleep 1000 & i=$((i+1)); done; wait",
    "head -c 3000000 /dev/zero > /tmp/x; echo y > /out/z; mkfifo /work/f; sleep 0.02",
    "(trap '' TERM; sleep 1000) & exit 3", "cat /dev/zero | head -c 900000; echo x >&2",
  ]

  private func job(_ number: Int, _ bundle: [UInt8], _ random: inout SeededNumbers) throws {
    let script = SoakWorker.scripts[Int(random.next() % UInt64(SoakWorker.scripts.count))]
    let limits = JobLimits(
      memoryBytes: 64 << 20, cpuMilli: 1000, pids: 64, diskBytes: 16 << 20, files: 1024)
    let spec = JobSpec(
      name: "soak-\(number)", arguments: ["/bin/busybox", "sh", "-c", script],
      environment: ["PATH=/bin"], limits: limits)
    // Now and then what comes is no bundle at all.
    let isBroken = random.next() % 10 == 0
    let file = try MemoryFile()
    try file.append(isBroken ? Array(bundle.prefix(5000)) : bundle)
    let run = try SandboxRun(sandbox, spec, bundle: file)
    let patience = random.next() % 40
    let way = random.next() % 8
    if way == 0 { return try run.process.destroy() }
    let begun = Monotonic.ms()
    while run.process.outcome == nil && (!run.hasStarted || Monotonic.ms() < begun + patience) {
      run.turn(atMostMs: 10)
    }
    let now = Monotonic.ms()
    switch way {
    case 1: SoakWorker.killIfThere(run.process.firstPid)
    case 2: SoakWorker.killIfThere(run.pids().last ?? 0)
    case 3: try run.process.freeze(nowMs: now)
    case 4:
      try run.process.freeze(nowMs: now)
      try run.process.terminate(.unpaid, nowMs: now)
    case 5, 6:
      try run.process.terminate(.publisher, nowMs: now)
      while run.process.outcome == nil { run.turn(atMostMs: 10) }
      if way == 6 && run.process.outcome != .lost { try? run.process.collect() }
    default: run.turn(atMostMs: 20)
    }
    try run.process.destroy()
  }

  /// Nothing below 2 is a process of a job: to kill(2), 0 is this group and -1 is everybody.
  private static func killIfThere(_ pid: Int32) {
    if pid > 1 { kill(pid, SIGKILL) }
  }

  private func say(_ text: String) {
    FileHandle.standardOutput.write(Data((text + "\n").utf8))
  }

  private static func descriptors() -> Int {
    (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? 0
  }

  /// Its own memory; how much of the libraries' files is mapped at the moment is the kernel's affair.
  private static func residentKiB() -> Int {
    let text = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    for line in text.split(separator: "\n") where line.hasPrefix("RssAnon:") {
      return line.split(whereSeparator: { $0 == " " || $0 == "\t" }).compactMap { Int($0) }.first
        ?? 0
    }
    return 0
  }
}

struct SoakOptions {
  static let usage = """
    usage: zennet-bench soak --bundle FILE --helper AGENT [--count N] [--seed N]
      Runs jobs in a row and kills jobs and their agent at random; fails where anything is left.
    """

  var bundle = ""
  var helper = ""
  var owner = "soak\(getpid())"
  var count = 200
  var from = 0
  var seed: UInt64 = 5

  init?(_ arguments: ArraySlice<String>) {
    var rest = arguments
    while let word = rest.popFirst() {
      guard let value = rest.popFirst() else { return nil }
      switch word {
      case "--bundle": bundle = value
      case "--helper": helper = value
      case "--owner": owner = value
      case "--count": count = Int(value) ?? 0
      case "--from": from = Int(value) ?? 0
      case "--seed": seed = UInt64(value) ?? 0
      default: return nil
      }
    }
    if bundle.isEmpty || helper.isEmpty || count < 1 { return nil }
  }
}
