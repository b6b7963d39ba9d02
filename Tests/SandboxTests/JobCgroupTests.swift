import CHost
import Foundation
import Testing

@testable import Sandbox

private let unified: CgroupLayout = {
  var layout = CgroupLayout()
  layout.unified = features.cgroups.unified
  layout.freezer = layout.unified
  layout.cpuAccounting = layout.unified
  return layout
}()

extension WithKernel {
  /// The version 2 files that every hierarchy has, controllers or not.
  @Suite(.enabled(if: features.cgroups.unified.isPresent))
  struct VersionTwoTests {
    private let limits = JobLimits.small

    private func spinner() throws -> Process {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: busyboxPath)
      process.arguments = ["sh", "-c", "while true; do :; done"]
      try process.run()
      return process
    }

    @Test func freezeReadKillRemove() throws {
      let cgroup = JobCgroup(layout: unified, owner: "two\(getpid())", job: "j")
      #expect(cgroup.directories.count == 1)
      try cgroup.create(limits)
      let process = try spinner()
      try cgroup.add(process.processIdentifier)
      #expect(cgroup.processes() == [process.processIdentifier])
      let end = nowMs() + 10_000
      while cgroup.read().cpuNs < 30_000_000 && nowMs() < end { usleep(1000) }
      try cgroup.setFrozen(true)
      while !cgroup.isFrozen && nowMs() < end { usleep(1000) }
      #expect(cgroup.isFrozen)
      let before = cgroup.read().cpuNs
      #expect(before >= 30_000_000)
      usleep(100_000)
      #expect(cgroup.read().cpuNs == before)
      try cgroup.killAll()
      process.waitUntilExit()
      #expect(process.terminationReason == .uncaughtSignal)
      try cgroup.remove()
      #expect(!System.exists(cgroup.directories[0]))
    }

    @Test func sparingOneKillsTheOthers() throws {
      let cgroup = JobCgroup(layout: unified, owner: "two\(getpid())", job: "k")
      try cgroup.create(limits)
      let (first, second) = (try spinner(), try spinner())
      try cgroup.add(first.processIdentifier)
      try cgroup.add(second.processIdentifier)
      try cgroup.killAll(sparing: first.processIdentifier)
      second.waitUntilExit()
      #expect(first.isRunning)
      try cgroup.killAll()
      first.waitUntilExit()
      try cgroup.remove()
    }
  }

  struct JobCgroupTests {
    @Test func limitsAreWhatTheKernelSays() throws {
      let cgroup = JobCgroup(layout: features.cgroups, owner: "limits\(getpid())", job: "j")
      var limits = JobLimits.small
      limits.cpuMilli = 1500
      limits.pids = 33
      try cgroup.create(limits)
      if !features.cgroups.memory.isVersion2 {
        let folder = { (place: CgroupPlace) in
          place.directory + "/zennet/limits\(getpid()).j/"
        }
        #expect(
          Text.onlyNumber(System.read(folder(features.cgroups.memory) + "memory.limit_in_bytes"))
            == limits.memoryBytes)
        #expect(
          Text.onlyNumber(System.read(folder(features.cgroups.cpu) + "cpu.cfs_quota_us")) == 150_000
        )
        #expect(Text.onlyNumber(System.read(folder(features.cgroups.pids) + "pids.max")) == 33)
      } else {
        let folder = cgroup.directories[0] + "/"
        #expect(Text.onlyNumber(System.read(folder + "memory.max")) == limits.memoryBytes)
        #expect(Text.onlyNumber(System.read(folder + "pids.max")) == 33)
        #expect(System.read(folder + "cpu.max") == Array("150000 100000\n".utf8))
      }
      #expect(throws: SandboxError.wrongState("job limits\(getpid()).j exists already")) {
        try cgroup.create(limits)
      }
      // The refusal did no harm to the one that is there.
      #expect(cgroup.directories.allSatisfy { System.isDirectory($0) })
      try cgroup.remove()
      #expect(!cgroup.directories.contains { System.exists($0) })
    }

    /// The folder of all jobs is at the bottom, or in a hurry: it is what the owner's programs compete with.
    @Test func theWeightIsThatOfTheFolder() throws {
      let cgroup = JobCgroup(layout: features.cgroups, owner: "weight\(getpid())", job: "j")
      JobCgroup.givesWay = true
      defer { JobCgroup.givesWay = false }
      try cgroup.create(.small)
      let place = features.cgroups.cpu
      let file = place.isVersion2 ? "/zennet/cpu.weight" : "/zennet/cpu.shares"
      func weight() -> UInt64? { Text.onlyNumber(System.read(place.directory + file)) }
      func isIdle() -> Bool {
        Text.onlyNumber(System.read(place.directory + "/zennet/cpu.idle")) == 1
      }
      let ordinary = weight()
      #expect(!isIdle() && ordinary == (place.isVersion2 ? 103 : 1024))
      cgroup.lowerPriority()
      // The kernel shows other numbers where it is idle.
      #expect(isIdle() || weight() == (place.isVersion2 ? 1 : 2))
      cgroup.hurry()
      #expect(!isIdle() && weight()! >= 8 * ordinary! - 8)
      // The next job begins like any other, and the last one leaves nobody in a hurry.
      let next = JobCgroup(layout: features.cgroups, owner: "weight\(getpid())", job: "k")
      try next.create(.small)
      #expect(!isIdle() && weight() == ordinary)
      cgroup.hurry()
      try cgroup.remove()
      #expect(isIdle() || weight() == (place.isVersion2 ? 1 : 2))
      try next.remove()
    }

    @Test func aMissingFileIsNamed() {
      var layout = features.cgroups
      layout.memory.directory = "/nowhere"
      let cgroup = JobCgroup(layout: layout, owner: "x", job: "y")
      #expect(throws: SandboxError.cgroup("/nowhere/zennet/x.y", code: 2)) {
        try cgroup.create(.small)
      }
      #expect(!cgroup.directories.contains { System.exists($0) })
    }
  }
}
