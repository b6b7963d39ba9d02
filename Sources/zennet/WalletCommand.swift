import ArgumentParser
import Bitcoin
import Bytes
import ChainFollower
import Foundation
import Host
import Ini
import Publisher
import Wallet

/// `zennet wallet …`: the publisher's wallet.
struct WalletCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "wallet",
    abstract: "Manage the coins that pay for work.",
    discussion: """
      A BIP86 (taproot) wallet from a BIP39 phrase, with a light client, which needs one peer that \
      serves compact filters. The phrase is kept unencrypted in the data folder, readable by its \
      owner only. It restores all coins, including those in channels.

      Commands that follow the chain also do pending work: they refund expired channels, and raise \
      the fees of stuck transactions.
      """,
    subcommands: [
      New.self, ShowAddress.self, Balance.self, SendCoins.self, History.self,
    ])

  /// Options of all subcommands.
  struct Place: ParsableArguments {
    @Option(help: "regtest, signet, testnet4, bitcoin, or the path of a network file.")
    var network = "regtest"

    @Option(help: "The challenge of a custom signet, in hexadecimal.")
    var signetChallenge: String?

    @Option(name: .customLong("data"), help: "The wallet's data folder.")
    var directory: String?

    @Flag(help: "Print JSON for programs.")
    var json = false

    func chain() throws -> Network { try chainAndPeers().network }

    /// The network and the peers of its file.
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
          "--network: unknown network \(network); a network file's path ends in .network")
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

  /// Options for reaching the chain.
  struct Peers: ParsableArguments {
    @Option(
      name: .customLong("peer"),
      help:
        "HOST or HOST:PORT of a full node, besides the network file's; repeatable. Default 127.0.0.1."
    )
    var peers: [String] = []

    @Option(help: "Seconds to wait for the chain.")
    var timeout: UInt64 = 60

    /// The given peers and those of the network file.
    func addresses(_ place: Place) throws -> [(host: String, port: UInt16)] {
      let all = try given() + place.chainAndPeers().peers
      return all.isEmpty ? [("127.0.0.1", 0)] : all
    }

    private func given() throws -> [(host: String, port: UInt16)] {
      return try peers.map { text in
        // Port 0 means the network's default.
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

    /// Opens the wallet and syncs it with the chain.
    func synced(_ place: Place) throws -> WalletSession {
      let folder = try place.open()
      // A fully signed close is broadcast instead of a refund.
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

  /// Formats an amount in coins: 1.23456789.
  static func coins(_ amountSat: UInt64) -> String {
    let rest = String(amountSat % Amount.satPerCoin)
    return "\(amountSat / Amount.satPerCoin)."
      + String(repeating: "0", count: 8 - rest.count) + rest
  }
}
