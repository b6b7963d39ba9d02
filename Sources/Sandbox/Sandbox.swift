import CHost

/// The executor: walls off jobs and leaves nothing behind. Not for several threads.
public final class Sandbox {
  public private(set) var features: KernelFeatures
  public let settings: SandboxSettings
  /// The first of this agent's private user ids; nil if `/etc/subuid` leaves none.
  private let firstIdentity: UInt32?
  private var filter: [UInt8] = []
  private var writer = PlanWriter()
  let zygote: SandboxZygote
  /// Which of the private identities are in use.
  private var usedIdentities: [Bool] = Array(repeating: false, count: Sandbox.identities)

  /// How many sandboxes an agent can have at once.
  public static let identities = 256
  /// How many bundles can be unpacked one over another.
  public static let bundlesAtMost = Int(HOST_MOST_BUNDLES)

  public init(features: KernelFeatures, settings: SandboxSettings) {
    self.features = features
    self.features.files.grow()
    self.settings = settings
    firstIdentity = IdentityRange.start(
      owner: settings.owner, first: settings.firstUid, size: UInt32(Sandbox.identities),
      taken: [System.read("/etc/subuid"), System.read("/etc/subgid")].map { $0 ?? [] })
    zygote = SandboxZygote(program: settings.helperProgram, folder: settings.mountPoint)
  }

  /// Makes a share of the machine for several sandboxes.
  ///
  /// - Throws: `invalidSpec`, or `wrongState` where there is one of that name.
  public func openShare(_ spec: ShareSpec) throws(SandboxError) -> SandboxShare {
    try spec.validate()
    try checkOwner()
    let cgroup = JobCgroup(layout: features.cgroups, owner: settings.owner, job: spec.name)
    do throws(SandboxError) {
      try cgroup.create(spec.limits, isShare: true)
      return SandboxShare(spec, cgroup: cgroup)
    } catch {
      if case .wrongState = error { throw error }
      return SandboxShare(spec, cgroup: nil)
    }
  }

  /// Makes walls, unpacks the bundles inside them, base first, and starts the job. Does not wait for it:
  /// ``SandboxProcess/poll(nowMs:)`` says how that goes.
  ///
  /// - Parameters:
  ///   - bundles: 1 to 16 files, each a whole `tar.zst`. They stay the caller's, and are no longer needed
  ///     when this function returns. What lies on top replaces files and links beneath it, never a folder,
  ///     nor with a folder: the bundle is refused then.
  ///   - share: what it is in; its limits are within those of the share.
  /// - Throws: `invalidSpec`, `isolationTooLow`, `wrongState`, or what failed; then nothing is left of the
  ///   attempt.
  public func start(
    _ spec: JobSpec, bundles: [Int32], in share: SandboxShare? = nil, nowMs: UInt64
  ) throws(SandboxError) -> SandboxProcess {
    let process = try prepare(spec, bundles: bundles, in: share, nowMs: nowMs)
    do throws(SandboxError) { try process.begin() } catch {
      // The reason for the failure is worth more than that of the clean-up.
      do throws(SandboxError) { try process.destroy() } catch {}
      throw error
    }
    return process
  }

  /// As ``start(_:bundles:in:nowMs:)``, but nothing of the job happens before ``SandboxProcess/begin()``:
  /// only walls are made meanwhile.
  public func prepare(
    _ spec: JobSpec, bundles: [Int32], in share: SandboxShare? = nil, nowMs: UInt64
  ) throws(SandboxError) -> SandboxProcess {
    try spec.validate()
    try checkOwner()
    try share?.makeRoom(for: spec)
    if bundles.isEmpty || bundles.count > Sandbox.bundlesAtMost {
      throw SandboxError.invalidSpec("bundles: 1 to \(Sandbox.bundlesAtMost)")
    }
    let level = features.level
    if level == .refused || level < spec.isolation {
      throw SandboxError.isolationTooLow(have: level, want: spec.isolation)
    }
    if filter.isEmpty && features.seccomp { filter = try features.filter() }
    guard let slot = usedIdentities.firstIndex(of: false) else {
      throw SandboxError.wrongState("\(Sandbox.identities) sandboxes are running already")
    }
    if features.isRoot && firstIdentity == nil {
      throw SandboxError.wrongState(
        "no range of user ids is free for tasks: /etc/subuid and /etc/subgid give all to other users"
      )
    }
    let cgroup = cgroup(of: spec, in: share)
    let process = SandboxProcess(
      spec: spec, cgroup: cgroup, sandbox: self, share: share, identitySlot: slot,
      bundleBytes: Sandbox.size(of: bundles))
    usedIdentities[slot] = true
    share?.add(process)
    try process.makeFirst(writer.plan(context(spec, cgroup, slot: slot)), bundles: bundles)
    do throws(SandboxError) { try cgroup.create(spec.limits) } catch {
      // Not more: the cgroup may be another job's.
      try process.abandon()
      throw error
    }
    do throws(SandboxError) {
      try process.admit()
      if let share, share.isFrozen { try process.freeze(nowMs: nowMs) }
    } catch {
      do throws(SandboxError) { try process.destroy() } catch {}
      throw error
    }
    return process
  }

  private func checkOwner() throws(SandboxError) {
    if settings.owner.utf8.count > 32 || !JobSpec.isName(settings.owner) {
      throw SandboxError.invalidSpec("owner: 1 to 32 of a-z 0-9 - _")
    }
  }

  private static func size(of bundles: [Int32]) -> UInt64 {
    var total: UInt64 = 0
    for bundle in bundles { total &+= host_sandbox_file_size(bundle) }
    return total
  }

  private func cgroup(of spec: JobSpec, in share: SandboxShare?) -> JobCgroup {
    if let share, let parent = share.cgroup {
      return JobCgroup(in: parent, share.spec.limits, job: spec.name)
    }
    // A name of its own even so: jobs of other shares may be called the same.
    let name = share.map { $0.spec.name + "." } ?? ""
    return JobCgroup(layout: features.cgroups, owner: settings.owner, job: name + spec.name)
  }

  func context(_ spec: JobSpec, _ cgroup: JobCgroup, slot: Int) -> PlanContext {
    let own = (firstIdentity ?? 0) + UInt32(slot)
    var nanoseconds: UInt32 = 0
    let nowS = host_unix_time(&nanoseconds)
    return PlanContext(
      spec: spec, features: features, root: settings.mountPoint,
      identity: features.isRoot ? own : host_sandbox_uid(),
      groupIdentity: features.isRoot ? own : host_sandbox_gid(),
      startS: features.has(Namespace.time) ? nowS : features.bootS,
      filter: filter, ownCgroups: cgroup.taskFiles.count)
  }

  func releaseIdentity(_ slot: Int) { usedIdentities[slot] = false }

  /// Removes what an earlier, killed agent of the same owner left: processes, cgroups (mounts and files
  /// die with the processes). Call before anything else; never while another agent of this owner runs.
  /// Returns how many jobs, and shares without a job, were found.
  public func cleanStale() throws(SandboxError) -> Int {
    let stale = StaleCgroups.find(features.cgroups, owner: settings.owner)
    var count = 0
    for cgroup in stale {
      try cgroup.killAll()
      try cgroup.remove()
      JobsFolder(layout: cgroup.layout).remove()
      let inside = cgroup.name + "/"
      if !stale.contains(where: { $0.name.utf8.starts(with: inside.utf8) }) { count += 1 }
    }
    return count
  }

  /// To be called at the end, when no sandbox is left: takes away the empty folders that cgroups were in.
  public func removeFolders() { JobsFolder(layout: features.cgroups).remove() }

  deinit { removeFolders() }
}
