import Foundation
import Testing

@testable import Sandbox

extension WithKernel {
  /// However much a job says that its results are, the agent reads no more than was agreed, and the publisher
  /// hears by name what is missing.
  struct ResultLimitTests {
    private let limit: UInt64 = 1 << 20
    private let all = BundleLimits(entries: 100_000, bytes: 1 << 30)
    private let bundle = busyboxBundle { writer in
      for name in ["truncate", "ln", "seq", "mkdir", "chmod", "xargs"] {
        writer.addSymlink("bin/" + name, to: "busybox")
      }
    }

    private func collect(_ script: String) throws -> (Driver, [BundleItem]) {
      let driver = try run(shell(script), bundle: bundle)
      #expect(driver.process.outcome == .exited(status: 0), "\(driver.errors)")
      let beginMs = processorMs()
      try driver.collect(limitBytes: limit)
      let usedMs = processorMs() - beginMs
      print("results: \(driver.tar.count) bytes, \(usedMs) ms of the agent's processor")
      #expect(driver.tar.count <= Int(limit))
      #expect(driver.events.contains(.resultsCollected(.some)))
      // These tests are no release build.
      #expect(usedMs < 3000)
      return (driver, try items(driver.tar, limits: all, isLenient: true))
    }

    private func processorMs() -> UInt64 {
      var time = timespec()
      clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
      return UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000
    }

    @Test func aFileThatIsAllHoleIsLeftOutByName() throws {
      let (_, found) = try collect(
        "truncate -s 9223372036854775807 /out/huge; truncate -s 8000000000 /out/large; echo x > /out/small"
      )
      #expect(found.contains(.leftOut(path: Array("huge".utf8))))
      #expect(found.contains(.leftOut(path: Array("large".utf8))))
      #expect(found.contains(.data(Array("x\n".utf8))))
    }

    @Test func manyNamesOfOneFileAreCutAtTheLimit() throws {
      let (_, found) = try collect(
        "head -c 100000 /dev/zero > /out/a; for d in 0 1 2; do mkdir /out/$d; for i in $(seq 400); do "
          + "ln /out/a /out/$d/$i; done; done")
      let files = found.count { if case .file = $0 { true } else { false } }
      let names = found.count { if case .leftOut = $0 { true } else { false } }
      #expect(files >= 5 && files <= 10)
      #expect(names >= 200)
    }

    /// What was packed is with the agent, and no longer in the sandbox as well.
    @Test func resultsAreHeldOnce() throws {
      let driver = try run(
        shell(
          "head -c 20000000 /dev/zero > /out/a; echo y > /out/b; chmod 400 /out/b; ln /out/b /out/c"
        ))
      let before = driver.process.memoryBytesForTests
      try driver.collect()
      #expect(driver.events.contains(.resultsCollected(.all)))
      let found = try items(driver.tar, limits: all)
      #expect(found.count { $0 == .data(Array("y\n".utf8)) } == 2)
      #expect(driver.tar.count > 20_000_000)
      let after = driver.process.memoryBytesForTests
      print("results: \(before >> 10) KiB held before, \(after >> 10) KiB after")
      #expect(before > 20_000_000 && after < 10_000_000)
    }
  }
}

extension SandboxProcess {
  fileprivate var memoryBytesForTests: UInt64 { CgroupReader(cgroup).read().memoryBytes }
}
