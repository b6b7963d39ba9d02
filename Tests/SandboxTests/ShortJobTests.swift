import CHost
import Foundation
import Testing

@testable import Sandbox

extension WithKernel {
  /// Jobs that nobody looks at before they are over.
  struct ShortJobTests {
    /// Looks at nothing of what happens until the job has ended.
    private func runUnseen(
      _ script: String, _ bundle: [UInt8], _ program: String
    ) throws -> Driver {
      let sandbox = Sandbox(
        features: features,
        settings: SandboxSettings(owner: "short\(getpid())", helperProgram: program))
      let process = try sandbox.start(shell(script), bundle: bundle, nowMs: nowMs())
      let driver = Driver(process)
      // Its output ends when nobody is left who could write it.
      var buffer = [UInt8](repeating: 0, count: 4096)
      let end = nowMs() + patienceSeconds * 1000
      while nowMs() < end {
        let got = read(process.stdout, &buffer, buffer.count)
        if got == 0 { break }
        if got > 0 { driver.out += buffer[0..<got] } else { usleep(100) }
      }
      #expect(driver.events.isEmpty)
      #expect(driver.untilEnded() == .exited(status: 0))
      return driver
    }

    /// Milliseconds of the first line of `times`: "0m0.05s 0m0.01s", a hundredth of a second fine.
    private func ownMs(_ text: String) -> UInt64 {
      var total = 0.0
      for word in text.split(separator: "\n")[0].split(separator: " ") {
        let parts = word.dropLast().split(separator: "m")
        total += (Double(parts[0]) ?? 0) * 60 + (Double(parts[1]) ?? 0)
      }
      return UInt64(total * 1000)
    }

    @Test(arguments: EarlyEndTests.programs) func itIsChargedWhatItUsed(program: String) throws {
      let script = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; times"
      let driver = try runUnseen(script, plainBundle, program)
      let usage = driver.process.usage(nowMs: nowMs())
      // A machine so slow that it takes longer than is charged unseen.
      let knownMs = min(ownMs(driver.output), Meter.mostLateMs)
      #expect(knownMs > 0)
      #expect(usage.cpuMs + 20 >= knownMs)
      #expect(usage.wallMs + 20 >= knownMs)
      #expect(usage.frozenMs == 0)
      try driver.process.destroy()
    }

    /// Neither the walls nor the unpacking, which takes far longer than to run `true`.
    @Test(arguments: EarlyEndTests.programs) func itIsChargedNothingElse(program: String) throws {
      let driver = try runUnseen("true", EarlyEndTests.long, program)
      let usage = driver.process.usage(nowMs: nowMs())
      let allMs = CgroupReader(driver.process.cgroup).read().cpuNs / 1_000_000
      #expect(usage.cpuMs * 2 < allMs)
      #expect(usage.wallMs > 0)
      print("a job of \(usage.wallMs) ms: charged \(usage.cpuMs) of \(allMs) ms of processor")
      try driver.process.destroy()
    }
  }
}
