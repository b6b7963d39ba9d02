import CHost

/// Into the job's cgroups, which the agent has made meanwhile, before anything of the job's is touched. A
/// process that moves only itself takes no lock of the whole machine, which costs milliseconds; version 2
/// does not allow that, there the agent moves the first child before it does anything. cgroups(7): tasks.
enum ControlGroups {
  static func steps(_ context: PlanContext) -> [Step] {
    if context.ownCgroups == 0 { return [] }
    return [Step("control groups", HOST_JOIN_CGROUPS, HOST_PHASE_INNER)]
      + namespaceSteps(context, HOST_PHASE_INNER)
  }

  /// What the job sees as the root of all cgroups is its own, so it has to be there before.
  /// cgroup_namespaces(7).
  static func namespaceSteps(_ context: PlanContext, _ phase: host_phase) -> [Step] {
    if !context.features.has(Namespace.cgroup) { return [] }
    var unshare = Step("cgroup namespace", HOST_UNSHARE, phase)
    unshare.a = Namespace.cgroup
    return [unshare]
  }
}
