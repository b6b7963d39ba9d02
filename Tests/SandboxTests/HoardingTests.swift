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
      let driver = try run(probe("hold", kind, "1000", limits: limits), bundle: probeBundle)
      let outcome = try #require(driver.process.outcome)
      #expect(outcome == .outOfMemory || driver.output.hasPrefix("\(kind) stopped at"))
      #expect(driver.process.usage(nowMs: nowMs()).memoryPeakKiB <= 64 << 10)
      print(
        "hoarding: \(kind): \(driver.output.isEmpty ? "out of memory\n" : driver.output)",
        terminator: "")
      try driver.process.destroy()
    }

    /// Version 1 counts it apart from memory, and gives each socket a first packet beyond any limit: 2,000
    /// connections hold 140 MiB here. In version 2 the kernel has one limit for all.
    @Test func whatWaitsInSocketsIsMemory() throws {
      var limits = JobLimits.small
      limits.memoryBytes = 64 << 20
      let driver = Driver(
        try makeSandbox().start(
          probe("hold", "stream_sockets", "1000", "keep", limits: limits), bundle: probeBundle,
          nowMs: nowMs()))
      let isWhole = driver.process.cgroup.layout.memory.isVersion2
      driver.until { driver in
        let usage = driver.process.usage(nowMs: nowMs())
        // No more is charged than a publisher believes.
        #expect(usage.memoryPeakKiB <= 64 << 10)
        return driver.process.outcome != nil || (isWhole && driver.output.contains("stopped at"))
      }
      #expect(driver.process.outcome == .outOfMemory || isWhole)
      try driver.process.destroy()
    }

    /// It is counted as memory that is held, and takes nothing from a job within its limit.
    @Test func whatWaitsInSocketsIsCharged() throws {
      let driver = Driver(
        try makeSandbox().start(
          probe("hold", "stream_sockets", "20", "keep"), bundle: probeBundle, nowMs: nowMs()))
      driver.until { $0.output.hasSuffix("\n") || $0.process.outcome != nil }
      #expect(driver.output.hasPrefix("stream_sockets DONE"))
      let usage = driver.process.usage(nowMs: nowMs())
      #expect(usage.memoryPeakKiB >= 20 << 10 && usage.memoryPeakKiB < 48 << 10)
      driver.until(seconds: 1) { $0.process.outcome != nil }
      #expect(driver.process.outcome == nil)
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
