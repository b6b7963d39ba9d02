import ArgumentParser
import Bytes
import Host
import Publisher

@main
struct Zennet: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "zennet",
    abstract: "Hire machines, run tasks on them, and pay as they work.",
    version: "zennet " + Version.text,
    subcommands: [
      RunCommand.self, MapCommand.self, ResumeCommand.self, ReceiptCommand.self,
      ProcessesCommand.self, TopCommand.self, WorkersCommand.self, ExecCommand.self,
      ShellCommand.self, CopyCommand.self, LogsCommand.self, StopCommand.self, BundleCommand.self,
      WalletCommand.self, DevnetCommand.self,
    ])

  /// Commands that pass on a program's exit status, which a usage error must not look like.
  private static let passing: Set<String> = ["run", "map", "resume", "exec", "shell"]

  /// Reports an error found while a command runs in one line, because the parser would add the
  /// usage of `zennet` itself.
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
      // Help and the version: print through ``Output``, which detects write errors; the parser does
      // not.
      if exitCode(for: error) == .success, !(error is ExitCode) {
        return Output.line(fullMessage(for: error))
      }
      if exitCode(for: error) != .validationFailure || error is ExitCode { exit(withError: error) }
      HostProcess.write(2, Array((fullMessage(for: error) + "\n").utf8))
      exit(withError: wrongUsage)
    }
  }
}
