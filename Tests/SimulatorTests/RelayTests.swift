import Bitcoin
import Bytes
import LightClient
import Testing

@testable import Simulator

/// The client's own transactions, and those that it follows for others.
@Suite struct RelayTests {
  /// Nodes that take, have or refuse a transaction, on lines good and bad. `ZENNET_SEEDS` says how
  /// many worlds to try, `ZENNET_SEED` replays one.
  @Test func deliversInRandomWorlds() {
    for seed in HostilePeerTests.seeds {
      let scenario = RelayScenario(seed: seed)
      let failures = scenario.run()
      #expect(
        failures == [],
        """
        replay: ZENNET_SEED=\(seed) swift test --filter RelayTests.deliversInRandomWorlds
        \(scenario.description)
        """)
    }
  }

  private func world(
    _ seed: UInt64, _ count: Int = 1, configure: (inout LightClientConfiguration) -> Void = { _ in }
  ) -> (world: LightClientWorld, tip: Bytes32) {
    let makers = [(BlockTree) -> ServingNode](repeating: { ServingNode(tree: $0) }, count: count)
    let world = LightClientWorld(seed: seed, nodes: makers, configure: configure)
    let tip = world.mine(10, on: world.tree.genesisHash)
    for node in world.nodes { node.follow(tip, world.network) }
    return (world, tip)
  }

  private func spend(
    _ txid: Bytes32, _ world: LightClientWorld, to script: [UInt8]? = nil
  ) -> Transaction {
    Transaction(
      inputs: [TransactionInput(previous: OutPoint(txid: txid, index: 0), witness: [[0x51]])],
      outputs: [
        TransactionOutput(amountSat: 1_000, scriptPubKey: script ?? world.freshScript())
      ])
  }

  private func coin(_ world: LightClientWorld, _ tip: Bytes32) -> Bytes32 {
    world.tree.entry(tip).block.transactions[0].txid
  }

  /// A node that has the transaction never asks for it. It is asked, and asked again until its turn
  /// to hear of transactions has come.
  @Test(arguments: [0, 8_000] as [UInt64]) func whoHasItIsAskedUntilItAnswers(_ trickleMs: UInt64) {
    let (world, tip) = world(61)
    let node = world.nodes[0]
    node.transactions.trickleMs = trickleMs
    world.start()
    #expect(world.settle(on: tip, seconds: 60))
    let transaction = spend(coin(world, tip), world)
    node.accept(transaction, world.network)
    world.client.broadcast(transaction, world.network)
    #expect(!world.client.client.isDelivered(transaction.txid))
    world.network.run(untilMs: world.network.nowMs + 2 * trickleMs + 500)
    #expect(world.client.client.isDelivered(transaction.txid))
    #expect(world.client.client.relayState(transaction.txid)?.fetchedBy == 0)
    #expect(world.client.client.relayState(transaction.txid)?.returnedBy == 1)
    #expect(
      world.client.events.contains(.transactionRelayed(txid: transaction.txid, peers: 1)))
    #expect(world.client.ledger.bans.isEmpty)
  }

  /// The questions come to an end, and begin again when somebody wants to know.
  @Test func questionsAreBounded() {
    let (world, tip) = world(62, 2)
    for node in world.nodes {
      // It neither asks for the transaction nor returns it.
      node.transactions.fetchDelayMs = 10_000_000
      node.transactions.trickleMs = 10_000_000
    }
    world.start()
    #expect(world.settle(on: tip, seconds: 60))
    let transaction = spend(coin(world, tip), world)
    world.client.broadcast(transaction, world.network)
    world.network.run(untilMs: world.network.nowMs + 3_600_000)
    #expect(world.nodes.map { $0.transactions.questions } == [8, 8])
    #expect(!world.client.client.isDelivered(transaction.txid))
    world.client.probe(transaction.txid, world.network)
    world.network.run(untilMs: world.network.nowMs + 3_600_000)
    #expect(world.nodes.map { $0.transactions.questions } == [16, 16])
    #expect(world.client.ledger.bans.isEmpty)
  }

  /// One of two is not enough; where there is one alone, or one that only seems to be there, it is.
  @Test func twoMustHaveIt() {
    let (world, tip) = world(63, 3)
    world.start()
    #expect(world.settle(on: tip, seconds: 60))
    for node in world.nodes.dropFirst() { node.transactions.fetchDelayMs = 20_000 }
    let transaction = spend(coin(world, tip), world)
    world.client.broadcast(transaction, world.network)
    world.network.run(untilMs: world.network.nowMs + 10_000)
    #expect(world.client.client.relayState(transaction.txid)?.takenBy == 1)
    #expect(!world.client.client.isDelivered(transaction.txid))
    world.network.run(untilMs: world.network.nowMs + 12_000)
    #expect(world.client.client.isDelivered(transaction.txid))
    #expect(
      world.client.events.contains(.transactionRelayed(txid: transaction.txid, peers: 3)))
  }

  @Test func whoNeverGreetsIsNotWaitedFor() {
    let world = LightClientWorld(
      seed: 64,
      nodes: [
        { ServingNode(tree: $0) },
        { LyingNode(tree: $0, lies: [.silentFromTheStart], seed: 1) },
      ])
    let tip = world.mine(10, on: world.tree.genesisHash)
    for node in world.nodes { node.follow(tip, world.network) }
    let transaction = spend(coin(world, tip), world)
    world.start()
    world.client.broadcast(transaction, world.network)
    let beganMs = world.network.nowMs
    world.network.run(untilMs: beganMs + 3_000)
    #expect(world.client.client.relayState(transaction.txid)?.takenBy == 1)
    #expect(!world.client.client.isDelivered(transaction.txid))
    world.network.run(untilMs: beganMs + 6_000)
    #expect(world.client.client.isDelivered(transaction.txid))
    // It is told at that time, whatever else happens then.
    #expect(
      world.client.events.contains(.transactionRelayed(txid: transaction.txid, peers: 1)))
  }

  /// Hangs up right behind its first question for a transaction.
  private final class BreakingNode: ServingNode {
    private var hasBroken = false

    override func send(
      _ message: PeerMessage, _ link: SimulatedNetwork.LinkId, _ network: SimulatedNetwork
    ) {
      super.send(message, link, network)
      guard case .getData = message, !hasBroken else { return }
      hasBroken = true
      sessions[link] = nil
      network.close(link, from: id)
    }
  }

  /// A node that asked for the transaction and whose connection then broke may not have got it.
  @Test func whatWasSentIntoABrokenLineDoesNotCount() {
    let world = LightClientWorld(seed: 65, nodes: [{ BreakingNode(tree: $0) }])
    let tip = world.mine(10, on: world.tree.genesisHash)
    world.nodes[0].follow(tip, world.network)
    world.start()
    #expect(world.settle(on: tip, seconds: 60))
    let transaction = spend(coin(world, tip), world)
    world.client.broadcast(transaction, world.network)
    world.network.run(untilMs: world.network.nowMs + 10_000) {
      world.client.client.relayState(transaction.txid)?.fetchedBy == 1
    }
    #expect(!world.client.client.isDelivered(transaction.txid))
    world.network.run(untilMs: world.network.nowMs + 10_000) { world.client.client.peers.isEmpty }
    #expect(world.nodes[0].mempool == [])
    #expect(world.client.client.relayState(transaction.txid) == RelayState())
    world.network.run(untilMs: world.network.nowMs + 120_000)
    #expect(world.client.client.relayState(transaction.txid)?.takenBy == 1)
    #expect(world.nodes[0].mempool == [transaction])
  }

  /// Others' transactions stay away, own ones are relayed, and questions are answered.
  @Test func onBusyNetworksNobodyAnnouncesTransactions() {
    for isBusy in [true, false] {
      let (world, tip) = world(66) { $0.watchesMempool = !isBusy }
      let script = world.freshScript()
      world.start()
      world.client.watch(script, fromHeight: 1, world.network)
      #expect(world.settle(on: tip, seconds: 60))
      let node = world.nodes[0]
      for _ in 0..<20 { node.accept(spend(Bytes32(world.random.bytes(32)), world), world.network) }
      let payment = spend(coin(world, tip), world, to: script)
      node.accept(payment, world.network)
      let own = spend(Bytes32(world.random.bytes(32)), world)
      world.client.broadcast(own, world.network)
      world.network.run(untilMs: world.network.nowMs + 10_000)
      #expect(node.transactions.announcements == (isBusy ? 0 : 21))
      #expect(world.client.ledger.seen == (isBusy ? [] : [payment.txid]))
      #expect(node.mempool.contains(own))
      #expect(world.client.client.relayState(own.txid)?.returnedBy == 1)
      let block = world.mine([payment], on: tip)
      node.follow(block, world.network)
      #expect(world.settle(on: block, seconds: 60))
      #expect(world.client.ledger.matched[11] == block)
    }
  }

  @Test func whichNetworksAreBusy() throws {
    let own = try Network.customSignet(name: Array("ours".utf8), challenge: [0x51])
    let sameAsPublic = try Network.customSignet(
      name: Array("mirror".utf8), challenge: Network.signet.signetChallenge ?? [])
    #expect(LightClientConfiguration.watchesMempool(on: .regtest))
    #expect(LightClientConfiguration.watchesMempool(on: own))
    for network in [Network.bitcoin, .testnet4, .signet, sameAsPublic] {
      #expect(!LightClientConfiguration.watchesMempool(on: network))
    }
  }

  /// Two hundred at once, all of which the node has: so many answers are no flood.
  @Test func manyAreAskedForAtOnce() {
    let (world, tip) = world(67)
    let transactions = (0..<200).map { _ in spend(Bytes32(world.random.bytes(32)), world) }
    for transaction in transactions { world.client.broadcast(transaction, world.network) }
    world.nodes[0].transactions.trickleMs = 3_000
    for transaction in transactions { world.nodes[0].accept(transaction, world.network) }
    world.start()
    #expect(world.settle(on: tip, seconds: 60))
    world.network.run(untilMs: world.network.nowMs + 20_000)
    #expect(transactions.allSatisfy { world.client.client.isDelivered($0.txid) })
    #expect(world.client.ledger.bans.isEmpty)
    #expect(world.nodes[0].complaints == [])
  }

  /// What a stranger's transaction claims to spend is watched only as long as it is followed, and
  /// what the owner watches stays watched.
  @Test func whatIsFollowedIsForgotten() {
    let (world, tip) = world(68)
    world.start()
    #expect(world.settle(on: tip, seconds: 60))
    let claimed = Script.p2wsh(witnessScript: [0x51])
    let own = world.freshScript()
    world.client.watch(own, fromHeight: 11, world.network)
    let transaction = spend(coin(world, tip), world, to: own)
    world.client.follow(transaction, world.network)
    var next = world.mine([], on: tip)
    func mine(paying script: [UInt8]) {
      next = world.mine(1, on: next, paying: [script], oneIn: 1)
      world.nodes[0].follow(next, world.network)
      #expect(world.settle(on: next, seconds: 60))
    }
    mine(paying: claimed)
    mine(paying: own)
    #expect(world.client.ledger.matched.keys.sorted() == [12, 13])
    world.client.forget(transaction.txid, world.network)
    mine(paying: claimed)
    mine(paying: own)
    #expect(world.client.ledger.matched.keys.sorted() == [12, 13, 15])
  }

  /// The owner no longer looks for a script by which a transaction's block is noticed.
  @Test func theConfirmationIsNoticedThoughTheScriptIsUnwatched() {
    let (world, tip) = world(69)
    world.start()
    let script = world.freshScript()
    world.client.watch(script, fromHeight: 1, world.network)
    #expect(world.settle(on: tip, seconds: 60))
    let transaction = spend(coin(world, tip), world, to: script)
    world.client.broadcast(transaction, world.network)
    world.client.unwatch(script, world.network)
    let block = world.mine([transaction], on: tip)
    world.nodes[0].follow(block, world.network)
    #expect(world.settle(on: block, seconds: 60))
    #expect(world.client.ledger.confirmed == [transaction.txid: 11])
  }
}
