import Bitcoin
import Bytes
import Channel
import Foundation
import TestSupport
import Testing

@testable import Devnet

/// A folder that goes with the value.
final class TemporaryFolder {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "zennet-channel-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// The devnet's node: libbitcoinkernel's chain under the devnet's relay policy.
private final class DevnetJudge: TransactionJudge {
  // In this order, so that the node goes before its folder does.
  private let node: DevnetNode
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    var options = DevnetOptions(directory: folder.path)
    options.hasControlSocket = false
    node = try DevnetNode(options)
  }

  func coin() throws -> (point: OutPoint, amountSat: UInt64) {
    let txid = try node.give(2_000_000, to: Script.p2wsh(witnessScript: [0x51]))
    try node.mine(1)
    return (OutPoint(txid: txid, index: 0), 2_000_000)
  }

  func objection(to transaction: Transaction) throws -> String? {
    do throws(TransactionRejection) {
      try node.submit(transaction)
      return nil
    } catch { return error.message }
  }

  func takesBlock(of transactions: [Transaction]) throws -> Bool {
    let block = BlockMaker.make(
      BlockMaker.Template(
        previous: node.chain.tipHash, height: node.chain.height + 1,
        time: node.chain.tipHeader.time + 1, payout: Script.p2wsh(witnessScript: [0x51]),
        transactions: transactions))
    try? node.submit(block: block)
    return node.chain.tipHash == block.header.hash
  }

  func mine(_ count: Int) throws { try node.mine(UInt32(count)) }
  func height() throws -> UInt32 { node.chain.height }

  func isConfirmed(_ transaction: Transaction) throws -> Bool {
    node.chain.height(ofTransaction: transaction.txid) != nil
  }
}

/// Every kind of transaction, judged by the devnet's node.
struct ChannelOnChainTests {
  private let story: ChannelStory

  init() throws { story = ChannelStory(judge: try DevnetJudge()) }

  @Test func closesClimbAndCannotBePinned() throws { try story.closesClimbAndCannotBePinned() }
  @Test func ownerMayPayForItsClose() throws { try story.ownerMayPayForItsClose() }
  @Test func refundsFromTheExpiryOn() throws { try story.refundsFromTheExpiryOn() }
  @Test func highSIsNotRelayed() throws { try story.highSIsNotRelayed() }
}

/// Bitcoin Core's own node, on regtest.
private final class CoreJudge: TransactionJudge {
  // In this order, so that the node goes before its folder does.
  private let node: BitcoinNode
  private let folder: TemporaryFolder
  private let address: String
  private var used: UInt32 = 0

  init() throws {
    folder = try TemporaryFolder()
    node = try BitcoinNode(folder: folder.path, servesFilters: false, options: ["-txindex=1"])
    address = try #require(
      Address.text(scriptPubKey: Script.p2wsh(witnessScript: [0x51]), network: .regtest))
    try node.mine(110, to: address)
  }

  private func hex(_ transaction: Transaction) -> String { Hex.encode(transaction.bytes()) }

  /// The coinbase of one more of the first blocks.
  func coin() throws -> (point: OutPoint, amountSat: UInt64) {
    used += 1
    let raw = try #require(try node.call("getblock", [try node.hash(at: used), 0]) as? String)
    let block = try Block.decode(try #require(Hex.decode(raw)))
    let coinbase = block.transactions[0]
    return (OutPoint(txid: coinbase.txid, index: 0), coinbase.outputs[0].amountSat)
  }

  /// The dry run and the real thing agree.
  func objection(to transaction: Transaction) throws -> String? {
    let verdicts = try node.call("testmempoolaccept", [[hex(transaction)]]) as? [[String: Any]]
    let verdict = try #require(verdicts?.first)
    let reason = verdict["reject-reason"] as? String ?? "no reason"
    let isAllowed = verdict["allowed"] as? Bool == true
    let isTaken = (try? node.call("sendrawtransaction", [hex(transaction)])) != nil
    #expect(isTaken == isAllowed)
    return isAllowed ? nil : reason
  }

  func takesBlock(of transactions: [Transaction]) throws -> Bool {
    (try? node.call("generateblock", [address, transactions.map(hex)])) != nil
  }

  func mine(_ count: Int) throws { try node.mine(count, to: address) }
  func height() throws -> UInt32 { try node.height }

  func isConfirmed(_ transaction: Transaction) throws -> Bool {
    let txid = transaction.txid.reversed.hex
    let found = try? node.call("getrawtransaction", [txid, 1]) as? [String: Any]
    return (found?["confirmations"] as? NSNumber)?.intValue ?? 0 > 0
  }
}

/// The same, judged by Bitcoin Core: `testmempoolaccept`, and blocks.
@Suite(.serialized, .enabled(if: BitcoinNode.isHere, "\(BitcoinNode.missing)"))
struct ChannelCoreTests {
  private let story: ChannelStory

  init() throws { story = ChannelStory(judge: try CoreJudge()) }

  @Test func closesClimbAndCannotBePinned() throws { try story.closesClimbAndCannotBePinned() }
  @Test func ownerMayPayForItsClose() throws { try story.ownerMayPayForItsClose() }
  @Test func refundsFromTheExpiryOn() throws { try story.refundsFromTheExpiryOn() }
  @Test func highSIsNotRelayed() throws { try story.highSIsNotRelayed() }
}
