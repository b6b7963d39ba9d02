import Bitcoin
import Bytes
import Foundation
import LightClient
import TestSupport
import Testing

/// Relay to and from Bitcoin Core itself, which gives an inbound peer a transaction only after its
/// turn to hear of it.
@Suite(.serialized, .enabled(if: BitcoinNode.isHere, "\(BitcoinNode.missing)"))
struct RealRelayTests {
  private let folder: TemporaryFolder
  /// Anybody can spend it.
  private let script = Script.p2wsh(witnessScript: [0x51])
  private let address: String
  private let otherAddress: String

  init() throws {
    folder = try TemporaryFolder()
    address = try #require(Address.text(scriptPubKey: script, network: .regtest))
    otherAddress = try #require(
      Address.text(scriptPubKey: Script.p2wsh(witnessScript: [0x52]), network: .regtest))
  }

  /// A node with coins to spend, of the first `count` blocks.
  private func node(
    coins count: Int, options: [String] = []
  ) throws -> (node: BitcoinNode, coins: [OutPoint]) {
    let node = try BitcoinNode(folder: try folder.sub("node"), options: options)
    let hashes = try node.mine(count, to: address)
    try node.mine(100, to: otherAddress)
    var coins: [OutPoint] = []
    for hash in hashes {
      let block = try #require(try node.call("getblock", [hash]) as? [String: Any])
      let txids = try #require(block["tx"] as? [String])
      let txid = try #require(Bytes32(hex: txids[0])).reversed
      coins.append(OutPoint(txid: txid, index: 0))
    }
    return (node, coins)
  }

  private func client(
    _ nodes: [BitcoinNode], watchesMempool: Bool? = nil
  ) throws -> LiveClient {
    let client = try LiveClient(
      ports: nodes.map(\.port), folder: try folder.sub("client"), watchesMempool: watchesMempool)
    client.follower.watch(Script.p2wsh(witnessScript: [0x54]), fromHeight: 1)
    for node in nodes { #expect(try client.isLevel(with: node)) }
    return client
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

  private func hex(_ transaction: Transaction) -> String { Hex.encode(transaction.bytes()) }

  private func relay(_ client: LiveClient, _ txid: Bytes32) -> RelayState? {
    client.follower.relayState(txid)
  }

  /// The node has one from elsewhere and returns it; another it gets from here, and returns it too.
  /// Announcements are wanted or not: answers come either way.
  @Test(arguments: [true, false]) func relaysAndAsks(_ watchesMempool: Bool) throws {
    let (node, coins) = try node(coins: 2)
    let client = try client([node], watchesMempool: watchesMempool)
    let known = spend(coins[0], feeSat: 1_000)
    let fresh = spend(coins[1], feeSat: 1_000)
    try node.call("sendrawtransaction", [hex(known)])
    client.follower.follow(known)
    client.follower.broadcast(fresh)
    #expect(
      try client.run(seconds: 180) {
        relay($0, known.txid)?.returnedBy == 1 && relay($0, fresh.txid)?.returnedBy == 1
      })
    #expect(relay(client, known.txid)?.fetchedBy == 0)
    #expect(relay(client, fresh.txid)?.fetchedBy == 1)
    for transaction in [known, fresh] {
      #expect(client.follower.isDelivered(transaction.txid))
      #expect(
        client.events.contains(.transactionRelayed(txid: transaction.txid, peers: 1)))
    }
    let peers = try #require(try node.call("getpeerinfo") as? [[String: Any]])
    #expect(peers.first?["relaytxes"] as? Bool == true)
    let filter = (peers.first?["minfeefilter"] as? NSNumber)?.doubleValue ?? -1
    #expect(watchesMempool ? filter == 0 : filter >= 10_000)
    // It confirms, and the block is noticed.
    let height = try node.height + 1
    try node.mine(1, to: otherAddress)
    #expect(
      try client.run {
        $0.events.contains(.transactionConfirmed(txid: known.txid, height: height))
          && $0.events.contains(.transactionConfirmed(txid: fresh.txid, height: height))
      })
    #expect(client.bans.isEmpty)
  }

  /// Nothing is announced to who asked for that; with announcements the same payment is seen.
  @Test(arguments: [true, false]) func announcementsStayAway(_ watchesMempool: Bool) throws {
    let (node, coins) = try node(coins: 2)
    let client = try client([node], watchesMempool: watchesMempool)
    client.follower.watch(Script.p2wsh(witnessScript: [0x53]), fromHeight: 1)
    #expect(try client.isLevel(with: node))
    let payment = spend(coins[0], feeSat: 1_000)
    try node.call("sendrawtransaction", [hex(payment)])
    // Once the node gives it when asked, its turn to announce it has passed.
    client.follower.broadcast(spend(coins[1], feeSat: 1_000))
    let own = spend(coins[1], feeSat: 1_000).txid
    #expect(try client.run(seconds: 180) { relay($0, own)?.returnedBy == 1 })
    func isSeen(_ client: LiveClient) -> Bool {
      client.events.contains { event in
        if case .transactionSeen(let seen) = event { return seen.txid == payment.txid }
        return false
      }
    }
    if watchesMempool { #expect(try client.run { isSeen($0) }) }
    let height = try node.height + 1
    try node.mine(1, to: otherAddress)
    #expect(try client.run { $0.matchedHeights.contains(height) })
    #expect(isSeen(client) == watchesMempool)
    #expect(client.bans.isEmpty)
  }

  /// A node that grants `noban` answers at once.
  @Test func nobanAnswersAtOnce() throws {
    let (node, coins) = try node(coins: 1, options: ["-whitelist=noban@127.0.0.1"])
    let client = try client([node])
    let known = spend(coins[0], feeSat: 1_000)
    try node.call("sendrawtransaction", [hex(known)])
    client.follower.follow(known)
    #expect(try client.run { $0.follower.isDelivered(known.txid) })
    #expect(relay(client, known.txid)?.returnedBy == 1)
  }

  /// The coin goes elsewhere: the node fetches what was handed over and does not return it, and the
  /// block says why.
  @Test func aDoubleSpendIsTold() throws {
    let (node, coins) = try node(coins: 1)
    let ours = spend(coins[0], feeSat: 1_000)
    let rival = spend(coins[0], feeSat: 90_000)
    try node.call("sendrawtransaction", [hex(rival)])
    let client = try client([node])
    client.follower.follow(ours)
    #expect(try client.run(seconds: 180) { $0.follower.isDelivered(ours.txid) })
    #expect(relay(client, ours.txid)?.returnedBy == 0)
    let height = try node.height + 1
    try node.mine(1, to: otherAddress)
    #expect(
      try client.run {
        $0.events.contains(
          .transactionConflicted(txid: ours.txid, by: rival.txid, height: height))
      })
    #expect(client.bans.isEmpty)
  }

  /// A node that wants no transactions is not bothered with any, and not waited for.
  @Test func blocksOnlyNodesAreLeftAlone() throws {
    let (node, coins) = try node(coins: 1)
    let quiet = try BitcoinNode(folder: try folder.sub("quiet"), options: ["-blocksonly"])
    try quiet.call("addnode", ["127.0.0.1:\(node.port)", "onetry"])
    let tip = try node.tipHash
    let end = Date(timeIntervalSinceNow: 60)
    while try quiet.tipHash != tip, Date() < end { Thread.sleep(forTimeInterval: 0.05) }
    let client = try client([node, quiet])
    let ours = spend(coins[0], feeSat: 1_000)
    client.follower.broadcast(ours)
    #expect(try client.run(seconds: 180) { $0.follower.isDelivered(ours.txid) })
    #expect(relay(client, ours.txid)?.takenBy == 1)
    #expect(client.follower.client.peers.filter(\.isReady).count == 2)
    #expect(client.bans.isEmpty)
  }
}
