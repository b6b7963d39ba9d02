import CHost

/// Limits of each process, under those of the cgroup. getrlimit(2); the numbers are Linux's.
enum ResourceLimits {
  static func steps() -> [Step] {
    let limits: [(String, UInt64, UInt64)] = [
      ("core", 4, 0),  // no core dumps
      ("nofile", 7, 4096),
      ("memlock", 8, 65_536),
      ("msgqueue", 12, 65_536),
      ("sigpending", 11, 1024),
      ("nice", 13, 0),
      ("rtprio", 14, 0),
    ]
    return limits.map { name, resource, value in step(name, resource, value) }
  }

  /// Where no cgroup counts processes: for each user id, and this one is the job's alone.
  static func processSteps(_ context: PlanContext) -> [Step] {
    if context.features.cgroups.pids.isPresent { return [] }
    return [step("nproc", 6, context.spec.limits.pids)]
  }

  private static func step(_ name: String, _ resource: UInt64, _ value: UInt64) -> Step {
    var step = Step("rlimit " + name, HOST_RLIMIT, HOST_PHASE_PROGRAM)
    step.a = resource
    step.b = value
    return step
  }
}
