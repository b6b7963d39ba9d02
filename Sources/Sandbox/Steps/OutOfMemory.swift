import CHost

/// When memory runs out the job's processes die first, never the agent. proc(5): oom_score_adj.
enum OutOfMemory {
  /// An agent that protects itself has a negative score, which is not for its children. Set by root this
  /// is also the least that the job can give itself: with it half of the machine's memory counts as its
  /// own, so that it goes before the owner's programs do.
  static func beforeNamespaces() -> [Step] {
    [Step.write("/proc/self/oom_score_adj", "500", HOST_PHASE_OUTER).optional]
  }

  /// Process 1 keeps its score; whatever it forks is the first to go.
  static func steps() -> [Step] {
    var step = Step("oom score", HOST_OOM_SCORE, HOST_PHASE_INNER)
    step.text = "1000"
    return [step]
  }
}
