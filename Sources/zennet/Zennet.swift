import ArgumentParser

@main
struct Zennet: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "zennet",
    subcommands: [
      RunCommand.self, ResumeCommand.self, ReceiptCommand.self, WalletCommand.self,
      DevnetCommand.self,
    ])
}
