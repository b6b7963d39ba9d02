import Bitcoin
import Bytes
import Crypto
import Devnet
import Foundation
import LightClient
import Testing

/// Against the development node over real sockets: libbitcoinkernel judges what is in its chain.
@Suite(.serialized) struct DevnetSyncTests {
  /// Anyone can spend it: P2WSH of OP_TRUE.
  private static let anyone = Script.p2wsh(witnessScript: [0x51])

  private func options(_ folder: TemporaryFolder, _ name: String = "node") throws -> DevnetOptions {
    var options = DevnetOptions(directory: try folder.sub(name))
    options.hasControlSocket = false
    return options
  }

  private func spend(_ devnet: RunningDevnet, _ txid: Bytes32) throws -> Transaction {
    let gift = try #require(try devnet.transaction(txid)).transaction
    let index = try #require(
      gift.outputs.firstIndex { $0.scriptPubKey == DevnetSyncTests.anyone })
    return Transaction(
      inputs: [
        TransactionInput(
          previous: OutPoint(txid: txid, index: UInt32(index)), witness: [[0x51]])
      ],
      outputs: [
        TransactionOutput(
          amountSat: gift.outputs[index].amountSat - 1000,
          scriptPubKey: Script.p2wsh(witnessScript: [0x52]))
      ])
  }

  @Test func followsMatchesAndRelays() throws {
    let folder = try TemporaryFolder()
    let devnet = try RunningDevnet(try options(folder))
    defer { try? devnet.stop() }
    let client = try LiveClient(ports: [devnet.port], folder: try folder.sub("client"))
    client.follower.watch(DevnetSyncTests.anyone, fromHeight: 1)
    #expect(try client.isLevel(with: devnet))
    #expect(client.follower.client.tipHeight == 101)
    #expect(client.matchedHeights == [])

    // A payment is seen in the mempool, then in a block.
    let gift = try devnet.give(50_000, to: DevnetSyncTests.anyone)
    #expect(
      try client.run { client in
        client.events.contains { event in
          if case .transactionSeen(let transaction) = event { return transaction.txid == gift }
          return false
        }
      })
    try devnet.mine(1)
    #expect(try client.isLevel(with: devnet))
    #expect(client.matchedHeights == [102])

    // A transaction of ours reaches the node and is confirmed.
    let ours = try spend(devnet, gift)
    client.follower.broadcast(ours)
    #expect(
      try client.run {
        $0.events.contains(.transactionRelayed(txid: ours.txid, peers: 1))
      })
    // The node asked for it; it is mined only once it is there.
    while try devnet.transaction(ours.txid) == nil { Thread.sleep(forTimeInterval: 0.02) }
    try devnet.mine(1)
    #expect(
      try client.run {
        $0.events.contains(.transactionConfirmed(txid: ours.txid, height: 103))
      })

    // A reorganisation takes it out, and it goes in again.
    client.forgetEvents()
    try devnet.reorganize(depth: 2)
    #expect(try client.isLevel(with: devnet))
    #expect(client.events.contains(.blocksDisconnected(fromHeight: 103, toHeight: 101)))
    try devnet.mine(1)
    #expect(
      try client.run { client in
        client.events.contains { event in
          if case .transactionConfirmed(let txid, _) = event { return txid == ours.txid }
          return false
        }
      })
    for event in client.events {
      if case .peerMisbehaved = event { Issue.record("an honest node was banned") }
    }
  }

  @Test func continuesFromDiskWithTwoNodes() throws {
    let folder = try TemporaryFolder()
    let first = try RunningDevnet(try options(folder))
    defer { try? first.stop() }
    var second = try options(folder, "second")
    second.initialBlocks = 0
    let other = try RunningDevnet(second)
    defer { try? other.stop() }
    try other.copyChain(of: first)
    let place = try folder.sub("client")
    do {
      let client = try LiveClient(ports: [first.port, other.port], folder: place)
      client.follower.watch(DevnetSyncTests.anyone, fromHeight: 1)
      #expect(try client.isLevel(with: first))
    }
    try first.give(50_000, to: DevnetSyncTests.anyone)
    try first.mine(3)
    let client = try LiveClient(ports: [first.port, other.port], folder: place)
    #expect(client.follower.client.tipHeight == 101)
    client.follower.watch(DevnetSyncTests.anyone, fromHeight: 102)
    #expect(try client.isLevel(with: first))
    #expect(client.matchedHeights == [102])
    // The other node catches up, and then takes over.
    try other.copyChain(of: first)
    try first.stop()
    try other.mine(2)
    #expect(try client.isLevel(with: other))
    #expect(client.follower.client.tipHeight == 106)
  }
}
