import CHost

/// Limits of each process, under those of the cgroup. getrlimit(2); the numbers are Linux's.
enum ResourceLimits {
  static func steps() -> [Step] {
    let limits: [(String, UInt64, UInt64)] = [
      ("memlock", 8, 65_536),
      ("msgqueue", 12, 65_536),
      ("sigpending", 11, 1024),
      ("nice", 13, 0),
      ("rtprio", 14, 0),
    ]
    return limits.map { name, resource, value in step(name, resource, value) }
  }

  static func jobSteps(_ context: PlanContext) -> [Step] {
    let pids = context.spec.limits.pids
    let files = step("nofile", 7, context.features.files.descriptors(pids: pids))
    if context.features.cgroups.pids.isPresent { return [files] }
    // Where no cgroup counts processes: for each user id, and this one is the job's alone.
    return [files, step("nproc", 6, pids)]
  }

  /// No core dumps: with 0 the kernel would still start a program of the owner's for each crash, as root
  /// and in none of the job's cgroups; with 1 it does nothing. The first of all steps, as only root can
  /// raise a 0. The filter keeps it so. core(5).
  static func coreSteps() -> [Step] { [step("core", 4, 1, HOST_PHASE_OUTER)] }

  private static func step(
    _ name: String, _ resource: UInt64, _ value: UInt64, _ phase: host_phase = HOST_PHASE_PROGRAM
  ) -> Step {
    var step = Step("rlimit " + name, HOST_RLIMIT, phase)
    step.a = resource
    step.b = value
    return step
  }
}
