import Bytes
import Foundation
import Testing

@testable import Devnet

/// `bdk_client.py` as a child process: a line in, a line of JSON out.
private final class BdkClient {
  struct Failure: Error {
    let text: String
  }

  static let modules =
    (ProcessInfo.processInfo.environment["XDG_CACHE_HOME"] ?? NSHomeDirectory() + "/.cache")
    + "/zennet/python"
  static var isPresent: Bool { FileManager.default.fileExists(atPath: modules + "/bdkpython") }

  private let process = Process()
  private let input = Pipe()
  private let output = Pipe()

  init(port: UInt16, folder: String) throws {
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("bdk_client.py")
    process.executableURL = URL(fileURLWithPath: "/usr/bin/python3")
    process.arguments = [script.path, String(port), folder]
    process.environment = ProcessInfo.processInfo.environment.merging(
      ["PYTHONPATH": BdkClient.modules, "PYTHONDONTWRITEBYTECODE": "1"]
    ) { $1 }
    process.standardInput = input
    process.standardOutput = output
    try process.run()
  }

  deinit {
    try? input.fileHandleForWriting.close()
    // A client that waits for a block that never comes must not outlive the test.
    process.terminate()
    process.waitUntilExit()
  }

  func ask(_ line: String) throws -> [String: Any] {
    try input.fileHandleForWriting.write(contentsOf: Data((line + "\n").utf8))
    var answer = Data()
    while answer.last != 0x0a {
      let more = output.fileHandleForReading.availableData
      if more.isEmpty { throw Failure(text: "the client ended on: \(line)") }
      answer += more
    }
    return try #require(try JSONSerialization.jsonObject(with: answer) as? [String: Any])
  }

  func sync(with devnet: RunningDevnet) throws -> [String: Int] {
    let answer = try ask("sync \(devnet.height) \(devnet.tipHash.reversed.hex)")
    return answer.compactMapValues { $0 as? Int }
  }
}

/// BDK's light client (bdkpython) against the node. Needs scripts/setup; skipped loudly without.
///
/// The chain changes only while the client is in step: its filter sync gives up when a block comes
/// in the middle of it ("could not find the filter hash corresponding to that stop hash").
@Suite(.enabled(if: BdkClient.isPresent, "bdkpython missing: run scripts/setup"))
struct IndependentClientTests {
  @Test(.timeLimit(.minutes(3))) func seesTheRightBalance() throws {
    let folder = try ScratchFolder()
    let devnet = try RunningDevnet(DevnetOptions(directory: folder.path + "/node"))
    let client = try BdkClient(port: devnet.port, folder: folder.path + "/client")
    let address = try #require(try client.ask("address")["address"] as? String)
    #expect(try client.sync(with: devnet)["confirmed"] == 0)

    // Filters lead it to the payment.
    try devnet.give(5_000_000, toAddress: address)
    try devnet.mine(1)
    var state = try client.sync(with: devnet)
    #expect(state["confirmed"] == 5_000_000)
    #expect(state["transactions"] == 1)
    try devnet.mine(3)
    state = try client.sync(with: devnet)
    #expect(state["height"] == 105)
    #expect(state["confirmed"] == 5_000_000)

    // Its own payment is taken from it and confirmed.
    let sent = try client.ask("send bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080 100000")
    let txid = try #require((sent["txid"] as? String).flatMap { Bytes32(hex: $0) }).reversed
    while try devnet.transaction(txid) == nil { Thread.sleep(forTimeInterval: 0.02) }
    try devnet.mine(1)
    let payment = try #require(try devnet.transaction(txid))
    #expect(payment.height == 106)
    let left = payment.transaction.outputs.map(\.amountSat).filter { $0 != 100_000 }
    state = try client.sync(with: devnet)
    #expect(state["confirmed"] == left.first.map(Int.init))

    // It follows a reorganisation: the payment waits again, then is in another block.
    try devnet.reorganize(depth: 2)
    #expect(try devnet.transaction(txid)?.height == nil)
    state = try client.sync(with: devnet)
    #expect(state["height"] == 107)
    #expect(state["confirmed"] == 0)
    try devnet.mine(1)
    state = try client.sync(with: devnet)
    #expect(state["height"] == 108)
    #expect(state["confirmed"] == left.first.map(Int.init))
    try devnet.stop()
  }
}
