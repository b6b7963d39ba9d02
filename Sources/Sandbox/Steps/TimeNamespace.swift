import CHost

/// The job's clocks do not tell how long this machine has been running. time_namespaces(7), Linux 5.6.
/// Who knows where to look still finds out, as the kernel shows to each process how far its clocks are off
/// (`/proc/self/timens_offsets`), and idle time in `/proc/stat`.
enum TimeNamespace {
  static func steps(_ context: PlanContext) -> [Step] {
    if !context.features.has(Namespace.time) { return [] }
    var unshare = Step("time namespace", HOST_UNSHARE, HOST_PHASE_OUTER)
    unshare.a = Namespace.time
    return [unshare, Step("time offsets", HOST_TIME_OFFSETS, HOST_PHASE_OUTER).optional]
  }
}
