import Foundation
import Testing

@testable import Sandbox

private let flock = unsafeBitCast(
  dlsym(nil, "flock")!, to: (@convention(c) (Int32, Int32) -> Int32).self)

extension WithKernel {
  /// The owner's use of `/dev/null` is as quick, and as free, as without a job that watches and locks what it
  /// takes for it.
  @Suite(.enabled(if: canProbe)) struct DevicesTests {
    /// The best of some rounds: nanoseconds for opening, reading, writing, closing.
    private func latencyNs(_ path: String) -> Double {
      var best = Double.infinity
      for _ in 0..<20 {
        let begin = DispatchTime.now().uptimeNanoseconds
        for _ in 0..<200 {
          let file = open(path, O_RDWR)
          var byte: UInt8 = 0
          _ = read(file, &byte, 1)
          _ = write(file, &byte, 1)
          close(file)
        }
        best = min(best, Double(DispatchTime.now().uptimeNanoseconds - begin) / 200)
      }
      return best
    }

    @Test(arguments: [true, false]) func nobodyFeelsWhoWatchesAndLocks(_ own: Bool) throws {
      var bound = features
      bound.ownDevices = features.ownDevices && own
      let sandbox = Sandbox(features: bound, settings: SandboxSettings(owner: "devices\(getpid())"))
      let paths = ["/dev/null", "/dev/zero", "/dev/urandom"]
      let before = paths.map(latencyNs)
      let driver = Driver(
        try sandbox.start(probe("watch-devices"), bundle: probeBundle, nowMs: nowMs()))
      driver.until { $0.output.hasSuffix("\n") || $0.process.outcome != nil }
      // Its own nodes it may watch.
      #expect(driver.output == (bound.ownDevices ? "768\n" : "0\n"))
      let during = paths.map(latencyNs)
      for path in paths {
        let file = open(path, O_RDONLY)
        #expect(flock(file, LOCK_EX | LOCK_NB) == 0, "\(path) is locked")
        close(file)
      }
      for (path, (one, other)) in zip(paths, zip(before, during)) {
        print(
          "owner: \(path) \(Int(one)) ns before, \(Int(other)) ns during, own: \(bound.ownDevices)")
        #expect(other < 3 * one)
      }
      try driver.process.destroy()
    }

    /// Programs use what they may elsewhere.
    @Test func aJobWatchesAndLocksItsOwnFiles() throws {
      let script =
        "cat < /dev/zero | head -c 3 | wc -c; echo x > /dev/full; echo x > /dev/null && echo y"
      let bundle = busyboxBundle { $0.addSymlink("bin/wc", to: "busybox") }
      let driver = try run(shell(script), bundle: bundle)
      #expect(driver.output == "3\ny\n")
      #expect(driver.errors.contains("No space left"))
    }
  }
}
