import Bitcoin
import LightClient
import Testing

@testable import Simulator

/// The client with peers that do what Bitcoin Core does.
@Suite struct HonestSyncTests {
  @Test func followsOneNode() {
    let world = LightClientWorld(seed: 1, nodes: [{ ServingNode(tree: $0) }])
    let scripts = [world.freshScript(), world.freshScript()]
    let tip = world.mine(300, on: world.tree.genesisHash, paying: scripts)
    world.nodes[0].follow(tip, world.network)
    world.start()
    for script in scripts { world.client.watch(script, fromHeight: 1, world.network) }
    #expect(world.settle(on: tip, seconds: 60))
    let ledger = world.client.ledger
    #expect(ledger.contradictions == [])
    #expect(ledger.tipHeight == 300 && ledger.scannedHeight == 300 && ledger.isSynced)
    #expect(ledger.matched.count > 30)
    #expect(ledger.matched == world.blocks(touching: scripts, to: tip))
    #expect(world.nodes[0].complaints == [])
  }

  @Test func followsALongChainInBatches() {
    let world = LightClientWorld(seed: 2, nodes: [{ ServingNode(tree: $0) }])
    let tip = world.mine(4_500, on: world.tree.genesisHash)
    world.nodes[0].follow(tip, world.network)
    world.start()
    world.client.watch(world.freshScript(), fromHeight: 4_000, world.network)
    #expect(world.settle(on: tip, seconds: 60))
    #expect(world.client.ledger.contradictions == [])
    #expect(world.client.disk.headers.count == 4_501)
    #expect(world.client.disk.filterHeaders.last == world.tree.entry(tip).filterHeader)
    #expect(world.nodes[0].complaints == [])
  }

  @Test func followsNewBlocksAndReorganisations() {
    let world = LightClientWorld(
      seed: 3, nodes: [{ ServingNode(tree: $0) }, { ServingNode(tree: $0) }])
    let script = world.freshScript()
    let base = world.mine(50, on: world.tree.genesisHash, paying: [script])
    for node in world.nodes { node.follow(base, world.network) }
    world.start()
    world.client.watch(script, fromHeight: 1, world.network)
    #expect(world.settle(on: base, seconds: 60))
    let left = world.mine(3, on: base, paying: [script], oneIn: 1)
    for node in world.nodes { node.follow(left, world.network) }
    #expect(world.settle(on: left, seconds: 60))
    #expect(world.client.ledger.matched == world.blocks(touching: [script], to: left))
    let right = world.mine(5, on: base, paying: [script], oneIn: 2)
    world.nodes[1].follow(right, world.network)
    #expect(world.settle(on: right, seconds: 60))
    #expect(world.client.ledger.reorganisations == 1)
    #expect(world.client.ledger.matched == world.blocks(touching: [script], to: right))
    world.nodes[0].follow(right, world.network)
    let end = world.mine(1, on: right)
    for node in world.nodes { node.follow(end, world.network) }
    #expect(world.settle(on: end, seconds: 60))
    #expect(world.client.ledger.contradictions == [])
    #expect(world.client.ledger.bans.isEmpty)
    for node in world.nodes { #expect(node.complaints == []) }
  }

  /// New blocks are announced all the time, so that the node is never silent, and what it was asked a
  /// moment too early it does not answer.
  @Test(arguments: [50, 300] as [UInt64]) func asksAgainWhatWasPassedOver(_ lagMs: UInt64) {
    let world = LightClientWorld(seed: 23, nodes: [{ ServingNode(tree: $0) }])
    let node = world.nodes[0]
    let script = world.freshScript()
    var tip = world.mine(20, on: world.tree.genesisHash, paying: [script])
    node.follow(tip, world.network)
    node.filterLagMs = lagMs
    world.start()
    world.client.watch(script, fromHeight: 1, world.network)
    for _ in 0..<60 {
      tip = world.mine(1, on: tip, paying: [script], oneIn: 3)
      let next = tip
      world.network.plan(atMs: world.network.nowMs + 1_000) { node.follow(next, $0) }
      world.network.run(untilMs: world.network.nowMs + 1_000)
      // Ten blocks behind, it would be of no use to who waits for a payment.
      #expect(world.client.ledger.tipHeight < 12 + world.client.ledger.scannedHeight)
    }
    #expect(world.settle(on: tip, seconds: 20))
    #expect(world.client.ledger.matched == world.blocks(touching: [script], to: tip))
    #expect(world.client.ledger.bans.isEmpty)
    #expect(node.complaints == [])
  }

  @Test func aScriptWatchedLaterIsLookedForInThePast() {
    let world = LightClientWorld(seed: 4, nodes: [{ ServingNode(tree: $0) }])
    let early = world.freshScript()
    let late = world.freshScript()
    let tip = world.mine(200, on: world.tree.genesisHash, paying: [early, late])
    world.nodes[0].follow(tip, world.network)
    world.start()
    world.client.watch(early, fromHeight: 1, world.network)
    #expect(world.settle(on: tip, seconds: 60))
    world.client.watch(late, fromHeight: 20, world.network)
    #expect(world.client.client.scannedHeight == 19)
    #expect(world.settle(on: tip, seconds: 60))
    var expected = world.blocks(touching: [early], to: tip)
    expected.merge(world.blocks(touching: [late], to: tip, fromHeight: 20)) { $1 }
    #expect(world.client.ledger.matched == expected)
    #expect(world.client.ledger.contradictions == [])
  }

  /// A wallet and a channel may look for one script: neither takes heights from the other.
  @Test func theLowerOfTwoHeightsCounts() {
    for heights in [[20, 300], [300, 20], [150, 20], [20, 150], [400, 300]] as [[UInt32]] {
      let world = LightClientWorld(seed: 14, nodes: [{ ServingNode(tree: $0) }])
      let script = world.freshScript()
      let half = world.mine(200, on: world.tree.genesisHash, paying: [script])
      world.nodes[0].follow(half, world.network)
      world.start()
      // The second one asks before anything is scanned, while it is, or once all is.
      world.client.watch(script, fromHeight: heights[0], world.network)
      if heights[0] == 20 { world.settle(on: half, seconds: 1) }
      world.client.watch(script, fromHeight: heights[1], world.network)
      #expect(world.settle(on: half, seconds: 60))
      let tip = world.mine(150, on: half, paying: [script])
      world.nodes[0].follow(tip, world.network)
      #expect(world.settle(on: tip, seconds: 60))
      let from = heights.min() ?? 0
      #expect(
        world.client.ledger.matched == world.blocks(touching: [script], to: tip, fromHeight: from),
        "\(heights)")
      #expect(world.client.ledger.contradictions == [])
    }
  }

  @Test func broadcastsUntilConfirmedAndAgainAfterAReorganisation() {
    let world = LightClientWorld(
      seed: 5, nodes: [{ ServingNode(tree: $0) }, { ServingNode(tree: $0) }])
    let base = world.mine(20, on: world.tree.genesisHash)
    for node in world.nodes { node.follow(base, world.network) }
    world.start()
    #expect(world.settle(on: base, seconds: 60))
    let transaction = Transaction(
      inputs: [
        TransactionInput(
          previous: OutPoint(txid: world.tree.entry(base).block.transactions[0].txid, index: 0))
      ],
      outputs: [TransactionOutput(amountSat: 1000, scriptPubKey: world.freshScript())])
    let txid = transaction.txid
    world.client.broadcast(transaction, world.network)
    world.network.run(untilMs: world.network.nowMs + 5_000)
    for node in world.nodes { #expect(node.mempool.map { $0.txid } == [txid]) }
    #expect(world.client.client.relayState(txid)?.fetchedBy == 2)
    let first = world.tree.mine(on: base, transactions: [transaction])
    for node in world.nodes { node.follow(first, world.network) }
    #expect(world.settle(on: first, seconds: 60))
    #expect(world.client.ledger.confirmed == [txid: 21])
    let second = world.mine(2, on: base)
    for node in world.nodes { node.follow(second, world.network) }
    #expect(world.settle(on: second, seconds: 60))
    #expect(world.client.ledger.confirmed == [:])
    world.network.run(untilMs: world.network.nowMs + 5_000)
    for node in world.nodes { #expect(node.mempool.map { $0.txid } == [txid]) }
    #expect(world.client.ledger.contradictions == [])
  }

  /// Who hires hundreds of machines at once has as many fundings under way.
  @Test func broadcastsHundredsAndLetsGoOfConfirmedOnesOnly() {
    let world = LightClientWorld(seed: 8, nodes: [{ ServingNode(tree: $0) }])
    let base = world.mine(10, on: world.tree.genesisHash)
    world.nodes[0].follow(base, world.network)
    world.start()
    #expect(world.settle(on: base, seconds: 60))
    let coinbase = world.tree.entry(base).block.transactions[0].txid
    let transactions = (0..<200).map { index in
      Transaction(
        inputs: [
          TransactionInput(previous: OutPoint(txid: coinbase, index: UInt32(index)))
        ],
        outputs: [TransactionOutput(amountSat: 1000, scriptPubKey: world.freshScript())])
    }
    let confirmed = Array(transactions.prefix(20))
    for transaction in confirmed { world.client.broadcast(transaction, world.network) }
    let tip = world.tree.mine(on: base, transactions: confirmed)
    world.nodes[0].follow(tip, world.network)
    #expect(world.settle(on: tip, seconds: 60))
    for transaction in transactions.dropFirst(20) {
      world.client.broadcast(transaction, world.network)
    }
    world.network.run(untilMs: world.network.nowMs + 5_000)
    let wanted = Set(transactions.dropFirst(20).map(\.txid))
    #expect(Set(world.nodes[0].mempool.map(\.txid)).isSuperset(of: wanted))
    for transaction in transactions.dropFirst(20) {
      #expect(world.client.client.relayState(transaction.txid)?.returnedBy == 1)
    }
    for transaction in confirmed {
      #expect(world.client.client.relayState(transaction.txid) == nil)
    }
  }

  @Test func noticesADoubleSpendOfItsOwnTransaction() {
    let world = LightClientWorld(seed: 6, nodes: [{ ServingNode(tree: $0) }])
    let script = world.freshScript()
    let base = world.mine(10, on: world.tree.genesisHash, paying: [script], oneIn: 1)
    world.nodes[0].follow(base, world.network)
    world.start()
    world.client.watch(script, fromHeight: 1, world.network)
    #expect(world.settle(on: base, seconds: 60))
    let input = TransactionInput(
      previous: OutPoint(txid: world.tree.entry(base).block.transactions[0].txid, index: 0))
    let ours = Transaction(
      inputs: [input],
      outputs: [TransactionOutput(amountSat: 1000, scriptPubKey: world.freshScript())])
    let theirs = Transaction(
      inputs: [input],
      outputs: [TransactionOutput(amountSat: 2000, scriptPubKey: world.freshScript())])
    world.client.broadcast(ours, world.network)
    world.network.run(untilMs: world.network.nowMs + 2_000)
    let tip = world.tree.mine(on: base, transactions: [theirs])
    world.nodes[0].follow(tip, world.network)
    #expect(world.settle(on: tip, seconds: 60))
    let expected = LightClientEvent.transactionConflicted(
      txid: ours.txid, by: theirs.txid, height: 11)
    #expect(world.client.events.contains(expected))
  }

  @Test func seesUnconfirmedTransactionsThatTouchItsScripts() {
    let world = LightClientWorld(seed: 7, nodes: [{ ServingNode(tree: $0) }])
    let script = world.freshScript()
    let base = world.mine(10, on: world.tree.genesisHash)
    world.nodes[0].follow(base, world.network)
    world.start()
    world.client.watch(script, fromHeight: 11, world.network)
    #expect(world.settle(on: base, seconds: 60))
    let input = TransactionInput(
      previous: OutPoint(txid: world.tree.entry(base).block.transactions[0].txid, index: 0))
    let wanted = Transaction(
      inputs: [input], outputs: [TransactionOutput(amountSat: 330, scriptPubKey: script)])
    let other = Transaction(
      inputs: [input],
      outputs: [TransactionOutput(amountSat: 330, scriptPubKey: world.freshScript())])
    world.nodes[0].accept(wanted, world.network)
    world.nodes[0].accept(other, world.network)
    world.network.run(untilMs: world.network.nowMs + 5_000)
    #expect(world.client.ledger.seen == [wanted.txid])
  }

  @Test func continuesFromDisk() {
    let world = LightClientWorld(seed: 8, nodes: [{ ServingNode(tree: $0) }])
    let script = world.freshScript()
    let first = world.mine(100, on: world.tree.genesisHash, paying: [script])
    world.nodes[0].follow(first, world.network)
    world.start()
    world.client.watch(script, fromHeight: 1, world.network)
    #expect(world.settle(on: first, seconds: 60))
    let second = world.mine(100, on: first, paying: [script])
    world.nodes[0].follow(second, world.network)
    world.client.restart(seed: 9, world.network)
    #expect(world.client.client.tipHeight == 100)
    #expect(world.settle(on: second, seconds: 60))
    #expect(world.client.ledger.matched == world.blocks(touching: [script], to: second))
    #expect(world.client.disk.headers.count == 201)
  }

  @Test func saysWhatIsMissing() {
    let world = LightClientWorld(
      seed: 10,
      nodes: [
        { tree in
          let node = ServingNode(tree: tree)
          node.services &= ~VersionMessage.Service.compactFilters
          return node
        }
      ])
    let tip = world.mine(10, on: world.tree.genesisHash)
    world.nodes[0].follow(tip, world.network)
    world.start()
    world.client.watch(world.freshScript(), fromHeight: 1, world.network)
    #expect(!world.settle(on: tip, seconds: 60))
    #expect(world.client.client.tipHash == tip)
    #expect(world.client.ledger.stalls == [.noFilters])
    #expect(world.client.ledger.bans.isEmpty)
    let alone = LightClientWorld(seed: 11, nodes: [])
    alone.start()
    alone.network.run(untilMs: 60_000)
    #expect(alone.client.ledger.stalls == [.noPeers])
  }
}
