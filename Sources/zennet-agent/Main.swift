import Crypto
import Host
import Sandbox

/// `zennet-agent`: the provider. One command a file; this one only chooses among them.
@main
enum Main {
  static func main() {
    if SandboxHelper.runIfAsked(CommandLineWords.all()) { return }
    if !CryptoLibrary.start() { Output.fail(.software, "libsodium does not start") }
    Secp256k1.randomize(seed: Entropy.bytes32())
    var arguments = Arguments(CommandLineWords.all())
    guard let command = arguments.next() else {
      Output.standardError(Help.text)
      Output.exit(.usage)
    }
    switch command {
    case "run": RunCommand.main(&arguments)
    case "bench": BenchCommand.main(&arguments)
    case "report": ReportCommand.main(&arguments)
    case "status": StatusCommand.main(&arguments)
    case "check": CheckCommand.main(&arguments)
    case "self-test": SelfTestCommand.main(&arguments)
    case "version", "--version":
      arguments.finish()
      Output.line("zennet-agent " + Version.text)
    case "help", "--help", "-h": Output.text(Help.text)
    default:
      Output.fail(.usage, "no command '" + command + "'; 'zennet-agent help' lists them")
    }
  }
}

enum Version {
  static let text = "0.1.0"
}
