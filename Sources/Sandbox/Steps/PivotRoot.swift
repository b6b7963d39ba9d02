import CHost

/// The new root becomes `/`, the old one is unmounted: no path leads back. pivot_root(2).
enum PivotRoot {
  static func steps(_ context: PlanContext) -> [Step] {
    var step = Step("pivot_root", HOST_PIVOT_ROOT, HOST_PHASE_INNER)
    step.path = context.root
    return [step]
  }
}
