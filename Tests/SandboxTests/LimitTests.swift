import CHost
import Foundation
import Testing

@testable import Sandbox

#if arch(x86_64)
  private let ioprioGet = 252
#else
  // Of architectures that came later.
  private let ioprioGet = 31
#endif

extension WithKernel {
  struct LimitTests {
    @Test func aMemoryBombIsKilledAndSaysSo() throws {
      // The kernel kills what is largest, and process 1 is a fork of whoever starts it: here of the
      // tests, which are far larger than an agent. So the job has to be larger still.
      var limits = JobLimits.small
      limits.memoryBytes = 512 << 20
      let spec = JobSpec(
        name: nextName(),
        arguments: ["/bin/busybox", "awk", "BEGIN { s = \"x\"; while (1) s = s s }"],
        limits: limits, isolation: features.level)
      let driver = try run(spec)
      #expect(driver.process.outcome == .outOfMemory)
      let usage = driver.process.usage(nowMs: nowMs())
      #expect(usage.memoryPeakKiB > 448 << 10 && usage.memoryPeakKiB <= 512 << 10)
      // Process 1 lives on, so that results can still be had.
      try driver.collect()
      #expect(driver.events.contains(.resultsCollected(.all)))
    }

    /// Each kill is about 5 KB in the owner's log. Process 1 is a fork of the static agent: one of the
    /// tests would be the largest process, and killed first.
    @Test(.enabled(if: canProbe && staticAgent != nil))
    func whoIsKilledAgainAndAgainEnds() throws {
      let sandbox = makeSandbox(owner: "kills\(getpid())", helper: staticAgent!)
      var limits = JobLimits.small
      limits.memoryBytes = 48 << 20
      let bundle = busyboxBundle { $0.addFile("bin/probe", probeProgram ?? [], mode: 0o755) }
      let driver = Driver(
        try sandbox.start(
          shell("while true; do /bin/probe hold anonymous 1000; done", limits: limits),
          bundle: bundle, nowMs: nowMs()))
      driver.until { driver in
        _ = driver.process.usage(nowMs: nowMs())
        return driver.process.outcome != nil
      }
      #expect(driver.process.outcome == .outOfMemory)
      let kills = driver.process.cgroup.oomKills()
      print("memory: \(kills) processes killed before the job ended: \(driver.errors.suffix(200))")
      #expect(kills >= 10 && kills < 4 * SandboxProcess.mostMemoryKills)
      try driver.process.destroy()
    }

    @Test(.enabled(if: canProbe)) func aForkBombStaysWithinItsNumberAndDiesAtOnce() throws {
      var limits = JobLimits.small
      limits.pids = 40
      let driver = Driver(
        try makeSandbox().start(
          probe("fork-bomb", limits: limits), bundle: probeBundle, nowMs: nowMs()))
      driver.until { $0.process.cgroup.processes().count >= 39 }
      #expect(driver.process.cgroup.processes().count <= 40)
      let start = nowMs()
      try driver.process.terminate(.publisher, nowMs: nowMs())
      let took = nowMs() - start
      #expect(driver.process.cgroup.processes() == [driver.process.firstPid])
      #expect(driver.untilEnded() == .terminated(.publisher))
      print("fork bomb of 40 stopped in \(took) ms")
      try driver.process.destroy()
      #expect(cgroupFolders(owner: driver.process.cgroup.name).isEmpty)
    }

    @Test(.enabled(if: canProbe)) func aLargeForkBombDiesToo() throws {
      var limits = JobLimits.small
      limits.pids = 1000
      let driver = Driver(
        try makeSandbox().start(
          probe("fork-bomb", limits: limits), bundle: probeBundle, nowMs: nowMs()))
      driver.until { $0.process.cgroup.processes().count >= 900 }
      #expect(driver.process.cgroup.processes().count >= 900)
      let start = nowMs()
      try driver.process.terminate(.timeLimit, nowMs: nowMs())
      print("fork bomb of 1000 stopped in \(nowMs() - start) ms")
      #expect(driver.untilEnded() == .terminated(.timeLimit))
      try driver.process.destroy()
    }

    @Test(.enabled(if: canProbe)) func aForkBombIsDestroyedWithoutAsking() throws {
      let sandbox = makeSandbox()
      let driver = Driver(
        try sandbox.start(probe("fork-bomb"), bundle: probeBundle, nowMs: nowMs()))
      driver.until { $0.process.cgroup.processes().count >= 50 }
      try driver.process.destroy()
      #expect(cgroupFolders(owner: sandbox.settings.owner).isEmpty)
    }

    /// Threads without the first, and processes that are stopped; frozen on top of it, or not; and with the
    /// sandbox's first process stopped by somebody of the machine's.
    @Test(.enabled(if: canProbe), arguments: ["hide", "stand-still"], [0, 1, 2])
    func nothingHidesFromTheEnd(_ way: String, more: Int) throws {
      let driver = Driver(try makeSandbox().start(probe(way), bundle: probeBundle, nowMs: nowMs()))
      driver.until { $0.output.hasSuffix("\n") }
      let first = driver.process.firstPid
      if more == 1 {
        try driver.process.freeze(nowMs: nowMs())
        driver.until { $0.process.cgroup.isFrozen }
      }
      if more == 2 { #expect(kill(first, SIGSTOP) == 0) }
      try driver.process.terminate(.owner, nowMs: nowMs())
      #expect(driver.process.cgroup.processes() == [first])
      #expect(driver.untilEnded() == .terminated(.owner))
      if features.cgroups.pids.isPresent {
        // Threads count, and the dead until they are waited for.
        let file = driver.process.cgroup.path(features.cgroups.pids, "pids.current")
        func left() -> UInt64? { Text.onlyNumber(System.read(file)) }
        driver.until { _ in left() == 1 }
        #expect(left() == 1)
      }
      try driver.collect()
      #expect(driver.events.contains(.resultsCollected(.all)))
      try driver.process.destroy()
    }

    /// Idle class for every process (ioprio_get(2)), and the lowest weight where the kernel has one.
    @Test func whatReachesTheDiskMakesWay() throws {
      let call = unsafeBitCast(
        dlsym(nil, "syscall")!, to: (@convention(c) (Int, Int, Int) -> Int).self)
      let driver = Driver(try makeSandbox().start(shell("echo up; sleep 1000"), nowMs: nowMs()))
      driver.until { $0.output == "up\n" }
      let processes = driver.process.cgroup.processes()
      #expect(processes.count >= 2)
      for pid in processes { #expect(call(ioprioGet, 1, Int(pid)) >> 13 == 3) }
      let files: [(String, UInt64)] = [
        ("blkio.weight", 10), ("io.weight", 10), ("blkio.bfq.weight", 1), ("io.bfq.weight", 1),
      ]
      for folder in driver.process.cgroup.directories {
        for (file, weight) in files {
          // `10`, or `default 10`; and not every kernel has one.
          guard let line = Text.lines(System.read(folder + "/../" + file) ?? []).first,
            let word = Text.words(line).last
          else { continue }
          #expect(Text.number(word) == weight, "\(file)")
        }
      }
      try driver.process.destroy()
    }

    /// What the owner runs comes first, however many processes a job has and however few the owner: both on
    /// one processor.
    @Test func theOwnersProgramsComeFirst() throws {
      let driver = Driver(
        try makeSandbox().start(
          shell("for i in 1 2 3 4; do while true; do :; done & done; echo up; wait"),
          nowMs: nowMs()))
      driver.until { $0.output == "up\n" }
      driver.turn()
      JobCgroup.givesWay = true
      defer { JobCgroup.givesWay = false }
      driver.process.cgroup.lowerPriority()
      let owners = Process()
      owners.executableURL = URL(fileURLWithPath: busyboxPath)
      owners.arguments = ["sh", "-c", "while true; do :; done"]
      try owners.run()
      defer {
        kill(owners.processIdentifier, SIGKILL)
        owners.waitUntilExit()
      }
      // Glibc's module hides it.
      let pin = unsafeBitCast(
        dlsym(nil, "sched_setaffinity")!,
        to: (@convention(c) (Int32, Int, UnsafePointer<UInt>) -> Int32).self)
      for pid in driver.process.cgroup.processes() + [owners.processIdentifier] {
        #expect(pin(pid, MemoryLayout<UInt>.size, [1]) == 0)
      }
      func usedByOwner() -> UInt64 {
        let text = System.read("/proc/\(owners.processIdentifier)/stat") ?? []
        // utime and stime, hundredths of a second. proc(5).
        return Text.words(text[...]).dropFirst(13).prefix(2).compactMap(Text.number).reduce(0, +)
      }
      let (ours, theirs) = (driver.process.cgroup.read().cpuNs, usedByOwner())
      driver.until { _ in usedByOwner() >= theirs + 60 }
      let used = (driver.process.cgroup.read().cpuNs - ours) / 10_000_000
      #expect(used * 3 < usedByOwner() - theirs, "the job had \(used)")
      try driver.process.destroy()
    }

    @Test func filesAreBounded() throws {
      var limits = JobLimits.small
      limits.diskBytes = 8 << 20
      limits.files = 128
      let script = """
        dd if=/dev/zero of=/tmp/big bs=1M count=50 2>/dev/null; ls -l /tmp/big; rm /tmp/big
        i=0; while [ $i -lt 500 ]; do busybox touch /out/$i || break; i=$((i+1)); done 2>/dev/null; echo $i
        """
      let driver = try run(shell(script, limits: limits))
      let words = driver.output.split(whereSeparator: { $0 == " " || $0 == "\n" })
      let size = try #require(Int(words[4]))
      #expect(size > 4 << 20 && size < 8 << 20)
      let made = try #require(Int(words.last!))
      #expect(made > 64 && made < 128)
    }

    @Test func processorTimeIsBounded() throws {
      var limits = JobLimits.small
      limits.cpuMilli = 200
      let driver = Driver(
        try makeSandbox().start(shell("while true; do :; done", limits: limits), nowMs: nowMs()))
      driver.until { $0.events.contains(.jobStarted) }
      let first = driver.process.usage(nowMs: nowMs())
      // What counts is the relation, whatever else this machine does meanwhile.
      driver.until { driver in
        _ = driver.process.usage(nowMs: nowMs())
        return driver.process.usage(nowMs: nowMs()).wallMs >= first.wallMs + 1500
      }
      let second = driver.process.usage(nowMs: nowMs())
      let used = second.cpuMs - first.cpuMs
      #expect(used > 0)
      #expect(used <= (second.wallMs - first.wallMs) * 3 / 10)
      try driver.process.destroy()
    }

    @Test func frozenMeansNoProcessorTime() throws {
      let driver = Driver(try makeSandbox().start(shell("while true; do :; done"), nowMs: nowMs()))
      driver.until { $0.process.usage(nowMs: nowMs()).cpuMs > 50 }
      try driver.process.freeze(nowMs: nowMs())
      driver.until { $0.process.cgroup.isFrozen }
      #expect(driver.process.isFrozen)
      let before = driver.process.usage(nowMs: nowMs())
      usleep(300_000)
      let after = driver.process.usage(nowMs: nowMs())
      #expect(after.cpuMs == before.cpuMs)
      #expect(after.frozenMs >= before.frozenMs + 300)
      #expect(after.wallMs >= before.wallMs + 300)
      try driver.process.thaw(nowMs: nowMs())
      #expect(!driver.process.cgroup.isFrozen)
      driver.until { $0.process.usage(nowMs: nowMs()).cpuMs > after.cpuMs + 50 }
      #expect(driver.process.usage(nowMs: nowMs()).cpuMs > after.cpuMs + 50)
      try driver.process.freeze(nowMs: nowMs())
      try driver.process.terminate(.unpaid, nowMs: nowMs())
      #expect(driver.untilEnded() == .terminated(.unpaid))
      #expect(!driver.process.isFrozen)
    }

    @Test func aFrozenSandboxCanBeDestroyed() throws {
      let sandbox = makeSandbox()
      let driver = Driver(try sandbox.start(shell("sleep 1000"), nowMs: nowMs()))
      driver.until { $0.events.contains(.jobStarted) }
      try driver.process.freeze(nowMs: nowMs())
      try driver.process.destroy()
      try driver.process.destroy()
      #expect(cgroupFolders(owner: sandbox.settings.owner).isEmpty)
    }

    /// Its first process is frozen too, and version 1 lets nothing that is frozen die.
    @Test func aSandboxFrozenAfterItsJobCanBeDestroyed() throws {
      let sandbox = makeSandbox()
      let driver = try run(shell("exit 0"), in: sandbox)
      try driver.process.freeze(nowMs: nowMs())
      driver.until { $0.process.cgroup.isFrozen }
      try driver.process.destroy()
      #expect(cgroupFolders(owner: sandbox.settings.owner).isEmpty)
    }

    /// What unpacking takes is nobody's use, and not the work of the owner's programs either.
    @Test func processorTimeOfUnpackingIsKnown() throws {
      let bundle = busyboxBundle { $0.addFile("large", Array(repeating: 7, count: 40 << 20)) }
      let driver = Driver(
        try makeSandbox().start(shell("sleep 1000"), bundle: bundle, nowMs: nowMs()))
      driver.until { $0.events.contains(.jobStarted) }
      let charged = driver.process.usage(nowMs: nowMs()).cpuMs
      #expect(driver.process.processorMs >= charged + 5)
      try driver.process.destroy()
      #expect(driver.process.processorMs == 0)
    }

    @Test func meteringSeesTheWork() throws {
      let script =
        "head -c 20000000 /dev/zero > /tmp/x; i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; sleep 0.3"
      let driver = Driver(try makeSandbox().start(shell(script), nowMs: nowMs()))
      var last = UsageSample()
      driver.until { driver in
        let usage = driver.process.usage(nowMs: nowMs())
        #expect(usage.cpuMs >= last.cpuMs && usage.memoryMiBMs >= last.memoryMiBMs)
        #expect(usage.wallMs >= last.wallMs && usage.memoryPeakKiB >= last.memoryPeakKiB)
        last = usage
        return driver.process.outcome != nil
      }
      driver.process.countTransfer(bytes: 10_240)
      let usage = driver.process.usage(nowMs: nowMs())
      #expect(usage.cpuMs > 10)
      #expect(usage.memoryPeakKiB >= 19_000)
      // At least 300 ms with 19 MiB held.
      #expect(usage.memoryMiBMs > 300 * 15)
      #expect(usage.wallMs >= 300)
      #expect(usage.networkKiB == 10)
      #expect(usage.frozenMs == 0)
    }
  }
}
