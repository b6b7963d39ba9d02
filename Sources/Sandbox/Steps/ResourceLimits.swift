import CHost

/// Limits of each process, under those of the cgroup. getrlimit(2); the numbers are Linux's.
enum ResourceLimits {
  static func steps(_ context: PlanContext) -> [Step] {
    var limits: [(String, UInt64, UInt64)] = [
      ("core", 4, 0),  // no core dumps
      ("nofile", 7, 4096),
      ("memlock", 8, 65_536),
      ("msgqueue", 12, 65_536),
      ("sigpending", 11, 1024),
      ("nice", 13, 0),
      ("rtprio", 14, 0),
    ]
    if !context.features.cgroups.pids.isPresent {
      // Counted for each user id, and this one is the job's alone.
      limits.append(("nproc", 6, context.spec.limits.pids))
    }
    return limits.map { name, resource, value in
      var step = Step("rlimit " + name, HOST_RLIMIT, HOST_PHASE_PROGRAM)
      step.a = resource
      step.b = value
      return step
    }
  }
}
