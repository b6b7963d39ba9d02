import CHost

/// The filter of ``SeccompFilter``. seccomp(2).
enum Seccomp {
  static func steps(_ context: PlanContext) -> [Step] {
    if context.filter.isEmpty { return [] }
    var step = Step("seccomp", HOST_SECCOMP, HOST_PHASE_CONFINE)
    step.data = context.filter
    step.a = UInt64(context.filter.count / 8)
    return [step]
  }
}
