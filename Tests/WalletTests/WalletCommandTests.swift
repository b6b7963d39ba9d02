import Bitcoin
import Bytes
import Devnet
import Foundation
import Host
import Testing

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

  private let directory = NSTemporaryDirectory() + "zennet-wallet-\(UUID().uuidString)"
  private let devnet: RunningDevnet

  init() throws {
    var options = DevnetOptions(directory: directory + "/node")
    options.port = 0
    devnet = try RunningDevnet(options)
    try devnet.mine(1)
  }

  deinit {
    try? devnet.stop()
    try? FileManager.default.removeItem(atPath: directory)
  }

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

  @Test func mistakesAreNamed() throws {
    #expect(try wallet("address").errors.contains("no wallet is here"))
    let words = [String](repeating: "abandon", count: 11)
    let wrong = try wallet(
      "new", "--phrase-file", "-", input: (words + ["zoo"]).joined(separator: " "))
    #expect(wrong.status == 1)
    #expect(wrong.errors.contains("checksum does not fit"))
    let restored = try wallet(
      "new", "--phrase-file", "-", "--json", input: (words + ["about"]).joined(separator: " "))
    #expect(try restored.json()["phrase"] == nil)
    #expect(try wallet("new").errors.contains("a wallet is here already"))

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
    #expect(try wallet("balance", "--network", "nonsense").errors.contains("nonsense"))
    #expect(try wallet("balance", "--network", "signet").errors.contains("another network"))
    let silent = try wallet("balance", "--peer", "127.0.0.1:1", "--timeout", "1")
    #expect(silent.status == 1)
    #expect(silent.errors.contains("no peer answers"))
  }
}
