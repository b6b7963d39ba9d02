import CHost
import Foundation
import Testing

@testable import Sandbox

extension WithKernel {
  /// Jobs that are ended when all of their bundle has been handed over, and their program does not run yet.
  struct EarlyEndTests {
    /// As an agent has it with the stem, and with forks of itself.
    static let programs = [staticAgent, ""].compactMap { $0 }
    /// A few bytes at its end are work for a while.
    static let long = busyboxBundle { writer in
      let zeros = [UInt8](repeating: 0, count: 8 << 20)
      for index in 0..<6 { writer.addFile("zeros/\(index)", zeros, mode: 0o644) }
    }
    /// As a whole it fits the pipe.
    private static let short: [UInt8] = {
      var writer = BundleWriter()
      writer.addFile("bin/probe", probeProgram ?? [], mode: 0o755)
      return try! writer.finish(level: 3)
    }()

    private func sandbox(_ program: String) -> Sandbox {
      Sandbox(
        features: features,
        settings: SandboxSettings(owner: "early\(getpid())", helperProgram: program))
    }

    /// Its bundle has been handed over, to the last byte.
    private func begun(
      _ spec: JobSpec, in sandbox: Sandbox, _ bundle: [UInt8], stopped: Bool = false
    ) throws -> Driver {
      let process = try sandbox.start(spec, nowMs: nowMs())
      if stopped { _ = host_sandbox_kill(process.firstPid, SIGSTOP) }
      let driver = Driver(process, bundle: [])
      driver.handOver(bundle)
      return driver
    }

    @Test(arguments: programs) func whileItIsUnpacked(program: String) throws {
      let sandbox = sandbox(program)
      try run(shell("true"), in: sandbox).process.destroy()
      let before = Leftovers.now()
      for delayUs: UInt32 in [0, 300, 1000, 3000, 6000, 12_000, 25_000] {
        for reason in [StopReason.publisher, .owner] {
          let driver = try begun(shell("sleep 1000"), in: sandbox, Self.long)
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

    /// Process 1 stands still until the job has been ended: it has not told of a start, and mostly
    /// nobody has read a byte of the bundle yet.
    @Test(.enabled(if: canProbe), arguments: programs)
    func beforeItIsUnpacked(program: String) throws {
      let sandbox = sandbox(program)
      try run(shell("true"), in: sandbox).process.destroy()
      let before = Leftovers.now()
      for _ in 0..<8 {
        let driver = try begun(probe("fork-bomb"), in: sandbox, Self.short, stopped: true)
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
