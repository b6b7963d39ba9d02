import CHost
import CSeccomp
import Foundation
import Testing

@testable import Sandbox

/// What a hostile job met in a sandbox with something missing.
private struct Siege {
  var outcome: JobOutcome?
  /// nil: there was no sandbox, or no job in it; says why then.
  var answers: [Substring: Substring]?
  var reason = ""
  /// Names of the attempts that say that a wall is missing.
  var told: Set<String> = []
  /// What would tell, of all walls that were missing.
  var expected: Set<String> = []
}

extension WithKernel {
  /// The escape suite would notice each missing wall: they are taken away one after another. Where nothing
  /// is noticed the table says which other wall is behind, and that is tried as well.
  @Suite(
    .enabled(if: canProbe && features.isRoot),
    .disabled(
      if: ProcessInfo.processInfo.environment["ZENNET_MACHINE"] != nil,
      "which wall tells is a matter of this suite, not of the kernel"))
  struct WallsTests {
    @Test(.enabled(if: features.level == .full)) func eachMissingWallIsNoticed() throws {
      try judge(WallsTable.full, features)
    }

    /// As on a kernel without user namespaces, where the machine's root builds the walls.
    @Test func andWithoutUserNamespaces() throws {
      var reduced = features
      reduced.tryWithoutUserNamespace()
      try judge(WallsTable.reduced, reduced)
    }

    /// As for an ordinary user's agent, which can make no devices.
    @Test(.enabled(if: features.level == .full)) func andWithTheMachinesDevices() throws {
      var bound = features
      bound.ownDevices = false
      try judge(WallsTable.hostDevices, bound)
    }

    /// Executing the job's program would take every right of a user who is not root, as far as there were
    /// any; who unpacks executes nothing. Only this step takes his.
    @Test(.enabled(if: features.level == .full)) func whoUnpacksHasNoRights() throws {
      let seen = try GuardedThread.run { () throws -> [String] in
        let place = try Place(features)
        return try [Missing(), Missing(steps: ["capabilities"])].map(place.unpacker)
      }
      for name in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        #expect(seen[0].contains("\(name):\t0000000000000000\n"))
      }
      #expect(!seen[1].contains("CapEff:\t0000000000000000\n"))
      #expect(seen.allSatisfy { $0.contains("NoNewPrivs:\t1\n") })
    }

    /// A step that is added to the plan has to say what tells when it is missing.
    @Test func everyStepIsInTheTables() throws {
      let known = Set(WallsTable.full.map(\.name))
      var reduced = features
      reduced.tryWithoutUserNamespace()
      var bound = features
      bound.ownDevices = false
      for features in [features, reduced, bound] {
        let names = try Place(features).stepNames()
        #expect(Set(names).subtracting(known) == [])
      }
    }

    private func judge(_ walls: [Wall], _ features: KernelFeatures) throws {
      let (whole, sieges) = try GuardedThread.run { () throws -> (Siege, [[Siege]]) in
        let place = try Place(features, walls)
        var whole = try place.attack(Missing(), [])
        for attempt in slowAttempts {
          let more = try place.attack(Missing(), [attempt])
          #expect(more.answers?.count == 1, "\(attempt): \(more.reason)")
          whole.told.formUnion(more.told)
        }
        let sieges = try walls.map(place.attacks)
        #expect(place.leftovers.isEmpty)
        return (whole, sieges)
      }
      #expect(whole.answers?.count ?? 0 > 200)
      #expect(whole.told.isEmpty, "with every wall: \(whole.told.sorted())")
      for (wall, sieges) in zip(walls, sieges) { judge(wall, sieges) }
      print(summary(walls, sieges))
    }

    private func judge(_ wall: Wall, _ sieges: [Siege]) {
      guard let alone = sieges.first else { return }
      let told = alone.told.sorted().joined(separator: " ")
      switch wall.told {
      case .noStart: #expect(alone.answers == nil, "\(wall.name): a job ran")
      case .by(let attempts):
        #expect(alone.answers != nil, "\(wall.name): \(alone.reason)")
        #expect(alone.told.isSuperset(of: attempts), "\(wall.name): only \(told)")
        if wall.cover != nil { #expect(alone.told == alone.expected) }
        print("walls: without \(wall.name): \(wall.cover == nil ? told : attempts[0])")
      case .no: #expect(alone.told.isEmpty, "\(wall.name): \(told)")
      case .behind(_, let attempts):
        #expect(alone.told.isEmpty, "\(wall.name): \(told)")
        let both = sieges.last!.told.sorted().joined(separator: " ")
        #expect(
          sieges.count == 2 && sieges[1].told.isSuperset(of: attempts),
          "\(wall.name), with the other: \(both)")
        print("walls: without \(wall.name) and another: \(both)")
      }
    }

    private func summary(_ walls: [Wall], _ sieges: [[Siege]]) -> String {
      var counts = (by: 0, noStart: 0, behind: 0, no: 0)
      for (wall, sieges) in zip(walls, sieges) where !sieges.isEmpty {
        switch wall.told {
        case .by: counts.by += 1
        case .noStart: counts.noStart += 1
        case .behind: counts.behind += 1
        case .no: counts.no += 1
        }
      }
      return "walls: \(counts.by) told by attempts, without \(counts.noStart) nothing starts, "
        + "\(counts.behind) behind another, \(counts.no) not against the job"
    }
  }
}

/// As little as there can be, for a job that is made a hundred times.
private let bareBundle: [UInt8] = {
  var writer = BundleWriter()
  writer.addFile("bin/probe", probeProgram ?? [], mode: 0o755)
  return try! writer.finish(level: 1)
}()

/// Tried only where they are asked for, as they take a while.
private let slowAttempts = ["socket-memory", "much-processor", "open-files", "files-in-flight"]

/// Where one attack after another happens.
private final class Place {
  private let walls: [Wall]
  private var groups: [String: Siege] = [:]
  private var processor = ""
  private let sandbox: Sandbox
  private let features: KernelFeatures
  private let filter: [UInt8]
  private let listener: Int32
  private let address = "zennet-agent-\(getpid())"

  init(_ features: KernelFeatures, _ walls: [Wall] = []) throws {
    var features = features
    // Beside what other agents on this machine share, whose jobs make way for everybody.
    if !features.cgroups.cpu.isVersion2 {
      processor = features.cgroups.cpu.directory + "/walls\(getpid())"
      _ = System.makeDirectory(processor)
      features.cgroups.cpu.directory = processor
    }
    // As on a board that has a number of its own, and where few files can be open.
    ProcessorText.shown = "processor\t: 0\n"
    features.files = FileTable()
    self.features = features
    self.walls = walls
    sandbox = Sandbox(
      features: features, settings: SandboxSettings(owner: "walls\(getpid())"))
    filter = features.seccomp ? try features.filter() : []
    listener = listen(abstract: address)
  }

  deinit {
    ProcessorText.shown = ""
    close(listener)
    sandbox.removeFolders()
    if !processor.isEmpty { _ = System.removeDirectory(processor) }
  }

  var leftovers: [String] {
    StaleCgroups.find(features.cgroups, owner: sandbox.settings.owner).flatMap(\.directories)
  }

  /// As ``Missing`` has them.
  func stepNames() -> [String] {
    let cgroup = JobCgroup(layout: features.cgroups, owner: sandbox.settings.owner, job: "none")
    return Missing.numbered(PlanWriter.names(context(shell("true"), cgroup, Missing())))
  }

  /// With `wall` missing and, where another is behind it, with both; nothing where there is no such step.
  func attacks(_ wall: Wall) throws -> [Siege] {
    let names = stepNames()
    func isHere(_ wall: Wall) -> Bool { wall.missing.steps.allSatisfy(names.contains) }
    if !isHere(wall) { return [] }
    if groups[wall.group] == nil {
      let all = walls.filter { $0.group == wall.group && isHere($0) }
      let missing = all.reduce(Missing()) { $0 + $1.missing }
      var siege = try attack(missing, wall.attempts)
      for case .by(let names) in all.map(\.told) { siege.expected.formUnion(names) }
      groups[wall.group] = siege
    }
    guard case .behind(let other, let attempts) = wall.told else { return [groups[wall.group]!] }
    return [groups[wall.group]!, try attack(wall.missing + other, attempts)]
  }

  /// What /proc says of the process that waits for the bundle, when it is confined.
  func unpacker(_ missing: Missing) throws -> String {
    let (process, plan, cgroup) = made(shell("true"), missing)
    defer { try? process.destroy() }
    var ends: [Int32] = [-1, -1]
    #expect(host_sandbox_pipe(&ends, 0) == 0)
    defer { ends.forEach { close($0) } }
    try process.makeFirst(plan, bundles: [ends[0]])
    try cgroup.create(process.spec.limits)
    try process.admit()
    try process.begin()
    process.awaitFirst()
    let end = nowMs() + patienceSeconds * 1000
    while nowMs() < end {
      for pid in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
        let status = try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
        if let status, status.contains("\nPPid:\t\(process.firstPid)\n"),
          status.contains("\nSeccomp:\t2\n")
        {
          return status
        }
      }
    }
    return ""
  }

  func attack(_ missing: Missing, _ attempts: [String]) throws -> Siege {
    let isSlow = attempts == ["much-processor"]
    let limits = JobLimits(
      memoryBytes: 48 << 20, cpuMilli: isSlow ? 100 : 2000, pids: 32, diskBytes: 16 << 20,
      files: 512)
    // Where process 1 is a fork of these tests, and so large, lack of memory may end it first: see
    // HoardingTests. Without the limit nothing lacks.
    let left =
      ["much-memory"] + slowAttempts + (features.mayProtectItself ? [] : ["oom-modesty"])
    let list = attempts.isEmpty ? ["-"] + leftOut.keys.sorted() + left : attempts
    let spec = JobSpec(
      name: nextName(),
      arguments: ["/bin/probe", "walls", address, GuardedThread.machine] + list, limits: limits,
      isolation: features.level)
    let (process, plan, cgroup) = made(spec, missing)
    var siege = try siege(process, plan, cgroup, missing.limits)
    siege.told.formUnion(GuardedThread.mended())
    return siege
  }

  private func context(
    _ spec: JobSpec, _ cgroup: JobCgroup, _ missing: Missing
  ) -> PlanContext {
    var context = sandbox.context(spec, cgroup, slot: 0)
    if missing.limits.contains("file table") { context.features.files.size = .max }
    context.filter = missing.opened(filter) { name in
      UInt32(bitPattern: name.withCString { seccomp_syscall_resolve_name($0) })
    }
    return context
  }

  private func made(
    _ spec: JobSpec, _ missing: Missing
  ) -> (SandboxProcess, EncodedSteps, JobCgroup) {
    let cgroup = JobCgroup(layout: features.cgroups, owner: sandbox.settings.owner, job: spec.name)
    let context = context(spec, cgroup, missing)
    var writer = PlanWriter()
    var plan = writer.plan(context)
    missing.take(from: &plan, names: Missing.numbered(PlanWriter.names(context)))
    let process = SandboxProcess(
      spec: spec, cgroup: cgroup, sandbox: sandbox, identitySlot: 0, bundleBytes: 0)
    return (process, plan, cgroup)
  }

  private func siege(
    _ process: SandboxProcess, _ plan: EncodedSteps, _ cgroup: JobCgroup, _ limits: [String]
  ) throws -> Siege {
    var siege = Siege()
    do throws(SandboxError) {
      let bundle = memoryFile(bareBundle)
      defer { close(bundle) }
      try process.makeFirst(plan, bundles: [bundle])
      try cgroup.create(process.spec.limits)
      lift(limits, cgroup)
      try process.admit()
      try process.begin()
    } catch {
      siege.reason = "\(error)"
      try process.destroy()
      return siege
    }
    let driver = Driver(process)
    // An owner's programs would go first, for as long as they like.
    driver.until { $0.events.contains(.jobStarted) || $0.process.outcome != nil }
    if process.spec.limits.cpuMilli >= 1000 { cgroup.hurry() }
    siege.outcome = driver.untilEnded()
    if driver.events.contains(.jobStarted) && driver.output.hasSuffix("end\n") {
      siege.answers = WithKernel.EscapeTests.attempts(driver.output)
    } else {
      siege.reason = siege.outcome.map { "\($0)" } ?? "nothing for \(patienceSeconds) s"
    }
    for (name, answer) in siege.answers ?? [:] where WithKernel.EscapeTests.tells(name, answer) {
      siege.told.insert(String(name))
    }
    try process.destroy()
    return siege
  }

  private func lift(_ limits: [String], _ cgroup: JobCgroup) {
    let groups = features.cgroups
    func write(_ place: CgroupPlace, first: String, second: String) {
      let file = cgroup.path(place, place.isVersion2 ? second : first)
      _ = System.write(file, place.isVersion2 || first == "pids.max" ? "max" : "-1")
    }
    for limit in limits {
      switch limit {
      case "pids.max": write(groups.pids, first: limit, second: limit)
      case "processor": write(groups.cpu, first: "cpu.cfs_quota_us", second: "cpu.max")
      case "sockets": write(groups.memory, first: "memory.kmem.tcp.limit_in_bytes", second: "")
      case "memory", "swap":
        write(groups.memory, first: "memory.memsw.limit_in_bytes", second: "memory.swap.max")
        if limit == "swap" { break }
        write(groups.memory, first: "memory.limit_in_bytes", second: "memory.max")
      default: break
      }
    }
  }
}
