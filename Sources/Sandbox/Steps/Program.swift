import CHost

/// The job's first instruction. execve(2).
enum Program {
  static func steps(_ context: PlanContext) -> [Step] {
    var folder = Step(
      "working directory " + context.spec.workdir, HOST_CHANGE_DIRECTORY, HOST_PHASE_JOB)
    folder.path = context.spec.workdir
    var execute = Step("execute", HOST_EXECUTE, HOST_PHASE_JOB)
    for text in context.spec.arguments + context.spec.environment {
      execute.data.append(contentsOf: text.utf8)
      execute.data.append(0)
    }
    execute.a = UInt64(context.spec.arguments.count)
    execute.b = UInt64(context.spec.environment.count)
    return [folder, execute]
  }
}
