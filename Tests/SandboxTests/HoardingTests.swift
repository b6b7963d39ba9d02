import CHost
import Foundation
import Testing

@testable import Sandbox

extension WithKernel {
  /// Whatever kind of memory a job takes, its limit is the end of it; and of what the machine has only so
  /// many, it cannot have all.
  @Suite(.enabled(if: canProbe)) struct HoardingTests {
    @Test(arguments: [
      "anonymous", "shared", "file", "shared_file", "memory_file", "segment", "messages", "pipes",
      "local_sockets", "stream_sockets", "datagram_sockets", "netlink_sockets", "page_tables",
    ])
    func memoryOfEachKindIsBounded(_ kind: String) throws {
      var limits = JobLimits.small
      limits.memoryBytes = 64 << 20
      // The folders' own limit is not what is tried.
      limits.diskBytes = 512 << 20
      let driver = try run(probe("hold", kind, "160", limits: limits), bundle: probeBundle)
      let outcome = try #require(driver.process.outcome)
      #expect(outcome == .outOfMemory || driver.output.hasPrefix("\(kind) stopped at"))
      #expect(driver.process.usage(nowMs: nowMs()).memoryPeakKiB <= 64 << 10)
      print(
        "hoarding: \(kind): \(driver.output.isEmpty ? "out of memory\n" : driver.output)",
        terminator: "")
      try driver.process.destroy()
    }

    @Test(arguments: ["terminals", "requests"])
    func whatTheMachineHasFewOfIsBounded(_ kind: String) throws {
      let driver = try run(probe("hold", kind, "1"), bundle: probeBundle)
      #expect(driver.process.outcome == .exited(status: 0))
      #expect(driver.output.hasPrefix("\(kind) stopped at"))
    }
  }
}
