/// A part of the machine that several sandboxes share.
public struct ShareSpec: Sendable {
  /// Names the share's cgroups: 1 to 64 of `a-z 0-9 - _`, unique among the agent's shares and jobs.
  public var name: String
  /// RAM of all its jobs together, bytes, their files included.
  public var memoryBytes: UInt64
  /// Processor time of all its jobs together, thousandths of one processor.
  public var cpuMilli: UInt64
  /// Processes and threads of all its jobs together, each sandbox's first process included.
  public var pids: UInt64

  public init(name: String, memoryBytes: UInt64, cpuMilli: UInt64, pids: UInt64) {
    self.name = name
    self.memoryBytes = memoryBytes
    self.cpuMilli = cpuMilli
    self.pids = pids
  }

  /// What a job with all of it would have.
  var limits: JobLimits {
    JobLimits(memoryBytes: memoryBytes, cpuMilli: cpuMilli, pids: pids, diskBytes: memoryBytes)
  }

  func validate() throws(SandboxError) {
    if !JobSpec.isName(name) {
      throw SandboxError.invalidSpec("share: name: 1 to 64 of a-z 0-9 - _")
    }
    if memoryBytes < 4 << 20 || cpuMilli < 10 || pids < 4 {
      throw SandboxError.invalidSpec("share: at least 4 MiB, 10 milli-cpus, 4 processes")
    }
    if memoryBytes > 1 << 50 || cpuMilli > 1_024_000 || pids > 1 << 20 {
      throw SandboxError.invalidSpec("share: absurdly large")
    }
  }

  /// What of a job is more than there is of the share.
  func check(_ job: JobLimits) throws(SandboxError) {
    if job.memoryBytes > memoryBytes || job.cpuMilli > cpuMilli || job.pids > pids {
      throw SandboxError.invalidSpec("limits: above those of the share")
    }
  }
}

/// What several sandboxes are in (``Sandbox/start(_:bundles:in:nowMs:)``): the kernel bounds them together,
/// each within its own limits, and processors go to them in the proportion of those. They are frozen together.
/// Made by ``Sandbox/openShare(_:)``.
public final class SandboxShare {
  public let spec: ShareSpec
  public private(set) var isFrozen = false
  /// Nil: cgroups cannot lie in each other here, and each sandbox is bounded by itself only.
  let cgroup: JobCgroup?
  private var processes: [SandboxProcess] = []
  private var isClosed = false

  init(_ spec: ShareSpec, cgroup: JobCgroup?) {
    self.spec = spec
    self.cgroup = cgroup
  }

  /// Whether the kernel bounds its sandboxes together.
  public var isBounded: Bool { cgroup != nil }

  /// Waits for those that are on their way out where a further job would not have its own of the share
  /// without what they still hold.
  func makeRoom(for job: JobSpec) throws(SandboxError) {
    if isClosed { throw SandboxError.wrongState("the share is closed") }
    try spec.check(job.limits)
    var (bytes, pids) = (job.limits.memoryBytes, job.limits.pids)
    for process in processes {
      bytes &+= process.isLeaving ? process.leftBytes : process.spec.limits.memoryBytes
      pids &+= process.isLeaving ? 1 : process.spec.limits.pids
    }
    if bytes <= spec.memoryBytes && pids <= spec.pids { return }
    try forEach { (process) throws(SandboxError) in
      if process.isLeaving { try process.destroy() }
    }
  }

  func add(_ process: SandboxProcess) { processes.append(process) }

  func forget(_ process: SandboxProcess) { processes.removeAll { $0 === process } }

  /// Stops every job in it where it is, and whatever runs beside them, until ``thaw(nowMs:)``; what is started
  /// meanwhile does not begin. A job that is terminated thaws alone, as somebody has to tell of its end. Goes
  /// on where one cannot be frozen, and throws the first error.
  public func freeze(nowMs: UInt64) throws(SandboxError) {
    isFrozen = true
    try forEach { (process) throws(SandboxError) in
      if process.outcome == nil { try process.freeze(nowMs: nowMs) }
    }
  }

  public func thaw(nowMs: UInt64) throws(SandboxError) {
    isFrozen = false
    try forEach { (process) throws(SandboxError) in try process.thaw(nowMs: nowMs) }
  }

  private func forEach(
    _ body: (SandboxProcess) throws(SandboxError) -> Void
  ) throws(SandboxError) {
    var failure: SandboxError?
    for process in processes {
      do throws(SandboxError) { try body(process) } catch { failure = failure ?? error }
    }
    if let failure { throw failure }
  }

  /// Destroys every sandbox that is still in it, and itself. Can be called again.
  public func close() throws(SandboxError) {
    isClosed = true
    try forEach { (process) throws(SandboxError) in try process.destroy() }
    try cgroup?.remove()
  }
}
