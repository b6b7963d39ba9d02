import CHost
import Foundation
import Testing

@testable import Sandbox

extension ShareSpec {
  static func small(_ name: String = nextName()) -> ShareSpec {
    ShareSpec(name: name, memoryBytes: 256 << 20, cpuMilli: 2000, pids: 100)
  }
}

extension WithKernel {
  /// Several sandboxes in one part of the machine.
  struct ShareTests {
    private let sandbox = makeSandbox(owner: "share\(getpid())")

    private func started(_ script: String, in share: SandboxShare, limits: JobLimits = .small)
      throws -> Driver
    {
      let driver = Driver(
        try sandbox.start(shell(script, limits: limits), in: share, nowMs: nowMs()))
      driver.until { $0.events.contains(.jobStarted) || $0.process.outcome != nil }
      #expect(driver.process.outcome == nil, "\(driver.errors)")
      return driver
    }

    @Test func severalRunSideBySideAndNothingIsLeft() throws {
      let before = Leftovers.now()
      let share = try sandbox.openShare(.small())
      #expect(share.isBounded)
      let drivers = try (0..<4).map {
        try started("read x; echo $x > /out/y; exit \($0)", in: share)
      }
      for (index, driver) in drivers.enumerated() {
        #expect(write(driver.process.stdin, "\(index)\n", 2) == 2)
        driver.process.closeInput()
      }
      for (index, driver) in drivers.enumerated() {
        #expect(driver.untilEnded() == .exited(status: UInt8(index)))
        try driver.collect()
        #expect(try items(driver.tar).contains(.data(Array("\(index)\n".utf8))))
        try driver.process.destroy()
      }
      #expect(cgroupFolders(owner: sandbox.settings.owner).count > 0)
      try share.close()
      try share.close()
      before.expectNothingMore()
      #expect(cgroupFolders(owner: sandbox.settings.owner).isEmpty)
      #expect(throws: SandboxError.wrongState("the share is closed")) {
        try sandbox.start(shell("true"), in: share, nowMs: nowMs())
      }
    }

    /// Jobs of two shares may be called the same, those of one not; nor two shares.
    @Test func namesAreThoseOfTheShare() throws {
      let shares = [try sandbox.openShare(.small("one")), try sandbox.openShare(.small("two"))]
      let drivers = try shares.map {
        Driver(try sandbox.start(shell("sleep 1000", name: "same"), in: $0, nowMs: nowMs()))
      }
      #expect(throws: SandboxError.self) {
        try sandbox.start(shell("true", name: "same"), in: shares[0], nowMs: nowMs())
      }
      #expect(throws: SandboxError.self) { try sandbox.openShare(.small("one")) }
      for driver in drivers {
        driver.until { $0.events.contains(.jobStarted) }
        #expect(driver.process.outcome == nil)
      }
      // Closing takes along what is still in it.
      for share in shares { try share.close() }
      #expect(cgroupFolders(owner: sandbox.settings.owner).isEmpty)
    }

    @Test func limitsAboveThoseOfTheShareAreRefused() throws {
      let share = try sandbox.openShare(.small())
      for change in 0..<3 {
        var limits = JobLimits.small
        if change == 0 { limits.memoryBytes = 257 << 20 }
        if change == 1 { limits.cpuMilli = 2001 }
        if change == 2 { limits.pids = 101 }
        #expect(throws: SandboxError.invalidSpec("limits: above those of the share")) {
          try sandbox.start(shell("true", limits: limits), in: share, nowMs: nowMs())
        }
      }
      var bad = ShareSpec.small("A")
      #expect(throws: SandboxError.self) { try sandbox.openShare(bad) }
      bad = .small()
      bad.memoryBytes = 0
      #expect(throws: SandboxError.self) { try sandbox.openShare(bad) }
      try share.close()
    }

    @Test func limitsAreWhatTheKernelSays() throws {
      let share = try sandbox.openShare(
        ShareSpec(name: nextName(), memoryBytes: 200 << 20, cpuMilli: 1500, pids: 77))
      let groups = features.cgroups
      let cgroup = try #require(share.cgroup)
      func number(_ place: CgroupPlace, first: String, second: String) -> UInt64? {
        let text = System.read(cgroup.path(place, place.isVersion2 ? second : first)) ?? []
        return Text.lines(text).first.flatMap { Text.words($0).first }.flatMap { Text.number($0) }
      }
      #expect(
        number(groups.memory, first: "memory.limit_in_bytes", second: "memory.max") == 200 << 20)
      #expect(number(groups.cpu, first: "cpu.cfs_quota_us", second: "cpu.max") == 150_000)
      #expect(
        number(groups.cpu, first: "cpu.shares", second: "cpu.weight").map { $0 > 100 } == true)
      if groups.pids.isPresent {
        #expect(number(groups.pids, first: "pids.max", second: "pids.max") == 77)
      }
      try share.close()
    }

    /// Each within its own limit, both together above the share's.
    @Test(.enabled(if: canProbe && features.cgroups.pids.isPresent))
    func processesOfAllCountTogether() throws {
      var spec = ShareSpec.small()
      spec.pids = 40
      let share = try sandbox.openShare(spec)
      var limits = JobLimits.small
      limits.pids = 30
      let file = try #require(share.cgroup).path(features.cgroups.pids, "pids.current")
      let drivers = try (0..<2).map { _ in
        Driver(
          try sandbox.start(
            probe("fork-bomb", limits: limits), bundle: probeBundle, in: share, nowMs: nowMs()))
      }
      func count() -> UInt64 { Text.onlyNumber(System.read(file)) ?? 0 }
      drivers[0].until { _ in
        drivers[1].turn()
        return count() >= 39
      }
      #expect((39...40).contains(count()))
      for driver in drivers {
        try driver.process.terminate(.publisher, nowMs: nowMs())
        #expect(driver.untilEnded() == .terminated(.publisher))
        try driver.process.destroy()
      }
      #expect(count() == 0)
      try share.close()
    }

    @Test func memoryOfAllCountsTogether() throws {
      var spec = ShareSpec.small()
      spec.memoryBytes = 128 << 20
      let share = try sandbox.openShare(spec)
      // Files are memory. One of them may have all that there is, both may not.
      let fill = "head -c 80m /dev/zero > /tmp/x && echo full && read y"
      var limits = JobLimits.small
      limits.diskBytes = 100 << 20
      let first = try started(fill, in: share, limits: limits)
      first.until { $0.output == "full\n" }
      #expect(first.output == "full\n")
      let second = Driver(try sandbox.start(shell(fill, limits: limits), in: share, nowMs: nowMs()))
      var ended: JobOutcome?
      second.until { _ in
        first.turn()
        ended = first.process.outcome ?? second.process.outcome
        return ended != nil
      }
      // The kernel ends whichever it likes to.
      #expect(ended == .outOfMemory || ended == .exited(status: 137) || ended == .exited(status: 1))
      #expect(second.output == "" || first.process.outcome != nil)
      let peak = share.cgroup.map {
        features.cgroups.memory.isVersion2
          ? $0.path(features.cgroups.memory, "memory.peak")
          : $0.path(features.cgroups.memory, "memory.max_usage_in_bytes")
      }
      if let peak, let bytes = Text.onlyNumber(System.read(peak)) { #expect(bytes <= 128 << 20) }
      try share.close()
    }

    /// What two jobs together get of the processors, each of which alone might have all of it.
    @Test func processorsOfAllCountTogether() throws {
      var spec = ShareSpec.small()
      spec.cpuMilli = 500
      let share = try sandbox.openShare(spec)
      var limits = JobLimits.small
      limits.cpuMilli = 500
      let drivers = try (0..<2).map { _ in
        try started("while true; do :; done", in: share, limits: limits)
      }
      let cpuMs = { drivers.reduce(UInt64(0)) { $0 + $1.process.processorMs } }
      let (begun, before) = (nowMs(), cpuMs())
      drivers[0].until { _ in cpuMs() >= before + 300 }
      let (took, used) = (nowMs() - begun, cpuMs() - before)
      #expect(used >= 300)
      // A period more than there was, as its first one may have begun before.
      #expect(used <= (took + 200) / 2 + 50, "\(used) ms in \(took) ms")
      for driver in drivers { #expect(driver.process.outcome == nil) }
      try share.close()
    }

    @Test func allStandStillTogetherAndGoOn() throws {
      let share = try sandbox.openShare(.small())
      let loop = "i=0; while true; do i=$((i+1)); done"
      let drivers = try (0..<3).map { _ in try started(loop, in: share) }
      let beside = try drivers[0].process.start(
        ["/bin/sh", "-c", loop], environment: ["PATH=/bin"])
      drivers[0].until { $0.events.contains(.programStarted(id: beside.id)) }
      try share.freeze(nowMs: nowMs())
      #expect(share.isFrozen)
      let late = Driver(try sandbox.start(shell("exit 9"), in: share, nowMs: nowMs()))
      let given = Driver(try sandbox.start(shell("true"), in: share, nowMs: nowMs()))
      for driver in drivers {
        #expect(driver.process.isFrozen)
        driver.until { $0.process.cgroup.isFrozen }
      }
      let still = drivers.map { $0.process.cgroup.read().cpuNs }
      usleep(100_000)
      #expect(drivers.map { $0.process.cgroup.read().cpuNs } == still)
      let frozen = drivers.map { $0.process.usage(nowMs: nowMs()) }
      #expect(frozen.allSatisfy { $0.frozenMs >= 90 })
      // One of them is ended meanwhile; the others do not notice.
      try drivers[1].process.terminate(.publisher, nowMs: nowMs())
      #expect(drivers[1].untilEnded() == .terminated(.publisher))
      try drivers[1].collect()
      #expect(drivers[1].events.contains(.resultsCollected(.all)))
      try drivers[1].process.destroy()
      #expect(drivers[0].process.cgroup.read().cpuNs == still[0])
      #expect(drivers[2].process.cgroup.read().cpuNs == still[2])
      late.turn()
      #expect(!late.events.contains(.jobStarted))
      try given.process.destroy()
      try share.thaw(nowMs: nowMs())
      #expect(late.untilEnded() == .exited(status: 9))
      #expect(late.process.usage(nowMs: nowMs()).frozenMs == 0)
      for index in [0, 2] {
        drivers[index].until { $0.process.cgroup.read().cpuNs > still[index] }
        #expect(drivers[index].process.cgroup.read().cpuNs > still[index])
        #expect(!drivers[index].process.isFrozen)
      }
      beside.close()
      try share.close()
      #expect(cgroupFolders(owner: sandbox.settings.owner).isEmpty)
    }

    @Test func aFrozenShareCloses() throws {
      let share = try sandbox.openShare(.small())
      let before = Leftovers.now()
      let drivers = try (0..<2).map { _ in try started("sleep 1000", in: share) }
      try share.freeze(nowMs: nowMs())
      try share.close()
      before.expectNothingMore()
      #expect(drivers.allSatisfy { $0.process.firstPid == 0 })
    }

    /// Without cgroups in cgroups each job is bounded and frozen by itself.
    @Test func withoutItsOwnCgroupsItHoldsTogetherAllTheSame() throws {
      let spec = ShareSpec.small()
      let share = SandboxShare(spec, cgroup: nil)
      let drivers = try (0..<2).map { _ in try started("sleep 1000", in: share) }
      #expect(!share.isBounded)
      #expect(drivers[0].process.cgroup.name.hasSuffix(".\(spec.name).\(drivers[0].process.name)"))
      try share.freeze(nowMs: nowMs())
      for driver in drivers { driver.until { $0.process.cgroup.isFrozen } }
      #expect(drivers.allSatisfy { $0.process.cgroup.isFrozen })
      try share.close()
      #expect(cgroupFolders(owner: sandbox.settings.owner).isEmpty)
    }

    @Test func aKilledAgentsSharesAreRemoved() throws {
      let owner = "stale\(getpid())"
      endedAgent {
        let sandbox = makeSandbox(owner: owner)
        let share = try! sandbox.openShare(.small("busy"))
        _ = Unmanaged.passRetained(try! sandbox.openShare(.small("idle")))
        for _ in 0..<2 {
          let driver = Driver(
            try! sandbox.start(shell("sleep 1000"), in: share, nowMs: nowMs()))
          driver.until { $0.events.contains(.jobStarted) }
          _ = Unmanaged.passRetained(driver)
        }
        try! share.freeze(nowMs: nowMs())
        _ = Unmanaged.passRetained(share)
        return 1
      }
      #expect(try makeSandbox(owner: owner).cleanStale() == 3)
      #expect(cgroupFolders(owner: owner).isEmpty)
      #expect(try makeSandbox(owner: owner).cleanStale() == 0)
    }

    /// What has left still holds its files for a moment: the next job's memory is not less for that.
    @Test func whoComesNextHasItsMemory() throws {
      var spec = ShareSpec.small()
      spec.memoryBytes = 96 << 20
      let share = try sandbox.openShare(spec)
      var limits = JobLimits.small
      limits.memoryBytes = 96 << 20
      for _ in 0..<4 {
        let script = "head -c 60m /dev/zero > /tmp/x && echo full"
        let driver = Driver(
          try sandbox.start(shell(script, limits: limits), in: share, nowMs: nowMs()))
        #expect(driver.untilEnded() == .exited(status: 0))
        #expect(driver.output == "full\n")
        #expect(driver.process.leave())
      }
      try share.close()
      #expect(cgroupFolders(owner: sandbox.settings.owner).isEmpty)
    }

    /// A job that is over goes by itself while others start.
    @Test(arguments: Origin.possible) func oneLeavesWithoutBeingWaitedFor(
      from origin: Origin
    ) throws {
      let sandbox = try origin.sandbox()
      // Its zygote, where there is one, stays.
      try run(shell("true"), in: sandbox).process.destroy()
      let before = Leftovers.now()
      let share = try sandbox.openShare(.small())
      var leaving: [Driver] = []
      for status in 0..<6 {
        let driver = Driver(
          try sandbox.start(shell("(sleep 1000 &); exit \(status)"), in: share, nowMs: nowMs()))
        #expect(!driver.process.leave())
        #expect(driver.untilEnded() == .exited(status: UInt8(status)))
        #expect(driver.process.leave() && driver.process.leave())
        #expect(throws: SandboxError.self) { try driver.process.collect() }
        leaving.append(driver)
      }
      for driver in leaving {
        driver.until { $0.events.contains(.closed) }
        #expect(driver.events.last == .closed)
        #expect(driver.process.firstPid == 0)
        try driver.process.destroy()
      }
      try share.close()
      before.expectNothingMore()
      #expect(cgroupFolders(owner: sandbox.settings.owner).isEmpty)
    }
  }
}
