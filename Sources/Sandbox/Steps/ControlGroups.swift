import CHost

/// Into the job's cgroups, before anything else is done. A process that moves only itself takes no lock of
/// the whole machine, which costs milliseconds; version 2 does not allow that, there the agent moves it.
/// cgroups(7): tasks.
enum ControlGroups {
  static func steps(_ context: PlanContext) -> [Step] {
    context.taskFiles.map { Step.write($0, "0", HOST_PHASE_OUTER) }
  }
}
