import Bitcoin
import Bytes
import Crypto
import Devnet
import Foundation
import Host
import LightClient
import Storage
import Testing

@testable import ChainFollower

/// Transactions that are relayed and followed, with real sockets and real nodes.
@Suite(.serialized) struct RelayFollowerTests {
  private let folder: String
  /// Anybody can spend it, and the witness shows it.
  private let anyone = Script.p2wsh(witnessScript: [0x51])

  init() throws {
    folder = NSTemporaryDirectory() + "relay-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  /// A follower and what it told.
  private final class Listener {
    let follower: ChainFollower
    private let reactor = Reactor()
    private(set) var told: [LightClientEvent] = []

    init(_ nodes: [RunningDevnet], folder: String, watchesMempool: Bool? = nil) throws {
      var configuration = LightClientConfiguration()
      configuration.watchesMempool = watchesMempool
      follower = ChainFollower(
        network: .regtest, configuration: configuration,
        peers: nodes.map { ("127.0.0.1", $0.port) },
        cache: try ChainCache(path: folder + "/chain.db"), reactor: reactor, timerToken: 9)
      follower.start()
      try run { follower in
        follower.client.isSynced && follower.client.peers.filter(\.isReady).count == nodes.count
      }
    }

    func run(until isDone: (ChainFollower) -> Bool) throws {
      let deadlineMs = Clock.monotonicMs() + 60_000
      while true {
        while let event = follower.nextEvent() { told.append(event) }
        if isDone(follower) { return }
        if Clock.monotonicMs() > deadlineMs {
          Issue.record("nothing came of it")
          return
        }
        if let event = try reactor.next(untilMs: deadlineMs) { _ = follower.handle(event) }
      }
    }

    func conflict(of txid: Bytes32) -> Bytes32? {
      for case .transactionConflicted(txid, let other, _) in told { return other }
      return nil
    }
  }

  private func node(_ name: String = "node", blocks: UInt32? = nil) throws -> RunningDevnet {
    var options = DevnetOptions(directory: folder + "/" + name)
    if let blocks { options.initialBlocks = blocks }
    return try RunningDevnet(options)
  }

  /// A confirmed coin of anybody's, and what spends it.
  private func makeCoin(_ node: RunningDevnet) throws -> OutPoint {
    let txid = try node.give(100_000, to: anyone)
    try node.mine(1)
    let gift = try #require(try node.transaction(txid)).transaction
    let index = try #require(gift.outputs.firstIndex { $0.scriptPubKey == anyone })
    return OutPoint(txid: txid, index: UInt32(index))
  }

  private func spend(_ coin: OutPoint, feeSat: UInt64) -> Transaction {
    Transaction(
      inputs: [TransactionInput(previous: coin, witness: [[0x51]])],
      outputs: [
        TransactionOutput(
          amountSat: 100_000 - feeSat, scriptPubKey: Script.p2wsh(witnessScript: [0x52]))
      ])
  }

  /// The node had it from somebody else: it gives it back, and never asks for it.
  @Test func whatTheNodeHasIsReturned() throws {
    let node = try node()
    defer { try? node.stop() }
    let transaction = spend(try makeCoin(node), feeSat: 1_000)
    let txid = try node.submit(transaction)
    let listener = try Listener([node], folder: folder)
    listener.follower.follow(transaction)
    try listener.run { $0.isDelivered(txid) }
    let state = try #require(listener.follower.relayState(txid))
    #expect(state.returnedBy == 1 && state.fetchedBy == 0)
    try listener.run { _ in
      listener.told.contains(.transactionRelayed(txid: txid, peers: 1))
    }
    // In the last block it is still given.
    let height = try node.height + 1
    try node.mine(1)
    try listener.run { _ in
      listener.told.contains(.transactionConfirmed(txid: txid, height: height))
    }
    #expect(listener.follower.isDelivered(txid))
    listener.follower.forget(txid)
    #expect(!listener.follower.isDelivered(txid) && listener.follower.relayState(txid) == nil)
  }

  /// One node has it, the other gets it from here: both must have it.
  @Test func twoNodesHaveItAtLast() throws {
    let first = try node()
    defer { try? first.stop() }
    let coin = try makeCoin(first)
    let second = try node("second", blocks: 0)
    defer { try? second.stop() }
    try second.copyChain(of: first)
    let transaction = spend(coin, feeSat: 1_000)
    let txid = try first.submit(transaction)
    let listener = try Listener([first, second], folder: folder)
    listener.follower.broadcast(transaction)
    try listener.run { $0.relayState(txid)?.returnedBy == 2 }
    #expect(listener.follower.relayState(txid)?.fetchedBy == 1)
    #expect(listener.follower.isDelivered(txid))
    #expect(try second.transaction(txid)?.transaction == transaction)
    #expect(listener.told.contains(.transactionRelayed(txid: txid, peers: 2)))

    // One forgets it with a block that spends the coin otherwise; asked again, one returns it.
    let rival = spend(coin, feeSat: 9_000)
    try second.submit(rival)
    listener.follower.probe(txid)
    try listener.run { $0.relayState(txid)?.returnedBy == 1 }
    #expect(listener.follower.isDelivered(txid))
  }

  /// A funding that was handed over and whose coin goes elsewhere. What it spends is watched, as its
  /// witness shows it: the block with the double spend is fetched for nothing else.
  @Test func aDoubleSpendOfAFollowedTransactionIsTold() throws {
    let node = try node()
    defer { try? node.stop() }
    let coin = try makeCoin(node)
    let ours = spend(coin, feeSat: 1_000)
    let rival = spend(coin, feeSat: 9_000)
    try node.submit(rival)
    let listener = try Listener([node], folder: folder)
    listener.follower.follow(ours)
    // The node asks for it, and has no use for it.
    try listener.run { $0.isDelivered(ours.txid) }
    #expect(listener.follower.relayState(ours.txid)?.returnedBy == 0)
    try node.mine(1)
    try listener.run { _ in listener.conflict(of: ours.txid) != nil }
    #expect(listener.conflict(of: ours.txid) == rival.txid)
    #expect(listener.follower.isDelivered(ours.txid))

    // The block goes, and with the next one it is our turn.
    try node.reorganize(depth: 1)
    let height = try node.height
    let tip = try node.tipHash
    try listener.run { $0.client.tipHash == tip && $0.client.isSynced }
    let block = try BlockWith.transaction(ours, on: node)
    try node.submit(block: block)
    try listener.run { _ in
      listener.told.contains(.transactionConfirmed(txid: ours.txid, height: height + 1))
    }
  }

  /// Where others' transactions are not looked at, a payment is told with its block, and own ones are
  /// relayed and returned all the same.
  @Test func withoutAnnouncementsQuestionsAreAnswered() throws {
    let node = try node()
    defer { try? node.stop() }
    let coin = try makeCoin(node)
    let listener = try Listener([node], folder: folder, watchesMempool: false)
    let script = Script.p2wsh(witnessScript: [0x53])
    listener.follower.watch(script, fromHeight: 1)
    _ = try node.give(20_000, to: script)
    let transaction = spend(coin, feeSat: 1_000)
    listener.follower.broadcast(transaction)
    try listener.run { $0.relayState(transaction.txid)?.returnedBy == 1 }
    let height = try node.height + 1
    try node.mine(1)
    try listener.run { _ in
      listener.told.contains { event in
        if case .blockMatched(height, _) = event { return true }
        return false
      }
    }
    for event in listener.told {
      if case .transactionSeen = event { Issue.record("an announcement came through") }
      if case .peerMisbehaved = event { Issue.record("an honest node was banned") }
    }
  }
}

/// A block that a miner made without asking a mempool.
private enum BlockWith {
  static func transaction(_ transaction: Transaction, on node: RunningDevnet) throws -> Block {
    let height = try node.height
    let tip = try #require(try node.block(at: height))
    let commitmentHead: [UInt8] = [0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed]
    var coinbase = Transaction(
      inputs: [
        TransactionInput(
          previous: .coinbase, scriptSig: Script.number(Int64(height) + 1) + [0x51],
          witness: [[UInt8](repeating: 0, count: 32)])
      ], outputs: [TransactionOutput(amountSat: 0, scriptPubKey: [0x51])])
    let root = MerkleTree.root([.zero, transaction.wtxid]).root
    let commitment = Sha256.double(root.array + [UInt8](repeating: 0, count: 32))
    coinbase.outputs.append(
      TransactionOutput(amountSat: 0, scriptPubKey: commitmentHead + commitment.array))
    var header = tip.header
    header.previous = tip.hash
    header.merkleRoot = MerkleTree.root([coinbase.txid, transaction.txid]).root
    header.time += 1
    let target = try #require(Target(bits: header.bits))
    while !target.isMet(by: header.hash) { header.nonce &+= 1 }
    return Block(header: header, transactions: [coinbase, transaction])
  }
}
