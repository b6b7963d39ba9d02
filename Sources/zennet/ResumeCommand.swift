import ArgumentParser
import Bitcoin
import Bytes
import Publisher

/// `zennet resume`: continues an interrupted run.
struct ResumeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "resume",
    abstract: "Continue a run that was interrupted, or whose results could not be written.",
    discussion: "The exit status is that of `zennet run`.")

  @OptionGroup var place: WalletCommand.Place

  @Argument(help: "The run's name; by default the newest unfinished one.")
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

/// `zennet receipt`: prints a run's receipt from the ledger.
struct ReceiptCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "receipt", abstract: "Show a run's receipt, as JSON.",
    discussion: """
      `jobs` holds the leases, each with its `tasks` and its further channels, `top_ups`. `status` \
      of the run, a lease or a task is the exit status of `zennet run`; `exit` and `exit_status` \
      are as the provider reported. `unplaced` holds the tasks that no provider ended.
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
