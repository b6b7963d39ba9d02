import Bitcoin
import Bytes
import Foundation
import Ini
import Testing

@testable import ChainFollower

/// What a network file may say, and how what is wrong with it is told.
@Suite struct NetworkFileTests {
  private static let key =
    "21" + "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
  private static let other =
    "21" + "02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5"

  private func parse(_ text: String) throws(ConfigurationError) -> NetworkFile {
    try NetworkFile.parse(Array(text.utf8), file: "zen.network")
  }

  private func message(_ text: String) -> String {
    do throws(ConfigurationError) {
      _ = try parse(text)
      return "taken"
    } catch { return error.message }
  }

  @Test func theExampleIsRight() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let text = try Data(contentsOf: root.appendingPathComponent("firmware-notes/example.network"))
    let file = try NetworkFile.parse(Array(text), file: "example.network")
    #expect(file.network.nameText == "zen" && file.network.rules == .signet)
    #expect(file.network.signetChallenge?.count == 34)
    #expect(
      file.peers.map { String(decoding: $0.host, as: UTF8.self) } == [
        "node1.example.org", "node2.example.org",
      ])
    #expect(file.peers.map(\.port) == [0, 38333])
    #expect(file.network.checkpoint == nil)
  }

  @Test func theChallengeDecidesTheMagic() throws {
    let file = try parse("[network]\nname = zen-1\nchallenge = 51")
    #expect(file.network.magic == [0x54, 0xd2, 0x6f, 0xbd])
    #expect(file.network.genesis == Network.signet.genesis)
    #expect(file.peers.isEmpty)
  }

  @Test func aLongChallengeGoesOnInIndentedLines() throws {
    let whole = "51" + Self.key + Self.other + "52ae"
    let file = try parse(
      "[network]\nname = zen\nchallenge = \(whole.prefix(60))\n  \(whole.dropFirst(60))")
    #expect(file.network.signetChallenge.map { Hex.encode($0) } == whole)
  }

  @Test func aCheckpointIsWhereTheChainBegins() throws {
    let genesis = Network.signet.genesis
    var header = genesis
    header.time += 600
    // Found by trying: a signet's least work is a few million hashes.
    header.nonce = 54_230_461
    let text = """
      [network]
      name = zen
      challenge = \(Self.key)ac
      [checkpoint]
      height = 2016
      header = \(Hex.encode(header.bytes))
      work = 0000000000000000000000000000000000000000000000000000000300000000
      filter_header = \(String(repeating: "ab", count: 31) + "01")
      """
    let network = try parse(text).network
    #expect(network.checkpoint?.height == 2016)
    #expect(network.checkpoint?.header == header)
    #expect(network.minimumChainWork == network.checkpoint?.work)
    #expect(network.checkpoint?.filterHeader?[0] == 1)
    for (old, new, complaint) in [
      (
        "height = 2016", "height = 2017", "zen.network:5: checkpoint.height: not a multiple of 2016"
      ),
      ("height = 2016", "height = -1", "zen.network:5: checkpoint.height: expected a height"),
      ("height = 2016\n", "", "zen.network: checkpoint.height: is missing"),
      ("000000000300000000", "000000000000000001", "zen.network:7: checkpoint.work: less than"),
      ("abab01", "abab", "zen.network:8: checkpoint.filter_header: expected"),
      (
        Hex.encode(header.bytes), Hex.encode(genesis.bytes),
        "zen.network:6: checkpoint.header: older than the genesis block"
      ),
      (
        Hex.encode(header.bytes), Hex.encode(Network.regtest.genesis.bytes),
        "zen.network:6: checkpoint.header: a header's target is outside"
      ),
    ] {
      let told = message(text.replacingOccurrences(of: old, with: new))
      #expect(told.hasPrefix(complaint), "\(told)")
    }
  }

  /// Challenges that the rules cannot carry are refused when the file is read, with the reason.
  @Test func challengesThatWouldNotHold() {
    let taproot = "5120" + String(repeating: "11", count: 32)
    let locked = "03a08601b175" + Self.key + "ac"
    let sequence = "0140b275" + Self.key + "ac"
    for (challenge, complaint) in [
      (taproot, "signets do not enforce taproot"), (locked, "time locks (CLTV, CSV)"),
      (sequence, "time locks (CLTV, CSV)"), ("6a", "OP_RETURN can never be satisfied"),
      ("6a04deadbeef", "OP_RETURN can never be satisfied"),
      ("0014" + String(repeating: "11", count: 20), "a signet's challenge must be"),
      ("a914" + String(repeating: "11", count: 20) + "87", "a signet's challenge must be"),
      ("52" + Self.key + "51ae", "a signet's challenge must be"),
      // Not a point of the curve: nobody could ever sign.
      ("2102" + String(repeating: "ff", count: 32) + "ac", "a signet's challenge must be"),
      ("zz", "expected a script in hexadecimal"), ("5", "expected a script in hexadecimal"),
    ] {
      let told = message("[network]\nname = zen\nchallenge = \(challenge)")
      #expect(told.hasPrefix("zen.network:3: network.challenge: " + complaint), "\(told)")
    }
    let big = (0..<14).map { _ in "\n  " + String(repeating: "51", count: 90) }.joined()
    #expect(message("[network]\nname = zen\nchallenge = 51\(big)").contains("too large"))
  }

  @Test func whatAHashHidesIsShownAndChecked() throws {
    // SHA-256 of the script, by the module under whose rules it is checked.
    let script = [UInt8](Hex.decode(Self.key + "ac") ?? [])
    let challenge = Hex.encode(Script.p2wsh(witnessScript: script))
    let head = "[network]\nname = zen\nchallenge = \(challenge)\n"
    _ = try parse(head + "witness_script = \(Self.key)ac")
    #expect(message(head).hasPrefix("zen.network: network.witness_script: is missing"))
    #expect(
      message(head + "witness_script = \(Self.other)ac")
        .hasPrefix("zen.network:4: network.witness_script: not the script"))
    let locked = [UInt8](Hex.decode("03a08601b175" + Self.key + "ac") ?? [])
    #expect(
      message(
        "[network]\nname = zen\nchallenge = \(Hex.encode(Script.p2wsh(witnessScript: locked)))\n"
          + "witness_script = \(Hex.encode(locked))"
      ).hasPrefix("zen.network:4: network.witness_script: time locks"))
    #expect(
      message("[network]\nname = zen\nchallenge = 51\nwitness_script = 51").hasPrefix(
        "zen.network:4: network.witness_script: belongs to a P2WSH challenge only"))
  }

  @Test func otherMistakes() {
    #expect(message("").hasPrefix("zen.network: network.name: is missing"))
    #expect(
      message("[network]\nname = zen").hasPrefix("zen.network: network.challenge: is missing"))
    #expect(
      message("[network]\nname = signet\nchallenge = 51")
        .hasPrefix("zen.network:2: network.name: a network of this name exists already"))
    #expect(
      message("[network]\nname = a b\nchallenge = 51").hasPrefix("zen.network:2: network.name: "))
    #expect(
      message("[network]\nname = zen\nname = zen").hasPrefix(
        "zen.network:3: network.name: is given twice"))
    #expect(
      message("[network]\nport = 1").hasPrefix("zen.network:2: network.port: no such key"))
    #expect(
      message("[network]\npeer = host:99999").hasPrefix("zen.network:2: network.peer: expected"))
    #expect(message("network\n").hasPrefix("zen.network:1: "))
  }
}
