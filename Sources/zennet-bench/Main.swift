import Crypto
import Foundation

/// Micro-measurements of Zennet beside the bare libraries beneath it. Prints one JSON row a line on
/// standard output, and how far the rounds were apart on standard error. `scripts/bench` runs it.
@main
enum Main {
  static let usage = """
    usage: zennet-bench flow --folder FOLDER [--rounds N] [--small]
           zennet-bench header-validate [--rounds N] [--small]
           zennet-bench serve-chain --blocks N [--port PORT] [SHAPE]
           zennet-bench write-chain --blocks N --file FILE [SHAPE]
           zennet-bench follow --port PORT --folder FOLDER --blocks N [--watch HEX]...
           zennet-bench machines --count N --publisher ADDRESS:PORT --port PORT
      flow             payments and sessions beside the libraries beneath them
      header-validate  the header rules beside the bare hash
      serve-chain      serves a made regtest chain of N blocks on 127.0.0.1, to any light client;
                       prints {"port", "tip", "height"} once it listens
      write-chain      writes that chain as bitcoind's -loadblock reads it
      follow           follows a chain as the agent does until N blocks are scanned, and prints when
      machines         N simulated providers that are hired by the publisher at ADDRESS:PORT, whose
                       announcement they find at the regtest node on 127.0.0.1:PORT; prints
                       {"leases": N} once all are open, and holds them until SIGTERM
      --folder         where the databases are made; the disk that is to be measured
      --rounds         how often every contestant is measured (21)
      --small          little work a round: shows that all of it runs, not how fast
      SHAPE            --outputs M (that filters show, a block), --pay HEX --every K (a payment to
                       this script, every K blocks)
    """

  static func main() {
    switch CommandLine.arguments.dropFirst().first {
    case "sandbox": return sandbox()
    case "soak", "soak-worker": return soak()
    default: break
    }
    guard let options = Options(CommandLine.arguments.dropFirst()) else { fail(usage, 64) }
    if !CryptoLibrary.start() { fail("zennet-bench: libsodium does not start", 70) }
    do {
      switch options.command {
      case .flow: try flow(options)
      case .headerValidate:
        try HeaderValidation(headers: options.isSmall ? 100 : 20_000).measure(options.rounds)
      case .serveChain: try ChainCommand.serve(options)
      case .writeChain: try ChainCommand.write(options)
      case .follow: try Follow.run(options)
      case .machines: try MachinesCommand.run(options)
      }
    } catch {
      fail("zennet-bench: \(error)", 70)
    }
  }

  private static func flow(_ options: Options) throws {
    let verification = try PaymentVerification(payments: options.isSmall ? 4 : 200)
    try verification.measure(options.rounds)
    try PaymentStorage(
      folder: options.folder, commits: options.isSmall ? 4 : 250,
      stateBytes: try verification.stateBytes()
    ).measure((options.rounds + 1) / 2)  // Disks are slow, and rounds of 250 commits long.
    try SessionThroughput(mebibytes: options.isSmall ? 1 : 16).measure(options.rounds)
  }

  private static func sandbox() {
    guard let options = SandboxOptions(CommandLine.arguments.dropFirst(2)) else {
      fail(SandboxOptions.usage, 64)
    }
    do { try SandboxBench(options).measure() } catch { fail("zennet-bench: \(error)", 70) }
  }

  private static func soak() {
    guard let options = SoakOptions(CommandLine.arguments.dropFirst(2)) else {
      fail(SoakOptions.usage, 64)
    }
    do {
      if CommandLine.arguments[1] == "soak" {
        try Soak(options: options).run()
      } else {
        try SoakWorker(options).run()
      }
    } catch { fail("zennet-bench: \(error)", 70) }
  }

  static func fail(_ text: String, _ status: Int32) -> Never {
    note(text)
    exit(status)
  }
}

/// A line for people, beside the rows.
func note(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }
