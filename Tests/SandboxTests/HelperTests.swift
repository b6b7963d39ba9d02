import Foundation
import Testing

@testable import Sandbox

private let staticAgent: String? = {
  let name = ".build-cross/out/zennet-agent-x86_64"
  let tree = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  let path = tree.appending(path: name).path
  return FileManager.default.isExecutableFile(atPath: path) ? path : nil
}()

extension WithKernel {
  /// The program that unpacks and collects instead of a fork of the agent.
  struct HelperTests {
    private func sandbox(_ program: String) -> Sandbox {
      Sandbox(
        features: features,
        settings: SandboxSettings(owner: "helper\(getpid())", helperProgram: program))
    }

    @Test(.enabled(if: canProbe)) func itIsAnotherProgramAndConfined() throws {
      let file = FileManager.default.temporaryDirectory.appending(path: "zennet-helper-\(getpid())")
      defer { try? FileManager.default.removeItem(at: file) }
      try Data(probeProgram!).write(to: file)
      chmod(file.path, 0o755)
      let driver = try run(shell("true"), in: sandbox(file.path))
      #expect(driver.process.outcome == .bundleRefused(.badNumber(offset: 1)))
      try driver.process.destroy()
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
      #expect(!SandboxHelper.runIfAsked(["sandbox-helper"]))
      #expect(!SandboxHelper.runIfAsked(["run"]))
      #expect(!SandboxHelper.runIfAsked([]))
    }
  }
}
