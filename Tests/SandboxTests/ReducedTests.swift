import CHost
import Foundation
import Testing

@testable import Sandbox

/// As on a kernel without user namespaces: real root builds the walls, the job is a private user.
private let reduced: KernelFeatures = {
  var found = features
  found.tryWithoutUserNamespace()
  return found
}()

extension WithKernel {
  @Suite(.enabled(if: reduced.level == .reduced)) struct ReducedTests {
    private func sandbox() -> Sandbox {
      Sandbox(
        features: reduced, settings: SandboxSettings(owner: "reduced\(getpid())"))
    }

    private func run(_ spec: JobSpec, bundle: [UInt8] = plainBundle) throws -> Driver {
      var spec = spec
      spec.isolation = .reduced
      return try runInside(spec, bundle, sandbox())
    }

    @Test func aJobRunsAndItsResultsComeBack() throws {
      let driver = try run(shell("cat /proc/self/status; echo y > /out/x; : > /bin/x"))
      #expect(driver.process.outcome == .exited(status: 1))
      for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        #expect(driver.output.contains("\(name):\t0000000000000000\n"))
      }
      #expect(driver.output.contains("NoNewPrivs:\t1\n"))
      let uid = try #require(driver.output.split(separator: "\n").first { $0.hasPrefix("Uid:") })
      let ids = uid.split(separator: "\t").dropFirst().map { UInt32($0)! }
      #expect(ids.allSatisfy { $0 >= IdentityRange.first && $0 == ids[0] })
      try driver.collect()
      #expect(driver.events.contains(.resultsCollected(.all)))
      #expect(try items(driver.tar).contains(.data(Array("y\n".utf8))))
      try driver.process.destroy()
      #expect(cgroupFolders(owner: "reduced\(getpid())").isEmpty)
    }

    @Test(.enabled(if: canProbe), arguments: Origin.possible)
    func everyAttemptFails(from origin: Origin) throws {
      let driver = try EscapeTests.attack(in: origin.sandbox(reduced), isolation: .reduced)
      #expect(driver.process.outcome == .exited(status: 0))
      let tried = EscapeTests.attempts(driver.output)
      EscapeTests.expectAllRefused(tried, at: .reduced)
    }

    /// A kernel without seccomp filters and without the pids controller: the other walls hold by themselves.
    @Test(.enabled(if: canProbe)) func evenWithoutSeccompAndPids() throws {
      // With the machine's user namespaces, where it has them: without a filter the job could make some.
      var older = KernelFeatures.detect()
      older.seccomp = false
      older.cgroups.pids = CgroupPlace()
      #expect(older.level == .reduced)
      let old = Sandbox(features: older, settings: SandboxSettings(owner: "older\(getpid())"))
      let driver = try EscapeTests.attack(in: old, isolation: .reduced)
      #expect(driver.process.outcome == .exited(status: 0))
      let tried = EscapeTests.attempts(driver.output)
      // What only seccomp closes; none of these gives the job anything of the machine's.
      let ways: Set<Substring> = [
        "clone3-user", "userfaultfd", "io-uring", "ptrace-me", "personality", "add-key", "keyctl",
        "request-key", "name-to-handle", "alg-socket", "perf", "vsock",
        "process-vm-readv", "netlink-audit", "process-vm-writev", "memory-policy", "move-pages",
        "secret-memory", "segments", "huge-pages", "huge-file", "io-setup", "io-priority",
        "disk-priority",
        "core-limit-0", "core-limit-by-number", "type-into-terminal", "load-bridge",
        "load-bridge-set", "load-vlan",
        "load-line-discipline",
        "own-filter", "own-filter-by-number", "core-scheduling", "limit-init", "limit-parent",
        "netlink-events", "process-madvise", "fspick", "statmount", "listmount",
      ]
      let open = ways.union(EscapeTests.loadedByName(tried))
      #expect(tried["unshare-user"] == "refused 28")
      EscapeTests.expectAllRefused(tried, at: .reduced, except: open)
    }

    @Test func aTerminalWorksHereToo() throws {
      var spec = shell("tty; stty size; echo x > /dev/tty", terminal: true)
      spec.isolation = .reduced
      let driver = Driver(try sandbox().start(spec, nowMs: nowMs()))
      #expect(driver.untilEnded() == .exited(status: 0))
      #expect(driver.output.contains("/dev/pts/0\r\n"))
    }
  }
}

private func runInside(
  _ spec: JobSpec, _ bundle: [UInt8], _ sandbox: Sandbox
) throws -> Driver {
  try run(spec, bundle: bundle, in: sandbox)
}
