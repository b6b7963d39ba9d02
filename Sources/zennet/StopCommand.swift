import ArgumentParser
import Publisher

/// `zennet stop JOB`: ends a job or a run.
struct StopCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stop",
    abstract: "End a task, those of one worker, or a whole run; what they used is paid.",
    discussion: """
      The receipt says `stopped-by-publisher`. What was in /out until then is fetched.
      """)

  @OptionGroup var target: JobPlace

  @Flag(inversion: .prefixedNo, help: "Wait until the machines have reported the end.")
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
