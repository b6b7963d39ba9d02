import Bytes
import Foundation
import Sandbox

/// Two hundred jobs in a row, with random kills of job and agent: what is there at the end is what was there
/// at the start. The agent is another process (``SoakWorker``), killed with SIGKILL in the middle of a job
/// about every tenth time, half of the times together with all that runs in its sandboxes, as a power cut
/// would; the next one has to clean up before anything else.
struct Soak {
  let options: SoakOptions
  /// The agent is left alive for the last of the jobs: its own memory is looked at then.
  private static let quietShare = 3

  private struct Look: Equatable {
    var mounts: Int
    var cgroups: [String]
    var processes: [String]
    var files: [String]
  }

  func run() throws {
    let before = look()
    var random = SeededNumbers(options.seed)
    var next = 0
    var kills = 0
    var stale = 0
    let quietFrom = options.count - options.count / Soak.quietShare
    var last: [(descriptors: Int, residentKiB: Int)] = []
    while next < options.count {
      let worker = try Worker(options, from: next)
      let victim = next + 2 + Int(random.next() % 16)
      let delayUs = UInt32(random.next() % 60_000)
      let everything = random.next() % 2 == 0
      last = []
      while let line = worker.line() {
        let words = line.split(separator: " ").compactMap { Int($0) }
        if line.hasPrefix("stale") { stale += words[0] }
        if line.hasPrefix("job") {
          next = words[0] + 1
          last.append((words[1], words[2]))
        }
        if line.hasPrefix("begin"), words[0] == victim, victim < quietFrom {
          usleep(delayUs)
          if everything { stop(jobsOf: options.owner) }
          kill(worker.pid, SIGKILL)
          kills += 1
          next = victim + 1
          break
        }
      }
      let status = worker.wait()
      if status != 0 && status != SIGKILL { throw BenchError("the agent ended with \(status)") }
    }
    try judge(before, last)
    note(
      "\(options.count) jobs, the agent killed \(kills) times, \(stale) jobs cleaned up after it")
  }

  private func judge(
    _ before: Look, _ last: [(descriptors: Int, residentKiB: Int)]
  ) throws {
    var after = look()
    // The kernel lets go of a killed process's mounts and processes a moment later.
    for _ in 0..<200 where after != before {
      usleep(10_000)
      after = look()
    }
    if after != before { throw BenchError("not as before: \(before) became \(after)") }
    guard last.count >= 20, let end = last.last else { throw BenchError("too few jobs at the end") }
    let start = last[9]
    note(
      "after the tenth and the last of \(last.count) jobs of one agent: \(start.descriptors) and "
        + "\(end.descriptors) descriptors, \(start.residentKiB) and \(end.residentKiB) KiB resident"
    )
    if end.descriptors != start.descriptors { throw BenchError("descriptors are left open") }
    // A leak grows again and again; a buffer that some kind of job needs comes once and stays.
    var rises = 0
    var most = start.residentKiB
    for job in last.dropFirst(10) where job.residentKiB >= most + 64 {
      rises += 1
      most = job.residentKiB
    }
    if rises > 3 { throw BenchError("the agent grows, \(rises) times after its tenth job") }
  }

  private func look() -> Look {
    let mounts = (try? String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)) ?? ""
    let ours = mounts.split(separator: "\n").filter { $0.contains("zennet") }.count
    var processes: [String] = []
    for pid in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
      let groups = (try? String(contentsOfFile: "/proc/\(pid)/cgroup", encoding: .utf8)) ?? ""
      if groups.contains("/\(options.owner).") { processes.append(pid) }
    }
    var files: [String] = []
    for folder in ["/tmp", "/dev/shm", "/var/tmp"] {
      let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
      files += names.filter { $0.contains(options.owner) || $0.contains("soak-") }
    }
    return Look(mounts: ours, cgroups: cgroups(), processes: processes.sorted(), files: files)
  }

  private func cgroups() -> [String] {
    let found = FileManager.default.enumerator(atPath: "/sys/fs/cgroup")
    var names: [String] = []
    while let path = found?.nextObject() as? String {
      if path.contains("/\(options.owner).") { names.append(path) }
      if found?.fileAttributes?[.type] as? FileAttributeType != .typeDirectory {
        found?.skipDescendants()
      }
    }
    return names
  }

  private func stop(jobsOf owner: String) {
    for pid in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
      let groups = (try? String(contentsOfFile: "/proc/\(pid)/cgroup", encoding: .utf8)) ?? ""
      if groups.contains("/\(owner)."), let number = Int32(pid), number > 1 {
        kill(number, SIGKILL)
      }
    }
  }

  /// The agent's process and the lines that it says.
  private final class Worker {
    let pid: pid_t
    private let pipe = Pipe()
    private var pending: [UInt8] = []

    init(_ options: SoakOptions, from: Int) throws {
      let program = CommandLine.arguments[0]
      let rival = Rival(
        name: "agent",
        command: [
          program, "soak-worker", "--bundle", options.bundle, "--helper", options.helper,
          "--owner", options.owner, "--count", "\(options.count)", "--from", "\(from)", "--seed",
          "\(options.seed)",
        ])
      pid = try rival.start(output: pipe.fileHandleForWriting.fileDescriptor)
      try pipe.fileHandleForWriting.close()
    }

    func line() -> String? {
      while true {
        if let end = pending.firstIndex(of: 0x0a) {
          defer { pending.removeFirst(end + 1) }
          return String(decoding: pending[..<end], as: UTF8.self)
        }
        let more = pipe.fileHandleForReading.availableData
        if more.isEmpty { return nil }
        pending += more
      }
    }

    func wait() -> Int32 {
      var status: Int32 = 0
      while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
      return status
    }
  }
}
