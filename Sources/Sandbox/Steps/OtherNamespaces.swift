import CHost

/// Own mounts, processes, System V objects, host name. namespaces(7).
/// The pid namespace holds what is forked next: process 1.
enum OtherNamespaces {
  static func steps(_ context: PlanContext) -> [Step] {
    var unshare = Step("namespaces", HOST_UNSHARE, HOST_PHASE_OUTER)
    unshare.a = Namespace.mount | Namespace.ipc | Namespace.uts | Namespace.pid
    return [unshare]
      + (context.ownCgroups == 0
        ? ControlGroups.namespaceSteps(context, HOST_PHASE_OUTER) : [])
  }
}
