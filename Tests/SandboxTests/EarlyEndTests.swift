import CHost
import Foundation
import Testing

@testable import Sandbox

extension WithKernel {
  /// Jobs that are ended when their program does not run yet.
  struct EarlyEndTests {
    /// As an agent has it with the zygote, and with forks of itself.
    static let programs = [staticAgent, ""].compactMap { $0 }
    /// A few bytes at its end are work for a while.
    static let long = busyboxBundle { writer in
      let zeros = [UInt8](repeating: 0, count: 8 << 20)
      for index in 0..<6 { writer.addFile("zeros/\(index)", zeros, mode: 0o644) }
    }
    /// As a whole it fits a pipe.
    private static let short: [UInt8] = {
      var writer = BundleWriter()
      writer.addFile("bin/probe", probeProgram ?? [], mode: 0o755)
      return try! writer.finish(level: 3)
    }()

    private func sandbox(_ program: String) -> Sandbox {
      makeSandbox(owner: "early\(getpid())", helper: program)
    }

    /// Its process 1 stands still; its bundle comes through a pipe only then.
    private func stopped(
      _ spec: JobSpec, in sandbox: Sandbox, _ bundle: [UInt8]
    ) throws -> Driver {
      var ends: [Int32] = [-1, -1]
      #expect(host_sandbox_pipe(&ends, 0) == 0)
      defer { ends.forEach { close($0) } }
      let driver = Driver(try sandbox.start(spec, bundles: [ends[0]], nowMs: nowMs()))
      driver.process.awaitFirst()
      // 0 would stop the tests themselves.
      try #require(driver.process.firstPid > 0)
      _ = host_sandbox_kill(driver.process.firstPid, SIGSTOP)
      // All of it has to fit: F_SETPIPE_SZ.
      #expect(fcntl(ends[1], 1031, 8 * 65_536) >= bundle.count)
      #expect(write(ends[1], bundle, bundle.count) == bundle.count)
      return driver
    }

    @Test(arguments: programs) func whileItIsUnpacked(program: String) throws {
      let sandbox = sandbox(program)
      try run(shell("true"), in: sandbox).process.destroy()
      let before = Leftovers.now()
      for delayUs: UInt32 in [0, 300, 1000, 3000, 6000, 12_000, 25_000] {
        for reason in [StopReason.publisher, .owner] {
          let driver = Driver(
            try sandbox.start(shell("sleep 1000"), bundle: Self.long, nowMs: nowMs()))
          usleep(delayUs)
          driver.events += driver.process.poll(nowMs: nowMs())
          try driver.process.terminate(reason, nowMs: nowMs())
          #expect(driver.untilEnded() == .terminated(reason))
          let ends = driver.events.filter { if case .jobEnded = $0 { true } else { false } }
          #expect(ends == [.jobEnded(.terminated(reason))])
          // Whatever it had come to.
          #expect(driver.process.cgroup.processes().allSatisfy { $0 == driver.process.firstPid })
          try driver.process.destroy()
        }
      }
      before.expectNothingMore()
      #expect(cgroupFolders(owner: sandbox.settings.owner).isEmpty)
    }

    /// Walls are made, and nothing of the job happens before it is wanted, or ended.
    @Test(.enabled(if: canProbe), arguments: programs)
    func beforeItHasBegun(program: String) throws {
      let sandbox = sandbox(program)
      try run(shell("true"), in: sandbox).process.destroy()
      let bundle = memoryFile(plainBundle)
      defer { close(bundle) }
      let before = Leftovers.now()
      for way in 0..<4 {
        let driver = Driver(
          try sandbox.prepare(shell("echo ran"), bundles: [bundle], nowMs: nowMs()))
        // Sometimes it has not come so far.
        if way > 0 { driver.until(seconds: 1) { _ in false } }
        #expect(driver.events.isEmpty && driver.process.outcome == nil)
        if way < 2 {
          try driver.process.terminate(.owner, nowMs: nowMs())
          #expect(driver.untilEnded() == .terminated(.owner))
        } else if way == 2 {
          try driver.process.begin()
          #expect(driver.untilEnded() == .exited(status: 0))
          #expect(driver.output == "ran\n")
          #expect(driver.process.usage(nowMs: nowMs()).wallMs < 900)
        }
        try driver.process.destroy()
      }
      before.expectNothingMore()
      #expect(cgroupFolders(owner: sandbox.settings.owner).isEmpty)
    }

    /// Process 1 stands still until the job has been ended: it has not told of a start, and mostly
    /// nobody has read a byte of the bundle yet.
    @Test(.enabled(if: canProbe), arguments: programs)
    func beforeItIsUnpacked(program: String) throws {
      let sandbox = sandbox(program)
      try run(shell("true"), in: sandbox).process.destroy()
      let before = Leftovers.now()
      for _ in 0..<8 {
        let driver = try stopped(probe("fork-bomb"), in: sandbox, Self.short)
        try driver.process.terminate(.publisher, nowMs: nowMs())
        _ = host_sandbox_kill(driver.process.firstPid, SIGCONT)
        #expect(driver.untilEnded() == .terminated(.publisher))
        #expect(driver.process.cgroup.processes().allSatisfy { $0 == driver.process.firstPid })
        try driver.process.destroy()
      }
      before.expectNothingMore()
      #expect(cgroupFolders(owner: sandbox.settings.owner).isEmpty)
    }
  }
}
