import CHost

/// When memory runs out the job's processes die first, never the agent. proc(5): oom_score_adj.
enum OutOfMemory {
  static func steps() -> [Step] {
    var step = Step("oom score", HOST_OOM_SCORE, HOST_PHASE_INNER)
    step.a = 1000
    return [step]
  }
}
