import CHost
import Foundation
import Testing

@testable import Sandbox

extension WithKernel {
  /// Programs that the publisher starts beside a running job.
  struct ProgramTests {
    private func running() throws -> Driver {
      let driver = Driver(
        try makeSandbox().start(shell("echo here > /tmp/file; echo up; sleep 1000"), nowMs: nowMs())
      )
      driver.until { $0.output == "up\n" }
      return driver
    }

    private func text(_ descriptor: Int32) -> String {
      var buffer = [UInt8](repeating: 0, count: 4096)
      let got = read(descriptor, &buffer, buffer.count)
      return got > 0 ? String(decoding: buffer[0..<got], as: UTF8.self) : ""
    }

    private func ended(_ id: UInt32, in driver: Driver) -> JobOutcome? {
      for case .programEnded(id, let outcome) in driver.events { return outcome }
      return nil
    }

    @Test func itSharesTheJobsWorldAndItsWalls() throws {
      let driver = try running()
      let program = try driver.process.start(
        [
          "/bin/sh", "-c",
          "cat; cat /tmp/file; echo $X >&2; pwd; grep CapEff /proc/self/status; exit 5",
        ],
        environment: ["X=y", "PATH=/bin"], workdir: "/tmp")
      #expect(write(program.stdin, "typed\n", 6) == 6)
      program.closeInput()
      driver.until { ended(program.id, in: $0) != nil }
      #expect(driver.events.contains(.programStarted(id: program.id)))
      #expect(ended(program.id, in: driver) == .exited(status: 5))
      #expect(text(program.stdout) == "typed\nhere\n/tmp\nCapEff:\t0000000000000000\n")
      #expect(text(program.stderr).hasPrefix("y\n"))
      program.close()
      #expect(driver.process.outcome == nil)
    }

    @Test(.enabled(if: canProbe)) func itCannotGetOutEither() throws {
      let driver = Driver(
        try makeSandbox().start(shell("sleep 1000"), bundle: probeBundle, nowMs: nowMs()))
      driver.until { $0.events.contains(.jobStarted) }
      let program = try driver.process.start(["/bin/probe", "all"], environment: [])
      var output = ""
      driver.until { driver in
        output += text(program.stdout)
        return ended(program.id, in: driver) != nil
      }
      output += text(program.stdout)
      let tried = EscapeTests.attempts(output)
      // The job is the same publisher's; process 1 has attempts of its own.
      EscapeTests.expectAllRefused(
        tried, except: Set(tried.keys.filter { $0.hasPrefix("others-") }))
    }

    @Test func aShellWithATerminal() throws {
      let driver = try running()
      let program = try driver.process.start(
        ["/bin/sh"], environment: ["PATH=/bin", "PS1=> "], terminal: true)
      driver.until { $0.events.contains(.programStarted(id: program.id)) }
      try program.resize(rows: 33, columns: 99)
      let line = "busybox stty size; busybox tty; exit 3\n"
      #expect(write(program.stdin, line, line.utf8.count) == line.utf8.count)
      var output = ""
      driver.until { driver in
        output += text(program.stdout)
        return ended(program.id, in: driver) != nil
      }
      output += text(program.stdout)
      #expect(ended(program.id, in: driver) == .exited(status: 3))
      #expect(output.contains("33 99\r\n") && output.contains("/dev/pts/0\r\n"))
      try driver.process.destroy()
    }

    @Test func signalsFailuresAndTheEndOfTheJob() throws {
      let before = Leftovers.now()
      let driver = try running()
      let sleeper = try driver.process.start(["/bin/sleep", "1000"], environment: [])
      driver.until { $0.events.contains(.programStarted(id: sleeper.id)) }
      try driver.process.signal(15, program: sleeper.id)
      driver.until { ended(sleeper.id, in: $0) != nil }
      #expect(ended(sleeper.id, in: driver) == .signalled(15))
      let missing = try driver.process.start(["/bin/none"], environment: [])
      let lost = try driver.process.start(["/bin/sh"], environment: [], workdir: "/none")
      let last = try driver.process.start(["/bin/sleep", "1000"], environment: [])
      driver.until { $0.events.contains(.programStarted(id: last.id)) }
      #expect(ended(missing.id, in: driver) == .notExecutable(code: 2))
      #expect(ended(lost.id, in: driver) == .notExecutable(code: 2))
      try driver.process.signal(15)
      #expect(driver.untilEnded() == .signalled(15))
      #expect(ended(last.id, in: driver) == .signalled(9))
      #expect(throws: SandboxError.wrongState("no job is running")) {
        try driver.process.start(["/bin/sh"], environment: [])
      }
      try driver.process.destroy()
      before.expectNothingMore()
    }

    @Test func aNameWithoutASlashIsLookedUpInItsPath() throws {
      let driver = try running()
      let found = try driver.process.start(
        ["sh", "-c", "exit 6"], environment: ["PATH=/none:/bin"])
      let lost = try driver.process.start(["sh"], environment: ["PATH=/none::/tmp"])
      let folder = try driver.process.start(["bin"], environment: ["PATH=/"])
      driver.until { driver in
        [found, lost, folder].allSatisfy { ended($0.id, in: driver) != nil }
      }
      #expect(ended(found.id, in: driver) == .exited(status: 6))
      #expect(ended(lost.id, in: driver) == .notExecutable(code: 2))
      #expect(ended(folder.id, in: driver) == .notExecutable(code: 13))
      try driver.process.destroy()
    }

    /// Everything that a program prints until it ends.
    private func output(of program: SandboxProgram, in driver: Driver) -> [UInt8] {
      var bytes: [UInt8] = []
      func drain() {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let got = read(program.stdout, &buffer, buffer.count), got > 0 {
          bytes += buffer[0..<got]
        }
      }
      driver.until { driver in
        drain()
        return ended(program.id, in: driver) != nil
      }
      drain()
      return bytes
    }

    @Test func filesAreCopiedInAndOutWithTheJobsRights() throws {
      let driver = try running()
      var writer = BundleWriter()
      writer.addDirectory("tree")
      writer.addFile("tree/tool", Array("tool".utf8), mode: 0o755)
      writer.addSymlink("tree/link", to: "tool")
      let archive = try writer.tar()
      for path in ["/work", "/work/named", "/bin", "/none/x"] {
        let copy = try driver.process.startCopy(.into, path: path)
        // The bundle's own folders are read-only, for this as for the job.
        let isRefused = path == "/bin" || path == "/none/x"
        // Who is refused may be gone before a byte is written.
        #expect(write(copy.stdin, archive, archive.count) == archive.count || isRefused)
        copy.closeInput()
        driver.until { ended(copy.id, in: $0) != nil }
        #expect(ended(copy.id, in: driver) == .exited(status: isRefused ? 1 : 0), "\(path)")
        #expect(text(copy.stderr).hasPrefix(path) == isRefused)
      }
      let back = try driver.process.startCopy(.out, path: "/work/named/")
      let got = try items(output(of: back, in: driver))
      #expect(ended(back.id, in: driver) == .exited(status: 0))
      #expect(
        got == [
          .directory(path: Array("named".utf8), mode: 0o755),
          .symlink(path: Array("named/link".utf8), target: Array("tool".utf8)),
          .file(path: Array("named/tool".utf8), mode: 0o755, size: 4), .data(Array("tool".utf8)),
          .fileEnded,
        ])
      let file = try driver.process.startCopy(.out, path: "/tmp/file")
      #expect(
        try items(output(of: file, in: driver)).first
          == .file(path: Array("file".utf8), mode: 0o644, size: 5))
      let none = try driver.process.startCopy(.out, path: "/none")
      _ = output(of: none, in: driver)
      #expect(ended(none.id, in: driver) == .exited(status: 1))
      let device = try driver.process.startCopy(.out, path: "/dev/zero")
      _ = output(of: device, in: driver)
      #expect(ended(device.id, in: driver) == .exited(status: 1))
      try driver.process.destroy()
    }

    @Test func notMoreThanFifteen() throws {
      let driver = try running()
      var programs: [SandboxProgram] = []
      for _ in 0..<16 {
        programs.append(try driver.process.start(["/bin/sleep", "1000"], environment: []))
      }
      driver.until { ended(programs[15].id, in: $0) != nil }
      #expect(ended(programs[15].id, in: driver) == .notExecutable(code: 11))
      #expect(ended(programs[14].id, in: driver) == nil)
      try driver.process.destroy()
    }
  }
}
