import Foundation
import Testing

@testable import Sandbox

// Needs namespaces and cgroups; see Support.swift. Serialized: they count what is left on the machine.
@Suite(.serialized, .enabled(if: canSandbox))
struct SandboxTests {
  @Test func exitStatusReachesTheCaller() throws {
    for status in [0, 1, 42, 255] {
      let driver = try run(shell("exit \(status)"))
      #expect(driver.process.outcome == .exited(status: UInt8(status)))
      try driver.process.destroy()
    }
  }

  @Test func outputInputAndErrors() throws {
    let driver = Driver(
      try makeSandbox().start(shell("read x; echo got $x; echo no >&2"), nowMs: 0))
    driver.until { $0.events.contains(.jobStarted) }
    #expect(write(driver.process.stdin, "hello\n", 6) == 6)
    #expect(driver.untilEnded() == .exited(status: 0))
    #expect(driver.output == "got hello\n")
    #expect(driver.errors == "no\n")
    try driver.process.destroy()
  }
}
