import Foundation
import Testing

@testable import Sandbox

extension WithKernel {
  /// The program that unpacks and collects instead of a fork of the agent.
  struct HelperTests {
    private func sandbox(_ program: String) -> Sandbox {
      makeSandbox(owner: "helper\(getpid())", helper: program)
    }

    /// A static program that is no helper: the sandbox does not come to be, and nothing is left of it.
    @Test(.enabled(if: canProbe)) func aProgramThatIsNoHelperIsAnError() throws {
      let file = FileManager.default.temporaryDirectory.appending(path: "zennet-helper-\(getpid())")
      defer { try? FileManager.default.removeItem(at: file) }
      try Data(probeProgram!).write(to: file)
      chmod(file.path, 0o755)
      let sandbox = sandbox(file.path)
      #expect(throws: SandboxError.self) { try sandbox.start(shell("true"), nowMs: nowMs()) }
      #expect(cgroupFolders(owner: sandbox.settings.owner).isEmpty)
    }

    @Test func aProgramThatNeedsALoaderIsToldApart() {
      #expect(StaticProgram.isStatic("/bin/busybox"))
      #expect(!StaticProgram.isStatic("/bin/sh"))
      #expect(!StaticProgram.isStatic("/etc/passwd"))
      #expect(!StaticProgram.isStatic("/no/such/program"))
      var head = [UInt8](FileManager.default.contents(atPath: "/bin/busybox")!.prefix(4096))
      for index in 28..<64 {
        head[index] = 0xff
        _ = StaticProgram.isStatic(head)
      }
      #expect(!StaticProgram.isStatic(head))
    }

    /// Not static, not there, not a program: the work is done all the same.
    @Test func whatCannotRunInsideDoesNotMatter() throws {
      for program in ["/bin/sh", "/no/such/program", "/etc/passwd"] {
        let driver = try run(shell("echo x > /out/y"), in: sandbox(program))
        #expect(driver.process.outcome == .exited(status: 0))
        try driver.collect()
        #expect(try items(driver.tar).contains(.data(Array("x\n".utf8))))
        try driver.process.destroy()
      }
    }

    /// The static agent, where cross/build has made one.
    @Test(.enabled(if: staticAgent != nil)) func noProcessInsideHasTheAgentsMemory() throws {
      let driver = Driver(
        try sandbox(staticAgent!).start(shell("sleep 1000"), nowMs: nowMs()))
      driver.until { $0.events.contains(.jobStarted) }
      let first = "/proc/\(driver.process.firstPid)"
      let program = try FileManager.default.destinationOfSymbolicLink(atPath: first + "/exe")
      #expect(program == URL(fileURLWithPath: staticAgent!).resolvingSymlinksInPath().path)
      // Its own image, a stack, the plan: nothing of these tests, which are a hundred times as large.
      let status = try String(contentsOfFile: first + "/status", encoding: .utf8)
      let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") })
      let residentKiB = try #require(Int(line.split(separator: " ").dropFirst().first ?? ""))
      #expect(residentKiB < 4096)
      try driver.process.destroy()
    }

    @Test(.enabled(if: staticAgent != nil)) func theStaticAgentUnpacksAndCollects() throws {
      let driver = try run(shell("echo x > /out/y"), in: sandbox(staticAgent!))
      #expect(driver.process.outcome == .exited(status: 0))
      try driver.collect()
      #expect(try items(driver.tar).contains(.data(Array("x\n".utf8))))
      let refused = try run(
        shell("true"), bundle: BundleWriter.compress(archive([entry("../x")])),
        in: sandbox(staticAgent!))
      #expect(refused.process.outcome == .bundleRefused(.parentInPath(offset: 0)))
    }

    @Test func askedByHandItDoesNothing() {
      #expect(SandboxHelper.runIfAsked(["sandbox-helper", "1", "10", "10"]))
      #expect(SandboxHelper.runIfAsked(["sandbox-helper"]))
      #expect(!SandboxHelper.runIfAsked(["run"]))
      #expect(!SandboxHelper.runIfAsked([]))
    }
  }
}
