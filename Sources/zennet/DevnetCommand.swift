import ArgumentParser
import Bitcoin
import Devnet
import Foundation

/// `zennet devnet …`: a regtest chain for development, tests and the demo.
struct DevnetCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "devnet",
    abstract: "Run a chain for development on this machine. Its coins have no value.",
    discussion: """
      Blocks and scripts are validated by Bitcoin Core's libbitcoinkernel (regtest rules). The \
      node serves peers on 127.0.0.1 only.
      """,
    subcommands: [
      Run.self, Mine.self, FaucetCommand.self, Tip.self, ShowTransaction.self, Send.self,
      ShowBlock.self, Reorganize.self, Stop.self,
    ])

  /// Options of all subcommands.
  struct Folder: ParsableArguments {
    @Option(name: .customLong("data"), help: "The node's data folder.")
    var directory = Folder.standard

    @Flag(help: "Print JSON for programs.")
    var json = false

    /// `$XDG_DATA_HOME/zennet/devnet`.
    private static var standard: String {
      let environment = ProcessInfo.processInfo.environment
      let base = environment["XDG_DATA_HOME"] ?? NSHomeDirectory() + "/.local/share"
      return base + "/zennet/devnet"
    }

    /// Sends a request to the node and prints its answer, as JSON or as formatted by `text`.
    func ask(_ request: ControlRequest, text: (ControlResponse) -> String) throws {
      let response = try DevnetCommand.reporting { () throws(DevnetError) in
        try ControlClient.ask(request, directory: directory)
      }
      Output.line(json ? DevnetCommand.json(response) : text(response))
    }
  }

  static func json<Value: Encodable>(_ value: Value) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    return (try? encoder.encode(value)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }

  /// Turns the node's errors into one line on standard error and exit status 1.
  static func reporting<Value>(_ body: () throws(DevnetError) -> Value) throws -> Value {
    do throws(DevnetError) {
      return try body()
    } catch {
      Complaint.tell(error.message, of: "devnet")
      throw ExitCode.failure
    }
  }
}

extension DevnetCommand {
  struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Run the node in the foreground until SIGINT or SIGTERM.")

    @OptionGroup var folder: Folder

    @Option(help: "The port for peers on 127.0.0.1; 0 for any free port.")
    var port: UInt16 = Network.regtest.defaultPort

    @Option(help: "Seconds between blocks. Without it, blocks are made by `zennet devnet mine`.")
    var blockInterval: UInt32?

    @Option(
      name: .customLong("min-relay-fee"), help: "Minimum relay fee, in sat per 1000 virtual bytes.")
    var minimumFeeSatPerKvB: UInt64 = 100

    func run() throws {
      var options = DevnetOptions(directory: folder.directory)
      options.port = port
      options.blockIntervalSeconds = blockInterval
      options.policy.minimumFeeSatPerKvB = minimumFeeSatPerKvB
      let asJson = folder.json
      // One write per line, so that the reader of a pipe gets each line at once.
      options.observer = { event in
        Output.line(asJson ? event.json : event.text)
      }
      try DevnetCommand.reporting { () throws(DevnetError) in
        let node = try DevnetNode(options)
        try node.stopOnSignals()
        try node.run()
      }
    }
  }

  struct Mine: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Make blocks from the mempool.")

    @OptionGroup var folder: Folder

    @Argument(help: "How many.")
    var count: UInt32 = 1

    @Option(help: "The address for subsidy and fees; by default the faucet's.")
    var address: String?

    @Option(
      name: .customLong("min-fee"),
      help: "Exclude transactions that pay less, in sat per 1000 virtual bytes.")
    var minimumFeeSatPerKvB: UInt64 = 0

    func run() throws {
      var request = ControlRequest(.mine)
      request.count = count
      request.address = address
      request.minimumFeeSatPerKvB = minimumFeeSatPerKvB
      try folder.ask(request) { ($0.hashes ?? []).joined(separator: "\n") }
    }
  }

  struct FaucetCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "faucet",
      abstract: "Pay from the node's own coins. A block confirms it (`zennet devnet mine`).")

    @OptionGroup var folder: Folder

    @Argument(help: "A bcrt1… address.")
    var address: String

    @Argument(help: "The amount in sat.")
    var amountSat: UInt64

    func run() throws {
      var request = ControlRequest(.faucet)
      request.address = address
      request.amountSat = amountSat
      try folder.ask(request) { $0.txid ?? "" }
    }
  }

  struct Tip: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show the last block.")

    @OptionGroup var folder: Folder

    func run() throws {
      try folder.ask(ControlRequest(.tip)) { "\($0.height ?? 0) \($0.hash ?? "")" }
    }
  }

  struct ShowTransaction: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "tx", abstract: "Show a transaction of the chain or of the mempool.")

    @OptionGroup var folder: Folder

    @Argument(help: "The transaction's id.")
    var txid: String

    func run() throws {
      var request = ControlRequest(.transaction)
      request.txid = txid
      try folder.ask(request) { $0.transaction.map { DevnetCommand.json($0) } ?? "" }
    }
  }

  struct Send: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Send a transaction to the node, as a peer would; shows why it is refused.")

    @OptionGroup var folder: Folder

    @Argument(help: "The serialised transaction, hexadecimal.")
    var hex: String

    func run() throws {
      var request = ControlRequest(.send)
      request.hex = hex
      try folder.ask(request) { $0.txid ?? "" }
    }
  }

  struct ShowBlock: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "block", abstract: "Show a block.")

    @OptionGroup var folder: Folder

    @Argument(help: "Its hash or its height.")
    var block: String

    func run() throws {
      var request = ControlRequest(.block)
      request.block = block
      try folder.ask(request) { $0.block.map { DevnetCommand.json($0) } ?? "" }
    }
  }

  struct Reorganize: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "reorg",
      abstract: "Replace the last DEPTH blocks by DEPTH + 1 new ones.")

    @OptionGroup var folder: Folder

    @Argument(help: "How many blocks to replace.")
    var depth: UInt32

    func run() throws {
      var request = ControlRequest(.reorg)
      request.depth = depth
      try folder.ask(request) { "\($0.height ?? 0) \($0.hash ?? "")" }
    }
  }

  struct Stop: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Stop the node.")

    @OptionGroup var folder: Folder

    func run() throws { try folder.ask(ControlRequest(.stop)) { _ in "stopping" } }
  }
}
