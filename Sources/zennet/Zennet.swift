import ArgumentParser
import Bytes
import Host
import Publisher

@main
struct Zennet: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "zennet",
    abstract: "Hire machines, run jobs on them, and pay as they work.",
    version: "zennet " + Version.text,
    subcommands: [
      RunCommand.self, MapCommand.self, ResumeCommand.self, ReceiptCommand.self,
      ProcessesCommand.self, TopCommand.self, WorkersCommand.self, ExecCommand.self,
      ShellCommand.self, CopyCommand.self, LogsCommand.self, StopCommand.self, BundleCommand.self,
      WalletCommand.self, DevnetCommand.self,
    ])

  /// Those whose exit status is a program's: wrong usage must not look like one.
  private static let passing: Set<String> = ["run", "map", "resume", "exec", "shell"]

  /// What is found wrong while a command runs is said in one line: the usage, which the parser would print
  /// with it, is that of `zennet` itself and no help.
  static func main() async {
    HostProcess.holdStandardStreams()
    let isPassing = passing.contains(CommandLine.arguments.dropFirst().first ?? "")
    let wrongUsage = isPassing ? ExitCode(.failure) : ExitCode.validationFailure
    do {
      var command = try parseAsRoot()
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
    } catch let error as ValidationError {
      Complaint.tell(error.message)
      exit(withError: wrongUsage)
    } catch {
      // Help, the version and the like, which the parser would print whether that can be done or not.
      if exitCode(for: error) == .success, !(error is ExitCode) {
        return Output.line(fullMessage(for: error))
      }
      if exitCode(for: error) != .validationFailure || error is ExitCode { exit(withError: error) }
      HostProcess.write(2, Array((fullMessage(for: error) + "\n").utf8))
      exit(withError: wrongUsage)
    }
  }
}
