import ArgumentParser
import Bitcoin
import Bytes
import Publisher

/// `zennet resume`: an interrupted run goes on where it stood.
struct ResumeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "resume",
    abstract: "Take up a run that was interrupted, or whose results could not be written.",
    discussion: "The exit status is that of `zennet run`.")

  @OptionGroup var place: WalletCommand.Place

  @Argument(help: "The run's name; by default the newest that is not finished.")
  var name: String?

  func run() throws {
    let network = try place.chain()
    let path = try place.path()
    let timeline = Timeline(asJson: place.json)
    let status = try RunCommand.running(timeline) { () throws(RunError) in
      let folder = try RunFolder(path: path, network: network)
      let request = try RunRequest.resuming(try folder.run(named: name), in: folder)
      let program = try RunProgram(folder: folder, request: request, timeline: timeline)
      return try RunCommand.finish(program, folder, timeline)
    }
    throw ExitCode(status)
  }
}

/// `zennet receipt`: what a run came to, from the ledger.
struct ReceiptCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "receipt", abstract: "Show what a run came to, as JSON.",
    discussion: """
      `jobs` has the leases, one machine's each, with their `tasks` and the channels that followed the first, \
      `top_ups`. `status`, of the run, a lease and a task, is the exit status of `zennet run`; `exit` and \
      `exit_status` are what the machine reported. `unplaced` has the tasks that no machine ended.
      """)

  @OptionGroup var place: WalletCommand.Place

  @Argument(help: "The run's name; by default the newest.")
  var name: String?

  func run() throws {
    let network = try place.chain()
    let path = try place.path()
    let receipt = try RunCommand.reporting { () throws(RunError) in
      let folder = try RunFolder(path: path, network: network)
      return try RunReceipt(
        folder, run: try folder.run(named: name), networkName: network.nameText, seconds: 0)
    }
    Output.line(receipt.json)
  }
}
