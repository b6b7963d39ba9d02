import Bitcoin
import Bytes
import Channel
import Foundation
import TestSupport
import Testing

@testable import Wallet

/// Every kind of transaction that a wallet makes, judged by Bitcoin Core: `testmempoolaccept`.
@Suite(.serialized, .enabled(if: BitcoinNode.isHere, "\(BitcoinNode.missing)"))
final class WalletCoreTests: WalletFixtures {
  private let folder = NSTemporaryDirectory() + "zennet-wallet-core-\(UUID().uuidString)"
  private let node: BitcoinNode
  private var scanned: UInt32 = 0

  init() throws {
    node = try BitcoinNode(folder: folder, servesFilters: false)
  }

  deinit {
    node.stop()
    try? FileManager.default.removeItem(atPath: folder)
  }

  private func address(_ script: [UInt8]) throws -> String {
    try #require(Address.text(scriptPubKey: script, network: .regtest))
  }

  private func mine(_ count: Int, _ wallet: inout Wallet, to script: [UInt8]? = nil) throws {
    try node.mine(count, to: address(script ?? foreignScript(7)))
    while scanned < (try node.height) {
      scanned += 1
      let hash = try node.hash(at: scanned)
      let text = try #require(try node.call("getblock", [hash, 0]) as? String)
      var reader = ByteReader(try #require(Hex.decode(text)))
      let block = try Block.decode(&reader)
      _ = try wallet.blockConnected(height: scanned, block: block)
      wallet.blockScanned(height: scanned, hash: block.hash)
    }
  }

  /// Why the node refuses it; nil where it takes it.
  private func objection(_ transaction: Transaction) throws -> String? {
    let text = Hex.encode(transaction.bytes())
    let verdicts = try node.call("testmempoolaccept", [[text]]) as? [[String: Any]]
    let verdict = try #require(verdicts?.first)
    if verdict["allowed"] as? Bool != true { return verdict["reject-reason"] as? String ?? "" }
    try node.call("sendrawtransaction", [text])
    return nil
  }

  @Test func everyKindIsAccepted() throws {
    var wallet = try makeWallet()
    var maker = ChannelMaker()
    try mine(1, &wallet, to: wallet.receiveScript)
    try mine(100, &wallet)
    let channels = try (0..<5).map { _ in
      try maker.channel(wallet, index: try wallet.takeChannelIndex(), expiryHeight: 110)
    }
    let funding = try wallet.buildFunding(channels, feeRateSatPerKvB: 1000, random: .zero)
    #expect(try objection(funding) == nil)
    // A child of the funding's change.
    let paid = try wallet.buildTransaction(
      outputs: [output(10_000)], feeRateSatPerKvB: 1000, random: .zero)
    #expect(try objection(paid) == nil)
    try mine(1, &wallet)
    let index = try #require(funding.outputs.firstIndex(of: channels[0].output))
    let close = try maker.close(
      channels[0], wallet, funding: OutPoint(txid: funding.txid, index: UInt32(index)),
      amountSat: 12_000)
    #expect(try objection(close) == nil)
    // What it returns waits for a block.
    _ = try wallet.transactionSeen(close)
    let coin = try #require(wallet.unspentCoins.first { $0.path.chain == .closeReturn })
    var early = wallet
    let child = try early.buildChild(of: [coin], feeSat: 500, random: .zero)
    #expect(try objection(child) == "non-BIP68-final")
    try mine(1, &wallet)
    let channel = try #require(wallet.lockedChannels.first)
    var impatient = wallet
    let tooEarly = try impatient.buildRefund(of: channel, feeRateSatPerKvB: 1000)
    #expect(try objection(tooEarly) == "non-final")
    try mine(10, &wallet)
    let deeds = try wallet.takeDue(
      heldCloses: [:], feeRateSatPerKvB: 1000, random: { Bytes32.zero })
    #expect(deeds.count == 4)
    for deed in deeds { #expect(try objection(deed.transaction) == nil) }
    try mine(1, &wallet)
    #expect(wallet.balance.lockedSat == 0)
    // Both kinds of input.
    let swept = try wallet.buildSweep(
      to: foreignScript(1), feeRateSatPerKvB: 1000, random: .zero)
    #expect(swept.inputs.contains { $0.sequence == 1 })
    #expect(try objection(swept) == nil)
    try mine(1, &wallet)
    #expect(wallet.balance == WalletBalance())
  }
}
