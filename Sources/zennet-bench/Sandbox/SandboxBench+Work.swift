import Foundation
import Sandbox

/// What goes on inside the walls: computing, unpacking, being looked at, being stopped.
extension SandboxBench {
  /// A job that computes and calls the kernel now and then. It prints its own processor time and its own
  /// wall time, in nanoseconds: others' load on this machine is in the second only.
  func slowdown() throws {
    let bundle = try options.bundle("job.tar.zst")
    let bare = Rival(name: "bare", command: [options.jobs + "/root/bin/job", "spin"])
    var processor: [Double] = []
    var wall: [Double] = []
    // Fewer pairs than these leave a median that moves by one per cent from run to run.
    let rounds = max(21, options.rounds)
    for round in 0...rounds {
      // Whoever is second meets a warmer machine: they take turns at that, too.
      var outside = round % 2 == 0 ? try numbers(try bare.answer()) : (0, 0)
      let run = try SandboxRun(sandbox, spec(["/bin/job", "spin"]), bundle: bundle)
      try run.untilEnded()
      let inside = try numbers(String(decoding: run.output, as: UTF8.self))
      try run.process.destroy()
      if round % 2 == 1 { outside = try numbers(try bare.answer()) }
      if round == 0 { continue }
      processor.append(inside.0 / outside.0)
      wall.append(inside.1 / outside.1)
    }
    try tell("job_slowdown", "zennet", processor, "ratio")
    try tell("job_slowdown_wall", "zennet", wall, "ratio")
  }

  private func numbers(_ text: String) throws -> (Double, Double) {
    let words = text.split(whereSeparator: { $0 == " " || $0 == "\n" }).compactMap { Double($0) }
    if words.count != 2 || words[0] <= 0 { throw BenchError("job said \(text)") }
    return (words[0], words[1])
  }

  /// From the wish for a sandbox to its job's first instruction, beside tar and zstd into a folder in memory.
  func unpack() throws {
    let bundle = try options.bundle("large.tar.zst")
    let unpacked = try Double(String(decoding: options.file("large.bytes"), as: UTF8.self)) ?? 0
    let rival = Rival(
      name: "tar_zstd",
      command: [
        "/usr/bin/tar", "--zstd", "-xf", options.jobs + "/large.tar.zst", "-C",
        options.jobs + "/memory",
      ])
    let cleaner = Rival(
      name: "rm",
      command: ["/usr/bin/find", options.jobs + "/memory", "-mindepth", "1", "-delete"])
    var rates: [[Double]] = [[], []]
    for round in 0...max(5, options.rounds / 4) {
      let before = Monotonic.ns()
      let run = try SandboxRun(
        sandbox, spec(["/bin/true"], disk: 256 << 20), bundle: bundle)
      try run.untilStarted()
      let middle = Monotonic.ns()
      try run.untilEnded()
      try run.process.destroy()
      let start = Monotonic.ns()
      try rival.run()
      let end = Monotonic.ns()
      try cleaner.run()
      if round == 0 { continue }
      rates[0].append(unpacked / 1_048_576 / (Double(middle - before) / 1e9))
      rates[1].append(unpacked / 1_048_576 / (Double(end - start) / 1e9))
    }
    try tell("bundle_unpack", "zennet", rates[0], "MiB/s")
    try tell("bundle_unpack", "tar_zstd", rates[1], "MiB/s")
  }

  /// Of one sandbox whose job sleeps: what its processes have of memory for themselves (shared pages
  /// counted by their share), process 1 included, and what its cgroup is charged with, files included.
  func resident() throws {
    let run = try SandboxRun(
      sandbox, spec(["/bin/job", "sleep"]), bundle: try options.bundle("job.tar.zst"))
    try run.untilStarted()
    usleep(200_000)
    let pids = run.pids()
    let kib = pids.reduce(0.0) { $0 + SandboxBench.ownKiB($1) }
    let charged = run.process.usage(nowMs: Monotonic.ms()).memoryPeakKiB
    try tell("sandbox_rss", "zennet", [kib], "KiB")
    try tell("sandbox_memory_charged_peak", "zennet", [Double(charged)], "KiB")
    try run.process.destroy()
    try residentOfBubblewrap()
  }

  private func residentOfBubblewrap() throws {
    let rival = Rival(
      name: "bubblewrap",
      command: [
        "/usr/bin/bwrap", "--unshare-all", "--die-with-parent", "--ro-bind",
        options.jobs + "/root", "/", "--dev", "/dev", "--proc", "/proc", "/bin/job", "sleep",
      ])
    guard let pid = try? rival.start() else { return }
    usleep(300_000)
    let all = SandboxBench.descendants(of: pid)
    let kib = all.reduce(0.0) { $0 + SandboxBench.ownKiB($1) }
    if all.count > 1 { try tell("sandbox_rss", "bubblewrap", [kib], "KiB") }
    kill(pid, SIGKILL)
    _ = try? rival.wait(pid)
  }

  /// Pss of a process, which counts a page that n processes share as the n-th part of one.
  private static func ownKiB(_ pid: Int32) -> Double {
    let text = (try? String(contentsOfFile: "/proc/\(pid)/smaps_rollup", encoding: .utf8)) ?? ""
    for line in text.split(separator: "\n") where line.hasPrefix("Pss:") {
      return Double(line.split(separator: " ")[1]) ?? 0
    }
    return 0
  }

  private static func descendants(of pid: Int32) -> [Int32] {
    let path = "/proc/\(pid)/task/\(pid)/children"
    let children = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    return [pid]
      + children.split(separator: " ").compactMap { Int32($0) }.flatMap { descendants(of: $0) }
  }

  /// The agent's own processor time for looking at what a job uses. It looks four times a second, and up
  /// to ten times where a contract's number is small. It sleeps in between: a look at once after another
  /// one would find everything in the caches.
  func metering() throws {
    let run = try SandboxRun(
      sandbox, spec(["/bin/job", "sleep"]), bundle: try options.bundle("job.tar.zst"))
    try run.untilStarted()
    var fractions: [Double] = []
    for _ in 0..<options.rounds {
      let looks = 5
      let seconds = Stopwatch.processor.seconds {
        for _ in 0..<looks {
          usleep(100_000)
          _ = run.process.usage(nowMs: Monotonic.ms())
        }
      }
      fractions.append(seconds / Double(looks))
    }
    try run.process.destroy()
    try tell("metering_cost", "zennet", fractions.map { $0 * 4 }, "of a core")
    try tell("metering_cost_most", "zennet", fractions.map { $0 * 10 }, "of a core")
  }

  /// A fork bomb of a thousand: from the decision to the last process's end (process 1 of the sandbox
  /// stays for the results), and the same when everything is destroyed.
  func stop() throws {
    let bundle = try options.bundle("job.tar.zst")
    var stops: [Double] = []
    var destroys: [Double] = []
    for round in 0..<2 * max(9, options.rounds / 2) {
      let run = try SandboxRun(
        sandbox, spec(["/bin/job", "bomb"], pids: 1000), bundle: bundle)
      try run.untilStarted()
      let end = Monotonic.ms() + 5_000
      while run.pids().count < 990 && Monotonic.ms() < end { usleep(2000) }
      let bombs = run.pids().count
      let before = Monotonic.ns()
      if round % 2 == 0 {
        try run.process.terminate(.publisher, nowMs: Monotonic.ms())
        stops.append(Double(Monotonic.ns() - before) / 1e6)
        let left = run.pids().filter { $0 != run.process.firstPid }
        if !left.isEmpty { throw BenchError("a fork bomb was not stopped: \(left.count) left") }
        try run.process.destroy()
      } else {
        try run.process.destroy()
        destroys.append(Double(Monotonic.ns() - before) / 1e6)
      }
      if bombs < 990 { note("WARNING: the fork bomb came to \(bombs) processes only") }
    }
    try tell("stop_fork_bomb", "zennet", stops, "ms")
    try tell("stop_fork_bomb_worst", "zennet", [stops.max() ?? 0], "ms")
    try tell("destroy_fork_bomb", "zennet", destroys, "ms")
  }
}
