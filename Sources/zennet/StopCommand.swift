import ArgumentParser
import Publisher

/// `zennet stop JOB`: ends a job or a run.
struct StopCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stop",
    abstract: "End a job, or all jobs of a run; what they used is paid.",
    discussion: "The result says `stopped-by-publisher`. What was in /out until then is fetched.")

  @OptionGroup var target: JobPlace

  @Flag(inversion: .prefixedNo, help: "Wait until the machines have told the jobs' end.")
  var wait = true

  func run() throws {
    let job = try target.find()
    try RunCommand.reporting { () throws(RunError) in
      if !wait { return try ControlClient.stop(job) }
      for worker in try ControlClient.stopAndWait(job) {
        Output.line(worker.job + " " + (worker.exit ?? worker.state))
      }
    }
  }
}
