import Foundation
import Host
import Sandbox

/// One sandbox, driven as the agent's loop drives it.
final class SandboxRun {
  let process: SandboxProcess
  private(set) var output: [UInt8] = []
  private(set) var hasStarted = false
  private var hasOutputEnded = false

  init(
    _ sandbox: Sandbox, _ spec: JobSpec, bundle: MemoryFile, in share: SandboxShare? = nil
  ) throws {
    process = try sandbox.start(spec, bundles: [bundle.fd], in: share, nowMs: Monotonic.ms())
  }

  /// Waits for something to do and does it.
  func turn(atMostMs: Int32 = 10_000) {
    var watched = [
      pollfd(fd: process.control, events: Int16(POLLIN), revents: 0),
      pollfd(fd: hasOutputEnded ? -1 : process.stdout, events: Int16(POLLIN), revents: 0),
    ]
    if watched.withUnsafeMutableBufferPointer({ poll($0.baseAddress, 2, atMostMs) }) <= 0 { return }
    if watched[1].revents != 0 { readOutput() }
    if watched[0].revents != 0 {
      for event in process.poll(nowMs: Monotonic.ms()) where event == .jobStarted {
        hasStarted = true
      }
    }
  }

  private func readOutput() {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let got = read(process.stdout, &buffer, buffer.count)
    if got > 0 { output += buffer[..<got] }
    if got == 0 { hasOutputEnded = true }
  }

  func untilStarted() throws {
    while !hasStarted && process.outcome == nil { turn() }
    if !hasStarted { throw BenchError("job: \(process.outcome!.message)") }
  }

  func untilEnded() throws {
    while process.outcome == nil { turn() }
    readOutput()
    if process.outcome != .exited(status: 0) {
      throw BenchError("job: \(process.outcome!.message)")
    }
  }

  /// The processes inside, as the machine numbers them.
  func pids() -> [Int32] {
    // To its end: the kernel gives such a file a page at a time.
    let file = FileHandle(forReadingAtPath: folder() + "/cgroup.procs")
    let text = String(decoding: file?.readDataToEndOfFile() ?? Data(), as: UTF8.self)
    return text.split(separator: "\n").compactMap { Int32($0) }
  }

  /// Where the job's processes are counted: its cgroup of the pids controller. Empty where its first process
  /// is not there yet or any more: then the kernel names another one, in which is everybody.
  private func folder() -> String {
    let own =
      (try? String(contentsOfFile: "/proc/\(process.firstPid)/cgroup", encoding: .utf8)) ?? ""
    let lines = own.split(separator: "\n").filter { $0.hasSuffix("." + process.name) }
    for line in lines {
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      if parts.count == 3 && parts[1] == "pids" { return "/sys/fs/cgroup/pids\(parts[2])" }
    }
    for line in lines where line.hasPrefix("0::") { return "/sys/fs/cgroup" + line.dropFirst(3) }
    return ""
  }
}
