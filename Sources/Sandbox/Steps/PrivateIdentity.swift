import CHost

/// A user and group id that nothing else on the machine has. As root only: an ordinary user's agent has
/// no other identity to give. credentials(7).
enum PrivateIdentity {
  private static func step(_ context: PlanContext, _ phase: host_phase) -> Step {
    var step = Step("private identity", HOST_PRIVATE_ID, phase)
    step.a = UInt64(context.identity)
    step.b = UInt64(context.groupIdentity)
    return step
  }

  /// Root is left before anything else, so that root's agent and an ordinary user's build the same walls
  /// with the same rights.
  static func beforeNamespaces(_ context: PlanContext) -> [Step] {
    context.features.isRoot && context.hasUserNamespace ? [step(context, HOST_PHASE_OUTER)] : []
  }

  /// On a kernel without user namespaces process 1 has to stay root to build the walls.
  static func withoutUserNamespace(_ context: PlanContext) -> [Step] {
    context.hasUserNamespace ? [] : [step(context, HOST_PHASE_CONFINE)]
  }
}
