import ArgumentParser
import Bitcoin
import Bytes
import ChainFollower
import Foundation
import Host
import Ini
import Publisher
import Wallet

/// `zennet wallet …`: the publisher's coins.
struct WalletCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "wallet",
    abstract: "Keep and spend the coins that pay for work.",
    discussion: """
      A BIP86 (taproot) wallet of a BIP39 phrase, followed by a light client: it needs one peer that \
      serves compact filters. The phrase is kept unencrypted in the data folder, readable by its \
      owner only. It brings back everything, the channels that hold coins included.

      Commands that follow the chain take what is due: they take expired channels back, and speed up \
      what waits for too little fee.
      """,
    subcommands: [
      New.self, ShowAddress.self, Balance.self, SendCoins.self, History.self,
    ])

  /// What every subcommand knows.
  struct Place: ParsableArguments {
    @Option(help: "regtest, signet, testnet4, bitcoin, or the path of a network file.")
    var network = "regtest"

    @Option(help: "The challenge of a signet of one's own, in hexadecimal.")
    var signetChallenge: String?

    @Option(name: .customLong("data"), help: "The wallet's data folder.")
    var directory: String?

    @Flag(help: "Print JSON for programs.")
    var json = false

    func chain() throws -> Network { try chainAndPeers().network }

    /// The network, and the peers that its file names.
    func chainAndPeers() throws -> (network: Network, peers: [(host: String, port: UInt16)]) {
      let name = Array(network.utf8)
      if let challenge = signetChallenge {
        guard let script = Hex.decode(challenge) else {
          throw ValidationError("--signet-challenge: not hexadecimal")
        }
        do { return (try Network.customSignet(name: name, challenge: script), []) } catch {
          throw ValidationError("--signet-challenge: \(error.message)")
        }
      }
      if let known = Network.known(name: name) { return (known, []) }
      if !network.contains("/") && !network.hasSuffix(".network") {
        throw ValidationError(
          "--network: no network is called \(network); a network file's path ends in .network")
      }
      let text: [UInt8]
      do { text = try Files.read(network, limit: 1 << 20) } catch {
        throw ValidationError("--network: \(error.message)")
      }
      do {
        let file = try NetworkFile.parse(text, file: network)
        return (
          file.network, file.peers.map { (String(decoding: $0.host, as: UTF8.self), $0.port) }
        )
      } catch { throw ValidationError(error.message) }
    }

    /// `$XDG_DATA_HOME/zennet/wallet/NETWORK`.
    func path() throws -> String {
      if let directory { return directory }
      let environment = ProcessInfo.processInfo.environment
      let base = environment["XDG_DATA_HOME"] ?? NSHomeDirectory() + "/.local/share"
      return base + "/zennet/wallet/" + (try chain().nameText)
    }

    func open() throws -> WalletFolder {
      let network = try chain()
      let path = try path()
      return try WalletCommand.reporting { () throws(WalletFolderError) in
        try WalletFolder(path: path, network: network)
      }
    }
  }

  /// How the chain is reached.
  struct Peers: ParsableArguments {
    @Option(
      name: .customLong("peer"),
      help:
        "HOST or HOST:PORT of a full node; repeatable. 127.0.0.1 when neither this nor a network file names one."
    )
    var peers: [String] = []

    @Option(help: "Seconds to wait for the chain.")
    var timeout: UInt64 = 60

    /// Those given and those of the network file.
    func addresses(_ place: Place) throws -> [(host: String, port: UInt16)] {
      let all = try given() + place.chainAndPeers().peers
      return all.isEmpty ? [("127.0.0.1", 0)] : all
    }

    private func given() throws -> [(host: String, port: UInt16)] {
      return try peers.map { text in
        // Port 0 is the network's own.
        let colons = text.filter { $0 == ":" }.count
        guard colons == 1 || text.hasPrefix("["), let split = text.lastIndex(of: ":") else {
          return (text, 0)
        }
        guard let port = UInt16(text[text.index(after: split)...]) else {
          throw ValidationError("--peer: \(text) has no usable port")
        }
        let host = text[..<split].trimmingCharacters(in: CharacterSet(charactersIn: "[]"))
        return (host, port)
      }
    }

    /// Opens the wallet and follows the chain until it is level with the peers.
    func synced(_ place: Place) throws -> WalletSession {
      let folder = try place.open()
      // With a close in hand, that is sent and no refund.
      let session = WalletSession(
        folder: folder, peers: try addresses(place), timeoutSeconds: timeout,
        heldCloses: HeldCloses.read(folder))
      try session.sync()
      return session
    }
  }

  // MARK: Output

  static func show(json value: [String: Any]) {
    let options: JSONSerialization.WritingOptions = [
      .sortedKeys, .prettyPrinted, .withoutEscapingSlashes,
    ]
    let data = (try? JSONSerialization.data(withJSONObject: value, options: options)) ?? Data()
    Output.line(String(decoding: data, as: UTF8.self))
  }

  static func fail(_ message: String) -> ExitCode {
    Complaint.tell(message, of: "wallet")
    return ExitCode.failure
  }

  static func reporting<Value>(_ body: () throws(WalletFolderError) -> Value) throws -> Value {
    do throws(WalletFolderError) { return try body() } catch { throw fail(error.message) }
  }

  static func text(_ outPoint: OutPoint) -> String {
    "\(outPoint.txid.reversed.hex):\(outPoint.index)"
  }

  /// 1.23456789, in coins.
  static func coins(_ amountSat: UInt64) -> String {
    let rest = String(amountSat % Amount.satPerCoin)
    return "\(amountSat / Amount.satPerCoin)."
      + String(repeating: "0", count: 8 - rest.count) + rest
  }
}
