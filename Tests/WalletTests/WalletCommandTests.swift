import Bitcoin
import Bytes
import Devnet
import Foundation
import Host
import Testing

@testable import Wallet

/// `zennet wallet …` as a person runs it, against a real node.
@Suite(.serialized)
final class WalletCommandTests {
  private static let program: String = {
    let beside = [Bundle.main.bundlePath, CommandLine.arguments[0]].map {
      Files.parent(of: $0) + "/zennet"
    }
    return beside.first { Files.exists($0) } ?? ".build/debug/zennet"
  }()

  private struct Answer {
    let status: Int32
    let output: String
    let errors: String

    func json() throws -> [String: Any] {
      try #require(try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any])
    }
  }

  private let scene: WalletScene

  init() throws { scene = try WalletScene() }

  private var devnet: RunningDevnet { scene.devnet }
  private var directory: String { scene.directory }

  private func wallet(_ action: String, _ more: String..., input: String = "") throws -> Answer {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: WalletCommandTests.program)
    process.arguments = ["wallet", action, "--data", directory + "/wallet"] + more
    let output = Pipe()
    let errors = Pipe()
    let stdin = Pipe()
    process.standardOutput = output
    process.standardError = errors
    process.standardInput = stdin
    try process.run()
    stdin.fileHandleForWriting.write(Data(input.utf8))
    try stdin.fileHandleForWriting.close()
    let text = output.fileHandleForReading.readDataToEndOfFile()
    let errorText = errors.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return Answer(
      status: process.terminationStatus, output: String(decoding: text, as: UTF8.self),
      errors: String(decoding: errorText, as: UTF8.self))
  }

  private var peer: String { "--peer=127.0.0.1:\(devnet.port)" }

  @Test func fromNewToHistory() throws {
    let made = try wallet("new", "--words", "24", "--json").json()
    let phrase = try #require(made["phrase"] as? String)
    #expect(phrase.split(separator: " ").count == 24)
    let address = try #require(made["address"] as? String)
    #expect(try wallet("address").output == address + "\n")
    let other = try wallet("address", "--new").output
    #expect(try wallet("address", "--new").output != other)

    try devnet.give(1_000_000, toAddress: address)
    try devnet.mine(1)
    let balance = try wallet("balance", peer, "--json").json()
    #expect(balance["spendable_sat"] as? Int == 1_000_000)
    #expect(balance["height"] as? UInt32 == (try devnet.height))

    let payee = try #require(
      Address.text(scriptPubKey: Script.p2wsh(witnessScript: [0x51]), network: .regtest))
    let sent = try wallet("send", payee, "250000", peer, "--fee-rate", "3", "--json").json()
    let shown = try #require(sent["txid"] as? String)
    let txid = try #require(Bytes32(hex: shown)).reversed
    try devnet.mine(1)
    #expect(try devnet.perform { node in node.chain.height(ofTransaction: txid) } != nil)
    let feeSat = try #require(sent["fee_sat"] as? Int)
    let virtualSize = try #require(sent["virtual_size"] as? Int)
    #expect(feeSat == 3 * virtualSize)

    let history = try wallet("history", peer, "--json").json()
    let rows = try #require(history["transactions"] as? [[String: Any]])
    #expect(rows.map { $0["received_sat"] as? Int } == [750_000 - feeSat, 1_000_000])
    #expect(rows[0]["txid"] as? String == txid.reversed.hex)
    #expect(rows.map { $0["kind"] as? String } == ["sent", "received"])
    // All that is left, to the sat.
    let swept = try wallet("send", payee, "all", peer, "--json").json()
    try devnet.mine(1)
    let last = try wallet("balance", peer, "--json").json()
    #expect(last["total_sat"] as? Int == 0)
    // What the node asks for at least, a tenth of a sat for a virtual byte.
    let sweptSize = try #require(swept["virtual_size"] as? Int)
    #expect(swept["fee_sat"] as? Int == (sweptSize + 9) / 10)
  }

  /// A channel holds coins, everything but the phrase is lost, the channel expires: the balance shows
  /// what is locked, and then takes it back.
  @Test func lockedCoinsAreShownAndTakenBack() throws {
    let made = try wallet("new", "--json").json()
    let phrase = try #require(made["phrase"] as? String)
    try devnet.give(1_000_000, toAddress: try #require(made["address"] as? String))
    try devnet.mine(1)
    let expiryHeight = try devnet.height + 10
    let channel = try fundChannel(expiryHeight: expiryHeight)
    try devnet.mine(1)

    try FileManager.default.removeItem(atPath: directory + "/wallet")
    #expect(try wallet("new", "--phrase-file", "-", input: phrase).status == 0)
    let balance = try wallet("balance", peer, "--json").json()
    #expect(balance["locked_sat"] as? Int == 100_000)
    let locked = try #require(balance["locked"] as? [[String: Any]])
    #expect(locked.count == 1)
    #expect(locked[0]["channel"] as? String == channel)
    #expect(locked[0]["capacity_sat"] as? Int == 100_000)
    #expect(locked[0]["expiry_height"] as? Int == Int(expiryHeight))
    #expect(locked[0]["funding_height"] as? UInt32 == (try devnet.height))
    #expect((balance["done"] as? [Any])?.isEmpty == true)
    let spendable = try #require(balance["spendable_sat"] as? Int)
    #expect(balance["total_sat"] as? Int == spendable)
    let text = try wallet("balance", peer).output
    #expect(text.contains("locked     0.00100000\n"))
    #expect(text.contains("  0.00100000  in \(channel), expires at height \(expiryHeight)\n"))
    #expect(try wallet("history", peer).output.contains("  funding of a channel\n"))

    try devnet.mine(expiryHeight - (try devnet.height))
    let due = try wallet("balance", peer, "--json")
    #expect(due.errors.contains("refunds 0.00100000 from the expired channel \(channel)"))
    let done = try #require(try due.json()["done"] as? [[String: Any]])
    #expect(done.map { $0["kind"] as? String } == ["refund"])
    #expect(done[0]["channel"] as? String == channel)
    let shown = try #require(done[0]["txid"] as? String)
    // A peer has it by now, and the next block as well.
    #expect(scene.hasInMempool(try #require(Bytes32(hex: shown)).reversed))
    try devnet.mine(1)
    let after = try wallet("balance", peer, "--json").json()
    #expect(after["locked_sat"] as? Int == 0)
    let feeSat = 100_000 + spendable - (after["spendable_sat"] as? Int ?? 0)
    #expect(feeSat > 0 && feeSat < 100)
    let history = try wallet("history", peer, "--json").json()
    let rows = try #require(history["transactions"] as? [[String: Any]])
    #expect(rows.map { $0["kind"] as? String } == ["refund", "funding", "received"])
    #expect(rows[0]["txid"] as? String == shown)
    #expect(rows[1]["channels"] as? Int == 1)
  }

  /// Opens the wallet as a run would, and funds a channel; how the channel is named.
  private func fundChannel(expiryHeight: UInt32) throws -> String {
    let folder = try WalletFolder(path: directory + "/wallet", network: .regtest)
    let session = try WalletScene.Session(folder, port: devnet.port)
    try session.sync(to: try devnet.height)
    var maker = ChannelMaker()
    let keys = try session.chainWallet.owner.takeChannelKeys(session.follower.client)
    let channel = try maker.channel(
      session.wallet, index: keys.index, capacitySat: 100_000, expiryHeight: expiryHeight)
    let funding = try session.chainWallet.fund([channel], feeRateSatPerKvB: 1000)
    try session.run { self.scene.hasInMempool(funding.txid) }
    let index = try #require(funding.outputs.firstIndex(of: channel.output))
    return "\(funding.txid.reversed.hex):\(index)"
  }

  @Test func mistakesAreNamed() throws {
    #expect(try wallet("address").errors.contains("no wallet here"))
    let words = [String](repeating: "abandon", count: 11)
    let wrong = try wallet(
      "new", "--phrase-file", "-", input: (words + ["zoo"]).joined(separator: " "))
    #expect(wrong.status == 1)
    #expect(wrong.errors.contains("checksum does not match"))
    let restored = try wallet(
      "new", "--phrase-file", "-", "--json", input: (words + ["about"]).joined(separator: " "))
    #expect(try restored.json()["phrase"] == nil)
    #expect(try wallet("new").errors.contains("a wallet exists here already"))

    let address = try wallet("address").output.trimmingCharacters(in: .newlines)
    let poor = try wallet("send", address, "1000", peer)
    #expect(poor.status == 1)
    #expect(
      poor.errors == "zennet wallet: 1012 sat are needed with the fee, 0 sat can be spent now\n")
    var typo = Array(address)
    typo[20] = typo[20] == "q" ? "p" : "q"
    #expect(try wallet("send", String(typo), "1000", peer).errors.contains("checksum"))
    typo[20] = "b"
    #expect(try wallet("send", String(typo), "1000", peer).errors.contains("character 21"))
    #expect(try wallet("send", address, "12.5", peer).errors.contains("number of sat"))
    let rate = try wallet("send", address, "1000", peer, "--fee-rate", "1.2345")
    #expect(rate.errors.contains("three decimals"))
    let absurd = try wallet("send", address, "1000", peer, "--fee-rate", "0.01")
    #expect(absurd.errors.contains("0.01 sat/vB is outside 0.1 sat/vB to 10000 sat/vB"))
    #expect(try wallet("balance", "--network", "nonsense").errors.contains("nonsense"))
    #expect(try wallet("balance", "--network", "signet").errors.contains("another network"))
    let silent = try wallet("balance", "--peer", "127.0.0.1:1", "--timeout", "1")
    #expect(silent.status == 1)
    #expect(silent.errors.contains("no peer answers"))
  }
}
