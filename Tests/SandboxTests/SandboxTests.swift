import CHost
import Foundation
import Testing

@testable import Sandbox

/// What the machine holds of sandboxes: after a job no more than before.
struct Leftovers {
  var mounts: Set<String>
  var descriptors: Int
  var children: Set<String>

  static func now() -> Leftovers {
    let mounts = (try? String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)) ?? ""
    let all = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
    var children: Set<String> = []
    for pid in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
      guard let status = try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
      else { continue }
      if status.contains("\nPPid:\t\(getpid())\n") { children.insert(pid) }
    }
    return Leftovers(
      mounts: Set(mounts.split(separator: "\n").map(String.init)), descriptors: all?.count ?? 0,
      children: children)
  }

  /// Other tests of this process open and close things meanwhile: what they hold passes.
  func expectNothingMore() {
    let end = nowMs() + 10_000
    var after = Leftovers.now()
    while nowMs() < end
      && (after.descriptors > descriptors || !after.children.isSubset(of: children)
        || !after.mounts.isSubset(of: mounts))
    {
      usleep(10_000)
      after = Leftovers.now()
    }
    #expect(after.descriptors <= descriptors)
    #expect(after.children.subtracting(children).isEmpty)
    #expect(after.mounts.subtracting(mounts).isEmpty)
  }
}

func cgroupFolders(owner: String) -> [String] {
  StaleCgroups.find(features.cgroups, owner: owner).flatMap { $0.directories }
}

/// All of the suites that make real sandboxes: one after another, because they count what is left.
@Suite(.serialized, .enabled(if: canSandbox))
struct WithKernel {}

extension WithKernel {
  struct SandboxTests {
    @Test func exitStatusReachesTheCaller() throws {
      for status in [0, 1, 42, 255] {
        let driver = try run(shell("exit \(status)"))
        #expect(driver.process.outcome == .exited(status: UInt8(status)))
        try driver.process.destroy()
      }
    }

    @Test func outputInputAndErrors() throws {
      let spec = shell("read x; echo got $x; echo no >&2; cat")
      let driver = Driver(try makeSandbox().start(spec, nowMs: nowMs()))
      driver.until { $0.events.contains(.jobStarted) }
      #expect(write(driver.process.stdin, "hello\nrest", 10) == 10)
      driver.process.closeInput()
      #expect(driver.untilEnded() == .exited(status: 0))
      #expect(driver.output == "got hello\nrest")
      #expect(driver.errors == "no\n")
      try driver.process.destroy()
    }

    @Test func argumentsAndEnvironmentArriveUnchanged() throws {
      var spec = shell("")
      spec.arguments = [
        "/bin/busybox", "sh", "-c", "echo \"$0|$1|$A|$#\"; env", "a b", "", "x\"'\\",
      ]
      spec.environment = ["A=1 2", "PATH=/bin"]
      let driver = try run(spec)
      #expect(driver.output.hasPrefix("a b||1 2|2\n"))
      // No variable of the agent comes along.
      let names = driver.output.split(separator: "\n").dropFirst().map {
        $0.split(separator: "=")[0]
      }
      #expect(names.allSatisfy { ["A", "PATH", "PWD", "SHLVL", "OLDPWD", "_"].contains($0) })
    }

    @Test func everyWayToEndIsDistinct() throws {
      #expect(try run(shell("kill -TERM $$")).process.outcome == .signalled(15))
      var spec = shell("")
      spec.arguments = ["/bin/nothing"]
      #expect(try run(spec).process.outcome == .notExecutable(code: 2))
      spec.arguments = ["/work"]
      #expect(try run(spec).process.outcome == .notExecutable(code: 13))
      spec = shell("true")
      spec.workdir = "/nowhere"
      #expect(
        try run(spec).process.outcome
          == .setupFailed(step: "working directory /nowhere", code: 2))
      let driver = Driver(try makeSandbox().start(shell("sleep 100"), nowMs: nowMs()))
      driver.until { $0.events.contains(.jobStarted) }
      #expect(host_sandbox_kill(driver.process.firstPid, 9) == 0)
      #expect(driver.untilEnded() == .lost)
    }

    @Test func signalsReachTheProgram() throws {
      let spec = shell(
        "trap 'echo caught; exit 3' USR1; echo ready; while true; do sleep 0.05; done")
      let driver = Driver(try makeSandbox().start(spec, nowMs: nowMs()))
      driver.until { $0.output.contains("ready") }
      try driver.process.signal(10)
      #expect(driver.untilEnded() == .exited(status: 3))
      #expect(driver.output == "ready\ncaught\n")
    }

    @Test func theBundleIsReadOnlyAndThreeFoldersAreNot() throws {
      let script = """
        for d in / /bin /dev /proc /etc; do (: > $d/x) 2>/dev/null && echo wrote $d; done
        for d in /tmp /out /work /dev/shm; do (: > $d/x) || echo not $d; done
        echo y >> /bin/busybox; rm /bin/busybox; mv /bin /b; chmod 777 /bin; true
        """
      let driver = try run(shell(script))
      #expect(driver.output == "")
      #expect(driver.errors.contains("Read-only file system"))
      #expect(!driver.errors.contains("/tmp/x") && !driver.errors.contains("/work/x"))
    }

    @Test func resultsComeBackAsATar() throws {
      let script = """
        echo one > /out/a; mkdir -p /out/d/e; head -c 300000 /dev/zero > /out/d/e/big
        ln -s ../a /out/d/l; chmod 700 /out/a; (sleep 1000 &) ; exit 0
        """
      let driver = try run(shell(script))
      #expect(driver.process.outcome == .exited(status: 0))
      try driver.collect()
      #expect(driver.events.contains(.resultsCollected(.all)))
      var limits = BundleLimits(entries: 10, bytes: 1 << 20)
      limits.ratio = 1
      let got = try items(driver.tar, limits: limits)
      #expect(got.contains(.file(path: Array("a".utf8), mode: 0o700, size: 4)))
      #expect(got.contains(.data(Array("one\n".utf8))))
      #expect(got.contains(.file(path: Array("d/e/big".utf8), mode: 0o644, size: 300_000)))
      #expect(got.contains(.symlink(path: Array("d/l".utf8), target: Array("../a".utf8))))
      try driver.process.destroy()
    }

    @Test func resultsThatCannotAllBeSentAreWholeWithoutThem() throws {
      let driver = try run(shell("mkfifo /out/pipe; echo x > /out/y"))
      try driver.collect()
      #expect(driver.events.contains(.resultsCollected(.some)))
      // Of what is left out the archive has the name.
      let got = try items(driver.tar, isLenient: true)
      #expect(got.contains(.file(path: Array("y".utf8), mode: 0o644, size: 2)))
      #expect(got.contains(.leftOut(path: Array("pipe".utf8))))
    }

    @Test func aTerminalIsATerminal() throws {
      let script = "tty; read x; echo [$x]; stty size"
      let driver = Driver(try makeSandbox().start(shell(script, terminal: true), nowMs: nowMs()))
      driver.until { $0.output.contains("/dev/pts/0") }
      try driver.process.resize(rows: 24, columns: 80)
      #expect(write(driver.process.stdin, "typed\n", 6) == 6)
      #expect(driver.untilEnded() == .exited(status: 0))
      #expect(driver.output.contains("/dev/pts/0\r\n"))
      #expect(driver.output.contains("[typed]\r\n24 80\r\n"))
    }

    @Test func aFailedStepIsNamedAndLeavesNothing() throws {
      let owner = "fail\(getpid())"
      let before = Leftovers.now()
      let sandbox = Sandbox(
        features: features, settings: SandboxSettings(owner: owner, mountPoint: "/no/such/folder"))
      // Often, because here the first child and process 1 race.
      for _ in 0..<20 {
        let driver = try run(shell("true"), in: sandbox)
        #expect(
          driver.process.outcome == .setupFailed(step: "mount /no/such/folder", code: 2))
        try driver.process.destroy()
      }
      before.expectNothingMore()
      #expect(cgroupFolders(owner: owner).isEmpty)
    }

    @Test func badSpecsAreRefusedBeforeAnythingIsMade() {
      let sandbox = makeSandbox()
      var specs: [JobSpec] = [
        shell("x", name: ""), shell("x", name: "../x"), shell("x", name: "A"),
        shell("x", name: String(repeating: "a", count: 65)),
      ]
      var spec = shell("x")
      spec.arguments = []
      specs.append(spec)
      spec.arguments = [""]
      specs.append(spec)
      spec.arguments = ["/bin/busybox", "a\0b"]
      specs.append(spec)
      spec = shell("x")
      spec.environment = [String(repeating: "e", count: 200_000)]
      specs.append(spec)
      spec = shell("x")
      spec.limits.memoryBytes = 0
      specs.append(spec)
      spec = shell("x")
      spec.limits.diskBytes = .max
      specs.append(spec)
      for spec in specs {
        #expect(throws: SandboxError.self) { try sandbox.start(spec, nowMs: 0) }
      }
      #expect(cgroupFolders(owner: sandbox.settings.owner).isEmpty)
    }

    @Test func moreIsolationThanThereIsIsRefused() throws {
      var weaker = features
      weaker.tryWithoutUserNamespace()
      #expect(weaker.level == .reduced || !features.isRoot)
      let sandbox = Sandbox(features: weaker, settings: SandboxSettings(owner: "weak\(getpid())"))
      var spec = shell("true")
      spec.isolation = .full
      #expect(throws: SandboxError.isolationTooLow(have: weaker.level, want: .full)) {
        try sandbox.start(spec, nowMs: 0)
      }
      weaker.cgroups = CgroupLayout()
      #expect(weaker.level == .refused)
    }

    @Test func thirtyAtOnce() throws {
      let sandbox = makeSandbox()
      let before = Leftovers.now()
      var drivers: [Driver] = []
      for index in 0..<30 {
        let spec = shell("echo \(index); read x; exit \(index)", name: "many-\(index)")
        drivers.append(Driver(try sandbox.start(spec, nowMs: nowMs())))
      }
      for driver in drivers { driver.until { $0.events.contains(.jobStarted) } }
      for (index, driver) in drivers.enumerated() {
        driver.process.closeInput()
        #expect(driver.untilEnded() == .exited(status: UInt8(index)))
        #expect(driver.output == "\(index)\n")
        try driver.process.destroy()
      }
      before.expectNothingMore()
      #expect(cgroupFolders(owner: sandbox.settings.owner).isEmpty)
    }
  }
}
