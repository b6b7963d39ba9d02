import Bytes
import Crypto
import Host
import Sandbox

/// `zennet-agent`: the provider. Selects the command; each one has its own file.
@main
enum Main {
  static func main() {
    Supervisor.exitWithoutMemory(status: ExitStatus.memory.rawValue)
    if SandboxHelper.runIfAsked(CommandLineWords.all()) { return }
    HostProcess.holdStandardStreams()
    var arguments = Arguments(CommandLineWords.all())
    guard let command = arguments.next() else {
      Output.standardError(Help.text)
      Output.exit(.usage)
    }
    supervise(command, &arguments)
    if !CryptoLibrary.start() { Output.fail(.software, "libsodium does not start") }
    Secp256k1.randomize(seed: Entropy.bytes32())
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

extension Main {
  /// Restarts after faults before the supervisor gives up: 1, 2, 4, 8 and 16 seconds apart.
  private static let restarts: UInt32 = 5

  /// Forks: the parent supervises, and reports traps of, the child, which continues here. Call it
  /// before large allocations.
  private static func supervise(_ command: String, _ arguments: inout Arguments) {
    if command == "version" || command == "help" { return }
    let isRun = command == "run"
    let isOnce = isRun && arguments.flag("--once")
    Supervisor.enter(
      restarts: isRun && !isOnce ? restarts : 0, faultStatus: ExitStatus.software.rawValue,
      memoryStatus: ExitStatus.memory.rawValue)
  }
}
