import CHost
import Foundation
import Testing

@testable import Sandbox

extension WithKernel {
  /// The process that first children are forked from, as it is killed and left behind.
  @Suite(.enabled(if: staticAgent != nil)) struct ZygoteTests {
    private func sandbox(mountPoint: String = "/tmp") -> Sandbox {
      Sandbox(
        features: features,
        settings: SandboxSettings(
          owner: "zygote\(getpid())", mountPoint: mountPoint, helperProgram: staticAgent!))
    }

    private func expectJob(in sandbox: Sandbox) throws {
      let driver = try run(shell("exit 7"), in: sandbox)
      #expect(driver.process.outcome == .exited(status: 7))
      try driver.process.destroy()
    }

    /// A dead process that its parent has not asked for yet is nobody any more.
    private func isAlive(_ pid: Int32) -> Bool {
      let stat = (try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)) ?? ""
      return stat.contains("(") && !stat.contains(") Z ") && !stat.contains(") X ")
    }

    private func expectGone(_ pid: Int32) {
      let end = nowMs() + patienceSeconds * 1000
      while isAlive(pid) && nowMs() < end { usleep(1000) }
      #expect(!isAlive(pid))
    }

    @Test func oneThatIsKilledIsReplaced() throws {
      let before = Leftovers.now()
      do {
        let sandbox = sandbox()
        for _ in 0..<3 {
          try expectJob(in: sandbox)
          let zygote = sandbox.zygote.pid
          #expect(isAlive(zygote))
          // The next job has the same one.
          try expectJob(in: sandbox)
          #expect(sandbox.zygote.pid == zygote)
          _ = host_sandbox_kill(zygote, 9)
          expectGone(zygote)
          try expectJob(in: sandbox)
          #expect(isAlive(sandbox.zygote.pid))
          // It was asked for: no zombie is left.
          #expect(host_sandbox_kill(zygote, 0) != 0 || sandbox.zygote.pid == zygote)
        }
        #expect(cgroupFolders(owner: sandbox.settings.owner).isEmpty)
      }
      before.expectNothingMore()
    }

    /// The job that it was asked for has no first child; the next one has.
    @Test func oneThatDiesWhileItIsAskedIsAnErrorOnce() throws {
      let sandbox = sandbox()
      try expectJob(in: sandbox)
      let before = Leftovers.now()
      let zygote = sandbox.zygote.pid
      _ = host_sandbox_kill(zygote, SIGSTOP)
      let killer = Thread {
        usleep(100_000)
        _ = host_sandbox_kill(zygote, 9)
      }
      killer.start()
      #expect(throws: SandboxError.self) { try sandbox.start(shell("true"), nowMs: nowMs()) }
      #expect(cgroupFolders(owner: sandbox.settings.owner).isEmpty)
      #expect(!isAlive(zygote))
      before.expectNothingMore()
      try expectJob(in: sandbox)
    }

    /// The one that was made ahead is the next job's and nobody else's, before and afterwards.
    @Test(.enabled(if: geteuid() == 0)) func everyJobHasANetworkOfItsOwn() throws {
      let sandbox = sandbox()
      // Held until the end, as the kernel gives numbers again.
      var held: [Int32] = []
      defer { held.forEach { close($0) } }
      var seen: Set<String> = []
      func expectOwn() throws -> String {
        let spec = shell("cat /proc/net/dev /proc/net/fib_trie; sleep 1000")
        let driver = Driver(try sandbox.start(spec, nowMs: nowMs()))
        driver.until { $0.output.contains("Local:") }
        let path = "/proc/\(driver.process.firstPid)/ns/net"
        held.append(open(path, O_RDONLY | O_CLOEXEC))
        #expect(held.last! >= 0)
        let network = try FileManager.default.destinationOfSymbolicLink(atPath: path)
        #expect(seen.insert(network).inserted)
        // Nothing but loopback, which is up.
        let devices = driver.output.split(separator: "\n").filter { $0.contains(": ") }
        #expect(devices.count == 1 && devices[0].contains("lo: "))
        #expect(driver.output.contains("127.0.0.1"))
        try driver.process.destroy()
        return network
      }
      let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/net")
      _ = try expectOwn()
      for _ in 0..<3 {
        let ahead = try #require(awaitNetwork(of: sandbox.zygote))
        #expect(!seen.contains(ahead) && ahead != own)
        #expect(try expectOwn() == ahead)
        // At once, when there is none.
        _ = try expectOwn()
      }
      #expect(!seen.contains(own))
      let next = try #require(awaitNetwork(of: sandbox.zygote))
      #expect(!seen.contains(next))
      // Where it made that one it stays no longer.
      let zygote = "/proc/\(sandbox.zygote.pid)/ns/net"
      let end = nowMs() + patienceSeconds * 1000
      while try FileManager.default.destinationOfSymbolicLink(atPath: zygote) != own {
        try #require(nowMs() < end)
        usleep(1000)
      }
    }

    /// What the owner unmounts would stay busy if it were mounted there, too.
    @Test(
      .enabled(if: geteuid() == 0),
      .disabled(if: ProcessInfo.processInfo.environment["ZENNET_MACHINE"] != nil))
    func rootsHoldsThreeMounts() throws {
      let sandbox = sandbox()
      try expectJob(in: sandbox)
      #expect(try mounts(of: sandbox.zygote.pid) == ["/", "/dev", "/proc"])
    }

    /// Where sandboxes mount their roots in a folder that is on none of the three.
    @Test(.enabled(if: geteuid() == 0 && FileManager.default.isWritableFile(atPath: "/dev/shm")))
    func oneThatNeedsMoreKeepsAll() throws {
      let folder = "/dev/shm/zennet-\(getpid())"
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
      defer { try? FileManager.default.removeItem(atPath: folder) }
      let sandbox = sandbox(mountPoint: folder)
      try expectJob(in: sandbox)
      #expect(try mounts(of: sandbox.zygote.pid) == mounts(of: getpid()))
    }

    /// Where something is mounted, except over parts of /proc.
    private func mounts(of pid: Int32) throws -> [String] {
      let text = try String(contentsOfFile: "/proc/\(pid)/mountinfo", encoding: .utf8)
      let places = text.split(separator: "\n").map { String($0.split(separator: " ")[4]) }
      return places.filter { !$0.hasPrefix("/proc/") }.sorted()
    }

    @Test func itEndsWithItsSandbox() throws {
      var zygote: Int32 = 0
      do {
        let sandbox = sandbox()
        try expectJob(in: sandbox)
        zygote = sandbox.zygote.pid
        #expect(isAlive(zygote))
      }
      #expect(host_sandbox_kill(zygote, 0) != 0)
    }

    @Test(arguments: [true, false]) func anIdleOneIsGoneWithItsAgent(isKilled: Bool) throws {
      let zygote = endedAgent(killed: isKilled) {
        let sandbox = sandbox()
        try! expectJob(in: sandbox)
        // Nothing is tidied up: the process is about to be killed, or to end as it is.
        _ = Unmanaged.passRetained(sandbox)
        return sandbox.zygote.pid
      }
      #expect(zygote > 0)
      expectGone(zygote)
      let owner = sandbox().settings.owner
      #expect(StaleCgroups.find(features.cgroups, owner: owner).isEmpty)
    }
  }
}
