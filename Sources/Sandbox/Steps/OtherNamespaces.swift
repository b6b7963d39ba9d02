import CHost

/// Own mounts, processes, System V objects, host name, cgroup root. namespaces(7).
/// The pid namespace holds what is forked next: process 1.
enum OtherNamespaces {
  static func steps(_ context: PlanContext) -> [Step] {
    var unshare = Step("namespaces", HOST_UNSHARE, HOST_PHASE_OUTER)
    unshare.a =
      Namespace.mount | Namespace.ipc | Namespace.uts | Namespace.pid
      | (context.features.namespaces & Namespace.cgroup)
    return [unshare]
  }
}
