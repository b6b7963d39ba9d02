import ArgumentParser
import Bytes

@main
struct Zennet: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "zennet",
    abstract: "Hire machines, run jobs on them, and pay as they work.",
    version: "zennet " + Version.text,
    subcommands: [
      RunCommand.self, ResumeCommand.self, ReceiptCommand.self, ProcessesCommand.self,
      TopCommand.self, WorkersCommand.self, ExecCommand.self, ShellCommand.self, CopyCommand.self,
      LogsCommand.self, StopCommand.self, BundleCommand.self, WalletCommand.self,
      DevnetCommand.self,
    ])

  /// What is found wrong while a command runs is said in one line: the usage, which the parser would print
  /// with it, is that of `zennet` itself and no help.
  static func main() async {
    do {
      var command = try parseAsRoot()
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
    } catch let error as ValidationError {
      Complaint.tell(error.message)
      exit(withError: ExitCode.validationFailure)
    } catch { exit(withError: error) }
  }
}
