import ArgumentParser
import Publisher

/// `zennet stop JOB`: stops tasks or a run.
struct StopCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stop",
    abstract: "Stop a task, a worker's tasks, or a whole run; what they used is paid.",
    discussion: """
      The receipt shows `stopped-by-publisher`. The contents of /out are fetched.
      """)

  @OptionGroup var target: JobPlace

  @Flag(inversion: .prefixedNo, help: "Wait until the providers have reported the end.")
  var wait = true

  func run() throws {
    let job = try target.find()
    try RunCommand.reporting { () throws(RunError) in
      for task in try ControlClient.stop(job, waits: wait) where wait {
        Output.line(task.job + " " + (task.exit ?? "not ended"))
      }
    }
  }
}
