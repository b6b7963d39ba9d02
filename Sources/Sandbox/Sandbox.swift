import CHost

/// The executor: walls off one job after another and leaves nothing behind. Not for several threads.
public final class Sandbox {
  public private(set) var features: KernelFeatures
  public let settings: SandboxSettings
  private var filter: [UInt8] = []
  private var writer = PlanWriter()
  let stem: SandboxStem
  /// Which of the private identities are in use.
  private var usedIdentities: [Bool] = Array(repeating: false, count: Sandbox.identities)

  /// How many sandboxes an agent can have at once.
  public static let identities = 256

  public init(features: KernelFeatures, settings: SandboxSettings) {
    self.features = features
    self.features.files.grow()
    self.settings = settings
    stem = SandboxStem(program: settings.helperProgram, folder: settings.mountPoint)
  }

  /// Makes the walls and waits inside them for the bundle on ``SandboxProcess/bundle``; the job
  /// starts when the bundle is complete. Blocks for a few milliseconds.
  ///
  /// - Throws: `invalidSpec`, `isolationTooLow`, or what failed; then nothing is left of the attempt.
  public func start(_ spec: JobSpec, nowMs: UInt64) throws(SandboxError) -> SandboxProcess {
    try spec.validate()
    if settings.owner.utf8.isEmpty || settings.owner.utf8.count > 32
      || !settings.owner.utf8.allSatisfy(JobSpec.isNameByte)
    {
      throw SandboxError.invalidSpec("owner: 1 to 32 of a-z 0-9 - _")
    }
    let level = features.level
    if level == .refused || level < spec.isolation {
      throw SandboxError.isolationTooLow(have: level, want: spec.isolation)
    }
    if filter.isEmpty && features.seccomp { filter = try SeccompFilter.program() }
    guard let slot = usedIdentities.firstIndex(of: false) else {
      throw SandboxError.wrongState("\(Sandbox.identities) sandboxes are running already")
    }
    let cgroup = JobCgroup(layout: features.cgroups, owner: settings.owner, job: spec.name)
    let process = SandboxProcess(
      spec: spec, cgroup: cgroup, sandbox: self, identitySlot: slot, nowMs: nowMs)
    usedIdentities[slot] = true
    try process.begin(writer.plan(context(spec, cgroup, slot: slot)))
    do throws(SandboxError) { try cgroup.create(spec.limits) } catch {
      // Not more: the cgroup may be another job's.
      try process.abandon()
      throw error
    }
    do throws(SandboxError) { try process.go() } catch {
      // The reason for the failure is worth more than that of the clean-up.
      do throws(SandboxError) { try process.destroy() } catch {}
      throw error
    }
    return process
  }

  func context(_ spec: JobSpec, _ cgroup: JobCgroup, slot: Int) -> PlanContext {
    PlanContext(
      spec: spec, features: features, root: settings.mountPoint,
      identity: features.isRoot ? identity(slot) : host_sandbox_uid(),
      groupIdentity: features.isRoot ? identity(slot) : host_sandbox_gid(), filter: filter,
      ownCgroups: cgroup.taskFiles.count)
  }

  /// Agents on one machine take different identities: the owner's name picks the range (FNV-1a).
  private func identity(_ slot: Int) -> UInt32 {
    var hash: UInt32 = 0x811c_9dc5
    for byte in settings.owner.utf8 { hash = (hash ^ UInt32(byte)) &* 0x0100_0193 }
    return settings.firstUid + (hash % 1024) * UInt32(Sandbox.identities) + UInt32(slot)
  }

  func releaseIdentity(_ slot: Int) { usedIdentities[slot] = false }

  /// Removes what an earlier, killed agent of the same owner left: processes, cgroups (mounts and files
  /// die with the processes). Call before anything else; never while another agent of this owner runs.
  /// Returns how many jobs were found.
  public func cleanStale() throws(SandboxError) -> Int {
    let stale = StaleCgroups.find(features.cgroups, owner: settings.owner)
    for cgroup in stale {
      try cgroup.killAll()
      try cgroup.remove()
      cgroup.removeFolders()
    }
    return stale.count
  }

  /// To be called at the end, when no sandbox is left: takes away the empty folders that cgroups were in.
  public func removeFolders() {
    JobCgroup(layout: features.cgroups, owner: settings.owner, job: "none").removeFolders()
  }

  deinit { removeFolders() }
}
