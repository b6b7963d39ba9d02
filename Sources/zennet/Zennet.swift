import ArgumentParser

@main
struct Zennet: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "zennet", subcommands: [DevnetCommand.self, WalletCommand.self])
}
