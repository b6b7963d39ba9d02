import CHost

/// The new root becomes `/`, and the old one is unmounted: no path leads back. The kernel waits for all of
/// its processors then, so the first child does it, while process 1 mounts on. pivot_root(2).
enum PivotRoot {
  static func steps(_ context: PlanContext) -> [Step] {
    var step = Step("pivot_root", HOST_PIVOT_ROOT, HOST_PHASE_INNER)
    step.path = context.root
    return [step]
  }

  static func lastSteps() -> [Step] { [Step("unmount the old root", HOST_LET_GO, HOST_PHASE_LAST)] }
}
