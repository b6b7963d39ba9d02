import CHost
import Foundation
import Testing

@testable import Sandbox

/// Real namespaces and cgroups: as root, or as a user with both delegated. With `ZENNET_ISOLATION=reduced`
/// as on a kernel without user namespaces (scripts/checks/reduced).
let features: KernelFeatures = {
  var found = KernelFeatures.detect()
  // Whatever else the machine does, jobs shall come to their turn.
  JobCgroup.givesWay = false
  if ProcessInfo.processInfo.environment["ZENNET_ISOLATION"] == "reduced" {
    found.tryWithoutUserNamespace()
  }
  return found
}()
/// Elsewhere these tests are skipped, and the test list says so.
let canSandbox: Bool = {
  if features.level != .refused {
    print("sandboxes of isolation \(features.level.name) on Linux \(features.release)")
    return true
  }
  print("SKIPPED: the sandbox cannot be tested here:")
  for line in features.lines where !line.isPresent { print("  " + line.text) }
  return false
}()
let busyboxPath = "/bin/busybox"

/// How long anything may take before a test gives up. An emulated machine is slow (scripts/machine).
let patienceSeconds: UInt64 =
  ProcessInfo.processInfo.environment["ZENNET_MACHINE"] == nil ? 30 : 300

func nowMs() -> UInt64 {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000
}

extension JobLimits {
  static let small = JobLimits(
    memoryBytes: 128 << 20, cpuMilli: 2000, pids: 64, diskBytes: 64 << 20, files: 4096)
}

/// A bundle with busybox and, if given, a script as /work/job.sh.
func busyboxBundle(_ more: (inout BundleWriter) -> Void = { _ in }) -> [UInt8] {
  var writer = BundleWriter()
  let busybox = [UInt8](FileManager.default.contents(atPath: busyboxPath) ?? Data())
  writer.addFile("bin/busybox", busybox, mode: 0o755)
  for name in ["sh", "cat", "ls", "sleep", "true", "false", "id", "mount", "head", "dd"] {
    writer.addSymlink("bin/" + name, to: "busybox")
  }
  more(&writer)
  return try! writer.finish(level: 1)
}
let plainBundle = busyboxBundle()

nonisolated(unsafe) private var names = 0
/// Jobs of one agent need different names; these tests run one after another.
func nextName() -> String {
  names += 1
  return "job-\(names)"
}

func shell(
  _ script: String, limits: JobLimits = .small, terminal: Bool = false, name: String = nextName()
) -> JobSpec {
  JobSpec(
    name: name, arguments: ["/bin/busybox", "sh", "-c", script], limits: limits,
    isolation: features.level, terminal: terminal)
}

/// A file in memory with these bytes; whoever asks for it closes it.
func memoryFile(_ bytes: [UInt8]) -> Int32 {
  let file = host_memory_file()
  var sent = 0
  while sent < bytes.count {
    let got = bytes[sent...].withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
    precondition(got > 0)
    sent += got
  }
  return file
}

extension Sandbox {
  /// With bundles of these bytes, base first.
  func start(
    _ spec: JobSpec, bundles: [[UInt8]], in share: SandboxShare? = nil, nowMs: UInt64
  ) throws(SandboxError) -> SandboxProcess {
    let files = bundles.map(memoryFile)
    defer { files.forEach { close($0) } }
    return try start(spec, bundles: files, in: share, nowMs: nowMs)
  }

  func start(
    _ spec: JobSpec, bundle: [UInt8] = plainBundle, in share: SandboxShare? = nil, nowMs: UInt64
  ) throws(SandboxError) -> SandboxProcess {
    try start(spec, bundles: [bundle], in: share, nowMs: nowMs)
  }
}

/// Drives one sandbox the way the agent's loop does.
final class Driver {
  let process: SandboxProcess
  var out: [UInt8] = []
  var err: [UInt8] = []
  var tar: [UInt8] = []
  var events: [SandboxEvent] = []

  init(_ process: SandboxProcess) {
    signal(SIGPIPE, SIG_IGN)
    self.process = process
  }

  deinit { try? process.destroy() }

  var output: String { String(decoding: out, as: UTF8.self) }
  var errors: String { String(decoding: err, as: UTF8.self) }

  private func drain(_ descriptor: Int32, _ into: inout [UInt8]) {
    if descriptor < 0 { return }
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let got = read(descriptor, &buffer, buffer.count)
      if got <= 0 { return }
      into += buffer[0..<got]
    }
  }

  func turn() {
    drain(process.stdout, &out)
    drain(process.stderr, &err)
    drain(process.results, &tar)
    events += process.poll(nowMs: nowMs())
    var watched = [pollfd(fd: process.control, events: Int16(POLLIN), revents: 0)]
    poll(&watched, 1, 5)
  }

  /// Turns until `done`, at most for `seconds` (a bound, not an assertion).
  @discardableResult
  func until(seconds: UInt64 = patienceSeconds, _ done: (Driver) -> Bool) -> Bool {
    let end = nowMs() + seconds * 1000
    while nowMs() < end {
      turn()
      if done(self) { return true }
    }
    return false
  }

  func untilEnded() -> JobOutcome? {
    until { $0.process.outcome != nil }
    turn()
    return process.outcome
  }

  func collect(_ path: String = "", limitBytes: UInt64 = .max) throws {
    try process.collect(Array(path.utf8), limitBytes: limitBytes)
    until { driver in
      driver.events.contains { event in
        if case .resultsCollected = event { return true }
        return event == .closed
      }
    }
    turn()
  }
}

/// - Parameter helper: the program that sandboxes are forked from; without one it is that of the tests.
func makeSandbox(owner: String = "test\(getpid())", helper: String = "") -> Sandbox {
  Sandbox(features: features, settings: SandboxSettings(owner: owner, helperProgram: helper))
}

/// Made by cross/build; scripts/machine takes it along.
let staticAgent: String? = {
  let tree = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  let name = "zennet-agent-x86_64"
  let places = [tree.appending(path: ".build-cross/out/" + name).path, "/" + name]
  let found = places.first { FileManager.default.isExecutableFile(atPath: $0) }
  if found == nil { print("SKIPPED: sandboxes forked from a zygote: cross/build x86_64 first") }
  return found
}()

/// Where the first child of a sandbox comes from: every wall has to stand in each of them.
enum Origin: CaseIterable {
  case agent
  /// As agents have it.
  case zygote
  /// One that had a quiet moment before, and made ahead what it can.
  case readyZygote

  static let possible = allCases.filter { $0 == .agent || staticAgent != nil }

  func sandbox(_ features: KernelFeatures = features) throws -> Sandbox {
    let helper = self == .agent ? "" : staticAgent!
    let sandbox = Sandbox(
      features: features,
      settings: SandboxSettings(owner: "\(self)-\(getpid())".lowercased(), helperProgram: helper))
    if self == .readyZygote {
      var spec = shell("true")
      spec.isolation = features.level
      try run(spec, in: sandbox).process.destroy()
      if geteuid() == 0 { awaitNetwork(of: sandbox.zygote) }
    }
    return sandbox
  }
}

/// Waits until the zygote has made a network namespace for the next sandbox; returns its name, as
/// `net:[4026532008]`.
@discardableResult
func awaitNetwork(of zygote: SandboxZygote) -> String? {
  let folder = "/proc/\(zygote.pid)/fd"
  let own = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/net")
  let end = nowMs() + patienceSeconds * 1000
  while nowMs() < end {
    for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
      let target = try? FileManager.default.destinationOfSymbolicLink(atPath: folder + "/" + name)
      // The way back is its own one, for a moment.
      if let target, target.hasPrefix("net:"), target != own { return target }
    }
    usleep(2000)
  }
  return nil
}

func run(_ spec: JobSpec, bundle: [UInt8] = plainBundle, in sandbox: Sandbox = makeSandbox()) throws
  -> Driver
{
  let driver = Driver(try sandbox.start(spec, bundle: bundle, nowMs: nowMs()))
  _ = driver.untilEnded()
  return driver
}
