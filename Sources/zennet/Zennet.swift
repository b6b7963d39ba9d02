import ArgumentParser

@main
struct Zennet: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "zennet",
    subcommands: [
      RunCommand.self, ResumeCommand.self, ReceiptCommand.self, ProcessesCommand.self,
      TopCommand.self,
      WorkersCommand.self, ExecCommand.self, ShellCommand.self, CopyCommand.self, LogsCommand.self,
      StopCommand.self, BundleCommand.self, WalletCommand.self,
      DevnetCommand.self,
    ])
}
