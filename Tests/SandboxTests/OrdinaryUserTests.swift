import CHost
import Foundation
import Testing

@testable import Sandbox

private let fork = unsafeBitCast(
  dlsym(nil, "fork")!, to: (@convention(c) () -> Int32).self)

private let prctl = unsafeBitCast(
  dlsym(nil, "prctl")!, to: (@convention(c) (Int32, UInt, UInt, UInt, UInt) -> Int32).self)

extension WithKernel {
  /// As an ordinary user to whom cgroups are delegated. Root plays the part of whoever delegates.
  @Suite(.enabled(if: features.isRoot && features.level == .full)) struct OrdinaryUserTests {
    private let user: UInt32 = 65_534

    /// Runs `body` as the user, in cgroups that are the user's; what it returns is the exit status.
    private func asUser(delegate: Bool = true, _ body: () -> Int32) throws -> Int32 {
      var folders: [String] = []
      for place in features.cgroups.places where place.isPresent {
        let folder = place.directory + "/delegated\(getpid())"
        if folders.contains(folder) { continue }
        folders.append(folder)
        #expect(System.makeDirectory(folder) == 0)
        if delegate {
          for path in ["", "/cgroup.procs", "/tasks", "/cgroup.subtree_control", "/cgroup.threads"]
          {
            chown(folder + path, user, user)
          }
        }
      }
      let pid = fork()
      if pid == 0 {
        for folder in folders { _ = System.write(folder + "/cgroup.procs", "0") }
        setgroups(0, nil)
        setgid(user)
        setuid(user)
        // A change of user makes /proc/self root's; a program that is started as the user has it not so.
        _ = prctl(4, 1, 0, 0, 0)
        _exit(body())
      }
      var status: Int32 = 0
      waitpid(pid, &status, 0)
      for folder in folders {
        // In version 2 the agent has moved into a leaf of its own.
        _ = System.removeDirectory(folder + "/zennet-agent")
        #expect(System.removeDirectory(folder) == 0)
      }
      return status & 0x7f == 0 ? status >> 8 : -status
    }

    @Test func aJobRunsWithoutRoot() throws {
      let status = try asUser {
        let mine = KernelFeatures.detect()
        if mine.isRoot || mine.level != .full { return 10 + Int32(mine.level.rawValue) }
        let sandbox = Sandbox(features: mine, settings: SandboxSettings(owner: "user"))
        let process: SandboxProcess
        do {
          process = try sandbox.start(shell("cat /proc/self/uid_map"), nowMs: nowMs())
        } catch {
          print("as an ordinary user: \(error)")
          return 20
        }
        let driver = Driver(process)
        if driver.untilEnded() != .exited(status: 0) { return 21 }
        if driver.output.split(separator: " ") != ["1000", "65534", "1\n"] { return 22 }
        do { try process.destroy() } catch { return 23 }
        return cgroupFolders(owner: "user").isEmpty ? 0 : 24
      }
      #expect(status == 0)
    }

    @Test func withoutDelegationItIsRefusedAndSaysWhy() throws {
      let status = try asUser(delegate: false) {
        let mine = KernelFeatures.detect()
        if mine.level != .refused { return 1 }
        let missing = mine.lines.filter { !$0.isPresent && $0.isRequired }
        if !missing.contains(where: { $0.text.contains("Delegate=yes") }) { return 2 }
        let sandbox = Sandbox(features: mine, settings: SandboxSettings(owner: "user"))
        do throws(SandboxError) {
          _ = try sandbox.start(shell("true"), nowMs: 0)
          return 3
        } catch {
          return error == .isolationTooLow(have: .refused, want: .full) ? 0 : 4
        }
      }
      #expect(status == 0)
    }
  }

  struct FeatureTests {
    @Test func everyFeatureIsOneLineWithARemedyWhereItIsMissing() {
      for line in features.lines {
        #expect(!line.text.contains("\n"))
        #expect(line.isPresent || !line.remedy.isEmpty)
      }
      #expect(features.lines.count == 21)
      #expect(features.missing(for: features.level).isEmpty)
      if features.level == .reduced { #expect(features.missing(for: .full) == ["user namespace"]) }
      var older = features
      older.seccomp = false
      older.cgroups.pids = CgroupPlace()
      #expect(older.missing(for: .reduced).isEmpty)
      #expect(older.missing(for: .full).suffix(2) == ["seccomp", "cgroup pids"])
      older.cgroups.memory = CgroupPlace()
      #expect(older.missing(for: .reduced) == ["cgroup memory"])
      for line in KernelFeatures().lines { #expect(!line.isPresent && !line.remedy.isEmpty) }
      #expect(KernelFeatures().level == .refused)
    }

    @Test func rootIsNotToldToBecomeRoot() {
      func remedies(_ features: KernelFeatures) -> [String: String] {
        Dictionary(uniqueKeysWithValues: features.lines.map { ($0.name, $0.remedy) })
      }
      var root = KernelFeatures()
      root.isRoot = true
      #expect(remedies(root)["mount namespace"] == "a kernel with CONFIG_NAMESPACES=y")
      for lack in [RootCapability.administration, .resources] {
        root.capabilities = UInt64.max ^ 1 << lack.rawValue
        let name = lack == .resources ? "memory protection" : "pid namespace"
        #expect(remedies(root)[name]?.hasPrefix("the capability " + lack.name) == true)
      }
      #expect(
        remedies(KernelFeatures())["memory protection"]?.hasPrefix("run as root") == true)
    }

    @Test func capabilitiesAreReadFromProc() {
      let status = "CapPrm:\t000001ffffffffff\nCapEff:\t000001fffeffffff\nCapBnd:\t0\n"
      let set = KernelFeatures.effectiveCapabilities(Array(status.utf8))
      #expect(set == 0x1ff_feff_ffff)
      for other in ["", "CapEff:", "CapPrm:\t000001ffffffffff\n"] {
        #expect(KernelFeatures.effectiveCapabilities(Array(other.utf8)) == nil)
      }
    }
  }
}
