import CHost
import Foundation
import Testing

@testable import Sandbox

extension WithKernel {
  /// A hostile job tries to get out, one way after another. Each way has a name and an answer; all fail.
  struct EscapeTests {
    static func attempts(_ text: String) -> [Substring: Substring] {
      var found: [Substring: Substring] = [:]
      for line in text.split(separator: "\n") {
        let parts = line.split(separator: " ", maxSplits: 1)
        if parts.count == 2 { found[parts[0]] = parts[1] }
      }
      return found
    }

    static func attack(in sandbox: Sandbox, isolation: IsolationLevel = features.level) throws
      -> Driver
    {
      let name = "zennet-agent-\(getpid())"
      let listener = listen(abstract: name)
      defer { close(listener) }
      var spec = probe("all", name, machineName())
      spec.isolation = isolation
      return try run(spec, bundle: probeBundle, in: sandbox)
    }

    /// - Parameter open: what this kernel or level cannot close, with nothing of the machine's behind it.
    static func expectAllRefused(
      _ tried: [Substring: Substring], at level: IsolationLevel = features.level,
      except open: Set<Substring> = []
    ) {
      #expect(tried.count > 160)
      var open = open
      // Only an administrator of the machine sets the least score (CAP_SYS_RESOURCE).
      if !features.mayProtectItself { open.insert("oom-modesty") }
      if !features.has(Namespace.time) { open.insert("machine-clock") }
      if !features.has(Namespace.cgroup) { open.insert("cgroup-names") }
      var refused = 0
      for (name, answer) in tried where !open.contains(name) {
        #expect(answer.hasPrefix("refused"), "\(name): \(answer)")
        if answer.hasPrefix("refused") { refused += 1 }
      }
      print(
        "escape: \(refused) of \(tried.count - open.count) attempts refused, \(level.name) isolation"
          + (open.isEmpty ? "" : ", not counted: \(open.count)"))
    }

    /// Why what is tried is refused, where without a wall it would be for another reason.
    static let reasons: [Substring: Substring] = {
      var reasons: [Substring: Substring] = [
        "clone3-user": "refused 38", "io-setup": "refused 38", "own-filter": "refused 22",
        "own-filter-by-number": "refused 38", "call-of-later": "refused 38",
      ]
      for name in """
      clone-user raw-socket huge-pages huge-file load-bridge load-bridge-set load-bridge-new
      load-bridge-end load-vlan load-vlan-set load-line-discipline type-into-terminal
      console-selection load-protocol-132 load-protocol-262 io-priority memory-policy move-pages
      process-vm-readv process-vm-writev personality userfaultfd vsock alg-socket netlink-audit
      netlink-events family-16 pair-10 pair-40 limit-init keyctl add-key request-key agent-key unshare-user
      """.split(whereSeparator: \.isWhitespace) { reasons[name] = "refused 1" }
      return reasons
    }()

    /// Whether it is no longer refused, or for a reason that is not the one intended.
    static func tells(_ name: Substring, _ answer: Substring) -> Bool {
      !answer.hasPrefix("refused") || reasons[name].map { $0 != answer } ?? false
    }

    /// What makes the kernel look for a module: without seccomp it may find one.
    static func loadedByName(_ tried: [Substring: Substring]) -> Set<Substring> {
      Set(tried.keys.filter { $0.hasPrefix("load-protocol-") || $0.hasPrefix("family-") })
    }

    @Test(.enabled(if: canProbe), arguments: Origin.possible)
    func everyAttemptFails(from origin: Origin) throws {
      let driver = try EscapeTests.attack(in: origin.sandbox())
      #expect(driver.process.outcome == .exited(status: 0))
      #expect(driver.output.hasSuffix("end\n"))
      let tried = EscapeTests.attempts(driver.output)
      EscapeTests.expectAllRefused(tried)
      // The reason is the one intended, where several could be.
      for (name, answer) in EscapeTests.reasons where tried[name] != nil {
        #expect(tried[name] == answer, "\(name)")
      }
      #expect(tried["abstract-socket"] == "refused 111")
      #expect(tried["init-memory"] == "refused 13")
      #expect(
        tried["sysctl-core-pattern"] == "refused 30" || tried["sysctl-core-pattern"] == "refused 13"
      )
    }

    @Test(.enabled(if: canProbe)) func theFirstProcessCannotBeStopped() throws {
      let driver = Driver(
        try makeSandbox().start(probe("stop"), bundle: probeBundle, nowMs: nowMs()))
      driver.until { $0.events.contains(.jobStarted) }
      driver.until(seconds: 1) { $0.process.outcome != nil }
      // It stopped itself, which is its own affair; it can still be killed and the rest collected.
      #expect(driver.process.outcome == nil)
      try driver.process.terminate(.timeLimit, nowMs: nowMs())
      #expect(driver.untilEnded() == .terminated(.timeLimit))
      try driver.collect()
      #expect(driver.events.contains(.resultsCollected(.all)))
    }

    #if arch(x86_64)
      /// A kill would be a line in the machine's log for each.
      @Test(.enabled(if: canProbe)) func callsOfAnotherArchitectureAreNotThere() throws {
        let driver = try run(probe("old-calls"), bundle: probeBundle)
        #expect(driver.process.outcome == .exited(status: 0))
        #expect(driver.output == "DONE -38\n")
      }
    #endif

    @Test(.enabled(if: canProbe)) func descriptorsAreBounded() throws {
      let driver = try run(probe("descriptors"), bundle: probeBundle)
      #expect(driver.output == "4093\n")
    }

    /// How long this machine has been running would be a mark to find it by.
    @Test(.enabled(if: canProbe && features.has(Namespace.time)))
    func clocksBeginWithTheSandbox() throws {
      func machinesClock(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
      }
      // An offset is whole seconds: there each clock begins in its first second.
      let clocks = [CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_BOOTTIME]
      let before = clocks.map(machinesClock)
      let driver = try run(probe("clocks"), bundle: probeBundle)
      let after = clocks.map(machinesClock)
      #expect(driver.process.outcome == .exited(status: 0))
      let seen = driver.output.split(separator: "\n").compactMap { Int64($0) }
      try #require(seen.count == 3)
      for index in 0..<3 {
        #expect(seen[index] >= 0 && seen[index] <= after[index] - before[index] + 1000)
      }
      // Else nothing was shown.
      #expect(before.allSatisfy { $0 > 1000 })
    }

    @Test func noCapabilityIsLeft() throws {
      let driver = try run(
        shell("cat /proc/self/status; id; cat /proc/self/uid_map /proc/self/gid_map"))
      for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        #expect(driver.output.contains("\(name):\t0000000000000000\n"))
      }
      #expect(driver.output.contains("NoNewPrivs:\t1\n"))
      #expect(driver.output.contains("Seccomp:\t2\n"))
      #expect(driver.output.contains("Groups:\t\n") || driver.output.contains("Groups:\t \n"))
      let ids = try #require(driver.output.split(separator: "\n").first { $0.hasPrefix("uid=") })
      let maps = driver.output.split(separator: "\n").suffix(2).map { $0.split(separator: " ") }
      if features.level == .full {
        #expect(ids.hasPrefix("uid=1000 gid=1000"))
        for map in maps {
          #expect(map.count == 3 && map[0] == "1000" && map[2] == "1")
          if features.isRoot { #expect(UInt32(map[1])! >= IdentityRange.first) }
        }
      } else {
        // The machine's own numbers, of which these are nobody's.
        let numbers = ids.split(separator: " ").compactMap { UInt32($0.dropFirst(4)) }
        #expect(
          numbers.count == 2 && numbers.allSatisfy { $0 >= IdentityRange.first && $0 == numbers[0] }
        )
        for map in maps { #expect(map == ["0", "0", "4294967295"]) }
      }
    }

    @Test func onlyItsOwnWorldIsSeen() throws {
      let script = """
        ls /proc | grep -c '^[0-9]'; cat /proc/net/dev | grep -c :; hostname; ls /; ls /dev
        cat /proc/self/cgroup; cat /proc/self/mountinfo
        """
      let bundle = busyboxBundle {
        for name in ["grep", "hostname"] { $0.addSymlink("bin/" + name, to: "busybox") }
      }
      let spec = shell(script)
      let driver = try run(spec, bundle: bundle)
      let lines = driver.output.split(separator: "\n").map(String.init)
      #expect(Int(lines[0])! <= 4)
      #expect(lines[1] == "1")
      #expect(lines[2] == spec.name)
      #expect(lines[3..<9] == ["bin", "dev", "out", "proc", "tmp", "work"])
      #expect(
        lines[9..<22] == [
          "fd", "full", "null", "ptmx", "pts", "random", "shm", "stat", "stderr", "stdin", "stdout",
          "tty",
          "urandom",
        ])
      let groups = lines.filter { $0.contains(":/") && !$0.contains(" ") }
      if features.has(Namespace.cgroup) { #expect(groups.allSatisfy { $0.hasSuffix(":/") }) }
      // No mount shows where it came from on the machine, and no file system of it is there.
      #expect(!driver.output.contains("ext4") && !driver.output.contains(" sysfs "))
    }

    @Test func loopbackWorksAndNothingElse() throws {
      let script = """
        (echo hello | nc -l -p 8080) & sleep 0.3; sleep 1 | nc 127.0.0.1 8080
        nc -w 1 192.0.2.1 80 < /dev/null; echo $?
        """
      let bundle = busyboxBundle { $0.addSymlink("bin/nc", to: "busybox") }
      let driver = try run(shell(script), bundle: bundle)
      #expect(driver.output == "hello\n1\n")
      #expect(driver.errors.contains("unreachable"))
    }

    @Test func jobsDoNotSeeEachOther() throws {
      let sandbox = makeSandbox()
      let whoAmI = features.level == .full ? "cat /proc/self/uid_map" : "echo \"x $(id -u)\""
      let first = Driver(
        try sandbox.start(
          shell("echo secret > /tmp/s; \(whoAmI); sleep 1000"), nowMs: nowMs()))
      first.until { $0.output.contains("\n") }
      let second = Driver(
        try sandbox.start(
          shell("cat /tmp/s; \(whoAmI); kill -9 -1; true"), nowMs: nowMs()))
      _ = second.untilEnded()
      #expect(second.errors.contains("No such file"))
      first.until(seconds: 1) { $0.process.outcome != nil }
      #expect(first.process.outcome == nil)
      if features.isRoot {
        let outside = [first, second].map { $0.output.split(whereSeparator: \.isWhitespace)[1] }
        #expect(outside[0] != outside[1])
      }
    }
  }
}

func listen(abstract name: String) -> Int32 {
  let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
  var address = sockaddr_un()
  address.sun_family = sa_family_t(AF_UNIX)
  withUnsafeMutableBytes(of: &address.sun_path) { $0[1...].copyBytes(from: name.utf8) }
  let length = socklen_t(MemoryLayout<sa_family_t>.size + 1 + name.utf8.count)
  let bound = withUnsafePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(listener, $0, length) }
  }
  precondition(bound == 0 && Glibc.listen(listener, 1) == 0)
  return listener
}

private func machineName() -> String {
  var name = [UInt8](repeating: 0, count: 256)
  gethostname(&name, name.count - 1)
  return String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
}
