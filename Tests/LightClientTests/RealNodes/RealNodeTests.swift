import Bitcoin
import Bytes
import Foundation
import Host
import LightClient
import TestSupport
import Testing

extension BitcoinNode {
  var tip: Bytes32 {
    get throws { try #require(Bytes32(hex: try tipHash)).reversed }
  }
}

extension LiveClient {
  /// Level with the node, filters too.
  func isLevel(with node: BitcoinNode) throws -> Bool {
    try node.waitForFilters()
    let tip = try node.tip
    return try run { $0.follower.client.isSynced && $0.follower.client.tipHash == tip }
  }

  var stalls: [StallReason] {
    events.compactMap { event in
      if case .stalled(let reason) = event { return reason }
      return nil
    }
  }

  var bans: [LightClientEvent] {
    events.filter { event in
      if case .peerMisbehaved = event { return true }
      return false
    }
  }
}

/// The light client against Bitcoin Core itself, on regtest.
@Suite(.serialized, .enabled(if: BitcoinNode.isHere, "\(BitcoinNode.missing)"))
struct RealNodeTests {
  private let folder: TemporaryFolder
  private let script = Script.p2wsh(witnessScript: [0x51])
  private let address: String
  private let otherAddress: String

  init() throws {
    folder = try TemporaryFolder()
    address = try #require(Address.text(scriptPubKey: script, network: .regtest))
    otherAddress = try #require(
      Address.text(
        scriptPubKey: Script.p2wsh(witnessScript: [0x52]), network: .regtest))
  }

  private func node(
    _ name: String, servesFilters: Bool = true, options: [String] = []
  ) throws -> BitcoinNode {
    try BitcoinNode(
      folder: try folder.sub(name), servesFilters: servesFilters, options: options)
  }

  private func client(
    _ nodes: [BitcoinNode], _ name: String = "client", watchesMempool: Bool? = nil
  ) throws -> LiveClient {
    try LiveClient(
      ports: nodes.map(\.port), folder: try folder.sub(name), watchesMempool: watchesMempool)
  }

  /// A client that looks for `script` and is level with the node, which is the only one.
  private func levelClient(_ node: BitcoinNode) throws -> LiveClient {
    let client = try client([node])
    client.follower.watch(script, fromHeight: 1)
    #expect(try client.isLevel(with: node))
    return client
  }

  /// More headers than a list holds, filters, blocks that match; the client starts again from its
  /// disk, the node starts again under the client.
  @Test func syncsAndOutlivesRestarts() throws {
    let node = try node("node")
    try node.mine(2100, to: otherAddress)
    try node.mine(3, to: address)
    try node.mine(20, to: otherAddress)
    do {
      let client = try levelClient(node)
      #expect(client.matchedHeights == [2101, 2102, 2103])
      #expect(client.bans.isEmpty)
    }
    let client = try client([node])
    #expect(client.follower.client.tipHeight == 2123)
    client.follower.watch(script, fromHeight: 2103)
    #expect(try client.isLevel(with: node))
    #expect(client.matchedHeights == [2103])

    node.stop()
    #expect(try client.run { $0.stalls.contains(.noPeers) })
    try node.start()
    try node.mine(1, to: address)
    #expect(try client.isLevel(with: node))
    #expect(client.matchedHeights == [2103, 2124])
    #expect(client.bans.isEmpty)
  }

  /// `invalidateblock` takes blocks away, and others come in their place.
  @Test func followsReorganisations() throws {
    let node = try node("node")
    try node.mine(110, to: otherAddress)
    try node.mine(2, to: address)
    let client = try levelClient(node)
    #expect(client.matchedHeights == [111, 112])
    for depth: UInt32 in [1, 6, 40] {
      client.forgetEvents()
      let height = try node.height
      // Elsewhere than those before, or it would be the same blocks that were just taken away.
      let elsewhere = try #require(
        Address.text(
          scriptPubKey: Script.p2wsh(witnessScript: [0x51, UInt8(depth)]), network: .regtest))
      try node.call("invalidateblock", [try node.hash(at: height - depth + 1)])
      #expect(try node.height == height - depth)
      try node.mine(Int(depth), to: elsewhere)
      try node.mine(1, to: address)
      #expect(try client.isLevel(with: node))
      #expect(
        client.events.contains(.blocksDisconnected(fromHeight: height, toHeight: height - depth)))
      #expect(client.matchedHeights == [height + 1])
      #expect(client.bans.isEmpty)
    }
  }

  /// A heavier chain that parts below what is kept: nothing of it is followed, whoever tells it is no
  /// liar, and what to do is said.
  @Test func beyondTheWindowItStopsWithAdvice() throws {
    let node = try node("node")
    try node.mine(2_800, to: otherAddress)
    let other = try self.node("other")
    try other.mine(2_801, to: address)
    do {
      let client = try LiveClient(
        ports: [node.port], folder: try folder.sub("client"), windowHeaders: 2_200)
      client.follower.watch(script, fromHeight: 1)
      #expect(try client.isLevel(with: node))
      #expect(client.follower.client.baseHeight > 0)
    }
    let client = try client([other])
    #expect(try client.run { $0.stalls.contains(.reorganisationTooDeep) })
    #expect(StallReason.reorganisationTooDeep.message.contains("delete the chain data"))
    #expect(client.follower.client.tipHash == (try node.tip))
    #expect(!client.follower.client.isSynced && client.bans.isEmpty)
    // With somebody on the known chain beside it the client goes on there.
    let both = try LiveClient(ports: [other.port, node.port], folder: try folder.sub("both"))
    #expect(try both.run { $0.follower.client.tipHeight == 2_801 && $0.follower.client.isSynced })
  }

  /// Two nodes part ways, each is heard; when they agree again the client is on their chain, and
  /// none of them was banned for having followed the other one.
  @Test func twoNodesPartAndAgreeAgain() throws {
    let first = try node("first")
    let second = try node("second")
    try first.mine(105, to: otherAddress)
    try second.call("addnode", ["127.0.0.1:\(first.port)", "onetry"])
    #expect(eventually { try second.tipHash == first.tipHash })
    let client = try client([first, second])
    client.follower.watch(script, fromHeight: 1)
    #expect(try client.isLevel(with: second))

    try second.call("disconnectnode", ["127.0.0.1:\(first.port)"])
    try first.mine(2, to: otherAddress)
    try second.mine(3, to: address)
    #expect(try client.isLevel(with: second))
    #expect(client.matchedHeights == [106, 107, 108])
    try first.mine(2, to: otherAddress)
    #expect(try client.isLevel(with: first))
    #expect(client.events.contains(.blocksDisconnected(fromHeight: 108, toHeight: 105)))
    try second.call("addnode", ["127.0.0.1:\(first.port)", "onetry"])
    #expect(eventually { try second.tipHash == first.tipHash })
    try second.mine(1, to: address)
    #expect(try client.isLevel(with: second))
    #expect(client.matchedHeights == [106, 107, 108, 110])
    #expect(client.bans.isEmpty)
  }

  private func eventually(_ isSo: () throws -> Bool) -> Bool {
    let end = Date(timeIntervalSinceNow: 30)
    while Date() < end {
      if (try? isSo()) == true { return true }
      Thread.sleep(forTimeInterval: 0.05)
    }
    return false
  }

  /// A pruned node serves headers and filters, and no old blocks: with it alone that is said, with a
  /// full node beside it the blocks come from there.
  @Test func prunedNodesGiveWhatTheyHave() throws {
    let full = try node("full")
    let pruned = try node("pruned", options: ["-prune=1", "-fastprune"])
    try full.mine(1, to: address)
    try full.mine(999, to: otherAddress)
    try full.mine(1, to: address)
    try pruned.call("addnode", ["127.0.0.1:\(full.port)", "onetry"])
    #expect(eventually { try pruned.tipHash == full.tipHash })
    try pruned.waitForFilters()
    try pruned.call("pruneblockchain", [600])
    let below = try #require(try pruned.call("getblockchaininfo") as? [String: Any])
    #expect((below["pruneheight"] as? NSNumber)?.intValue ?? 0 > 1)

    let alone = try client([pruned], "alone")
    alone.follower.watch(script, fromHeight: 1)
    #expect(try alone.run { $0.stalls.contains(.blockUnavailable(height: 1)) })
    #expect(alone.bans.isEmpty)

    let both = try client([pruned, full], "both")
    both.follower.watch(script, fromHeight: 1)
    #expect(try both.isLevel(with: full))
    #expect(both.matchedHeights == [1, 1001])
    #expect(both.bans.isEmpty)
  }

  /// A node that serves no filters is known for it at once, kept for its headers, and no hindrance.
  @Test func nodesWithoutFiltersAreToldApart() throws {
    let bare = try node("bare", servesFilters: false)
    let full = try node("full")
    try full.mine(101, to: otherAddress)
    try full.mine(1, to: address)
    try bare.call("addnode", ["127.0.0.1:\(full.port)", "onetry"])
    #expect(eventually { try bare.tipHash == full.tipHash })
    let alone = try client([bare], "alone")
    alone.follower.watch(script, fromHeight: 1)
    #expect(try alone.run { $0.stalls.contains(.noFilters) && $0.follower.client.tipHeight == 102 })
    let both = try client([bare, full], "both")
    both.follower.watch(script, fromHeight: 1)
    #expect(try both.isLevel(with: full))
    #expect(both.matchedHeights == [102])
    #expect(alone.bans.isEmpty && both.bans.isEmpty)
  }

  /// Asked for addresses, a node answers by BIP155, and that is no offence.
  @Test func addressesComeAsAddrV2() throws {
    let node = try node("node")
    try node.mine(1, to: otherAddress)
    for group in 1...40 { try node.call("addpeeraddress", ["11.\(group).0.1", 8333]) }
    let client = try LiveClient(
      ports: [node.port], folder: try folder.sub("client"), usesGossip: true)
    #expect(try client.isLevel(with: node))
    #expect(
      eventually {
        let peers = try node.call("getpeerinfo") as? [[String: Any]]
        let sent = peers?.first?["bytessent_per_msg"] as? [String: NSNumber]
        return (sent?["addrv2"]?.intValue ?? 0) > 40
      })
    try node.mine(1, to: otherAddress)
    #expect(try client.isLevel(with: node))
    #expect(client.bans.isEmpty)
  }

  /// Our transaction goes through a real mempool into a block; a reorganisation takes it out, and
  /// what spends the same coin instead is told.
  @Test func relaysAndSeesConflicts() throws {
    let node = try node("node")
    try node.mine(1, to: address)
    try node.mine(100, to: otherAddress)
    let client = try levelClient(node)
    guard
      case .blockMatched(_, let block)? = client.events.first(where: {
        if case .blockMatched = $0 { return true }
        return false
      })
    else {
      Issue.record("the payment was not found")
      return
    }
    let coin = OutPoint(txid: block.transactions[0].txid, index: 0)
    let ours = spend(coin, feeSat: 1000)
    client.follower.broadcast(ours)
    #expect(try client.run { $0.events.contains(.transactionRelayed(txid: ours.txid, peers: 1)) })
    #expect(eventually { (try node.call("getrawmempool") as? [String])?.count == 1 })
    try node.mine(1, to: otherAddress)
    #expect(
      try client.run {
        $0.events.contains(.transactionConfirmed(txid: ours.txid, height: 102))
      })
    // Another spends the coin, in a chain that is longer.
    try node.call("invalidateblock", [try node.hash(at: 102)])
    let other = spend(coin, feeSat: 9000).bytes().map { String(format: "%02x", $0) }.joined()
    try node.call("generateblock", [otherAddress, [other]])
    try node.call("generateblock", [otherAddress, [String]()])
    #expect(
      try client.run {
        $0.events.contains {
          if case .transactionConflicted(ours.txid, _, 102) = $0 { return true }
          return false
        }
      })
    #expect(client.bans.isEmpty)
  }

  private func spend(_ coin: OutPoint, feeSat: UInt64) -> Transaction {
    Transaction(
      inputs: [TransactionInput(previous: coin, witness: [[0x51]])],
      outputs: [
        TransactionOutput(
          amountSat: 50 * Amount.satPerCoin - feeSat,
          scriptPubKey: Script.p2wsh(witnessScript: [0x53]))
      ])
  }
}
