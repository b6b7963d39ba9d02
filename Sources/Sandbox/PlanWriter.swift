/// Writes one job's plan after another. To make texts of all that is the same for every job of an agent, and
/// that is most of it, takes as long as a dozen of its steps: it is done for the first job.
struct PlanWriter {
  private var known: [EncodedSteps] = []
  private var place = 0
  private var plan = EncodedSteps()
  private var sizes = (steps: 0, arena: 0)
  /// Only while they are asked for.
  private var names: [String]?

  /// The plan that ``SandboxPlan`` says.
  mutating func plan(_ context: PlanContext) -> EncodedSteps {
    plan.reserve(steps: sizes.steps, arena: sizes.arena)
    place = 0
    SandboxPlan.write(&self, context)
    sizes = (plan.steps.count, plan.arena.count)
    // Nothing of a job's stays here.
    defer { plan = EncodedSteps() }
    return plan
  }

  /// What the steps of such a plan are called: for people, when one fails.
  static func names(_ context: PlanContext) -> [String] {
    var writer = PlanWriter()
    writer.names = []
    SandboxPlan.write(&writer, context)
    return writer.names ?? []
  }

  /// Steps that come out of the kernel's features and the agent's settings alone.
  @inline(never) mutating func fixed(_ steps: @autoclosure () -> [Step]) {
    if place == known.count { known.append(encoded(steps())) }
    plan.append(known[place])
    place += 1
  }

  /// Steps in which something is of this job alone.
  @inline(never) mutating func job(_ steps: [Step]) {
    if !steps.isEmpty { plan.append(encoded(steps)) }
  }

  @inline(never) private mutating func encoded(_ steps: [Step]) -> EncodedSteps {
    if names != nil { for step in steps { names?.append(step.name) } }
    return EncodedSteps(steps)
  }
}
