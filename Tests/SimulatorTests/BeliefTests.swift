import Bitcoin
import Bytes
import LightClient
import Testing

@testable import Simulator

/// What the client believes when somebody wants it to believe something else.
@Suite struct BeliefTests {
  /// A node that leaves what is spent out of all its filters, and tells filter headers that fit.
  private final class HidingNode: ServingNode {
    override func filter(of entry: BlockTree.Entry) -> BlockFilter {
      if entry.block.transactions.count < 2 { return entry.filter }
      return BlockFilter.build(block: entry.block, spentScripts: [])
    }

    override func filterHeader(before entry: BlockTree.Entry) -> Bytes32 {
      var header = Bytes32.zero
      if entry.height == 0 { return header }
      for hash in tree.chain(to: entry.block.header.previous) {
        header = filter(of: tree.entry(hash)).header(previous: header)
      }
      return header
    }
  }

  /// An honest node, and one that hides, at `liarIndex`.
  private func hidingWorld(_ seed: UInt64, _ liarIndex: Int) -> LightClientWorld {
    var nodes: [(BlockTree) -> ServingNode] = [{ ServingNode(tree: $0) }]
    nodes.insert({ HidingNode(tree: $0) }, at: liarIndex)
    return LightClientWorld(seed: seed + UInt64(liarIndex), nodes: nodes)
  }

  /// The block at height 22 that closes the channel was seen, and the liar alone is banned for it.
  private func expectEndFound(
    _ world: LightClientWorld, _ liarIndex: Int, _ closed: Bytes32, _ tip: Bytes32
  ) {
    #expect(world.client.ledger.matched[22] == closed)
    let liar = LightClientWorld.address(liarIndex)
    let bans = world.client.ledger.bans
    #expect(bans.contains { $0.address == liar && $0.what == .filterHeadersConflict })
    #expect(bans.allSatisfy { $0.address == liar })
    // What the liar gave is gone from the disk, too.
    #expect(world.client.disk.filterHeaders.last == world.tree.entry(tip).filterHeader)
  }

  /// Whose funding was seen, of that the spend is certain: who hides it is found out, however old
  /// it is.
  @Test(arguments: [0, 1]) func whoHidesAChannelsEndIsBanned(_ liarIndex: Int) {
    let world = hidingWorld(30, liarIndex)
    let witnessScript: [UInt8] =
      [0x63, 0x51, 0x67, 0x52, 0x68] + [UInt8](repeating: 0x61, count: 110)
    let channel = Script.p2wsh(witnessScript: witnessScript)
    var tip = world.mine(20, on: world.tree.genesisHash)
    tip = world.mine(1, on: tip, paying: [channel], oneIn: 1)
    let funding = OutPoint(txid: world.tree.entry(tip).block.transactions[0].txid, index: 0)
    var close = Transaction(
      inputs: [TransactionInput(previous: funding)],
      outputs: [TransactionOutput(amountSat: 1000, scriptPubKey: world.freshScript())])
    close.inputs[0].witness = [[UInt8](repeating: 0x30, count: 71), [1], witnessScript]
    let closed = world.tree.mine(on: tip, transactions: [close])
    // Far more blocks than are looked at when nothing decides.
    tip = world.mine(300, on: closed)
    for node in world.nodes { node.follow(tip, world.network) }
    world.start()
    world.client.watch(channel, fromHeight: 1, world.network)
    #expect(world.settle(on: tip, seconds: 3_600))
    expectEndFound(world, liarIndex, closed, tip)
  }

  /// The funding was seen in an earlier run. What the client is told of it again is as good: the
  /// owner's disk knows the output, or the scan begins anew where the funding is.
  @Test(arguments: [0, 1], [false, true])
  func whoHidesAChannelsEndIsBannedAfterARestart(_ liarIndex: Int, _ looksAgain: Bool) {
    let world = hidingWorld(40, liarIndex)
    let channel = world.freshScript()
    var tip = world.mine(20, on: world.tree.genesisHash)
    tip = world.mine(1, on: tip, paying: [channel], oneIn: 1)
    let funding = OutPoint(txid: world.tree.entry(tip).block.transactions[0].txid, index: 0)
    for node in world.nodes { node.follow(tip, world.network) }
    world.start()
    world.client.watch(channel, fromHeight: 1, world.network)
    #expect(world.settle(on: tip, seconds: 600))
    #expect(world.client.ledger.matched == [21: tip])

    // The client is away while the channel is closed.
    for node in 0..<2 { world.network.partition(world.nodes[node].id, into: 1) }
    let close = Transaction(
      inputs: [TransactionInput(previous: funding)],
      outputs: [TransactionOutput(amountSat: 1000, scriptPubKey: world.freshScript())])
    let closed = world.tree.mine(on: tip, transactions: [close])
    tip = world.mine(300, on: closed)
    for node in world.nodes { node.follow(tip, world.network) }
    world.client.restart(seed: 7, world.network)
    if looksAgain {
      world.client.watch(channel, fromHeight: 21, world.network)
    } else {
      world.client.recall(funding, channel)
    }
    world.network.healPartitions()
    #expect(world.settle(on: tip, seconds: 3_600))
    expectEndFound(world, liarIndex, closed, tip)
  }

  /// Where filter headers part far back, one list of checkpoints shows where to look.
  @Test func checkpointsNarrowALongDisputeDown() {
    let world = LightClientWorld(
      seed: 33,
      nodes: [
        { ServingNode(tree: $0) }, { LyingNode(tree: $0, lies: [.filterOmitsOutputs], seed: 5) },
      ])
    let tip = world.mine(4_200, on: world.tree.genesisHash)
    for node in world.nodes { node.follow(tip, world.network) }
    world.start()
    world.client.watch(world.freshScript(), fromHeight: 4_100, world.network)
    #expect(world.settle(on: tip, seconds: 3_600))
    #expect(world.nodes[1].checkpointsSent + world.nodes[0].checkpointsSent > 0)
    #expect(world.client.ledger.bans.map(\.address) == [LightClientWorld.address(1)])
    #expect(world.client.disk.filterHeaders.last == world.tree.entry(tip).filterHeader)
    for node in world.nodes { #expect(node.complaints == []) }
  }

  /// On a signet a heavier chain that nobody signed funds nothing, whoever tells it, before and
  /// after a restart.
  @Test func anUnauthenticatedFundingIsNeverBelieved() {
    let signer = SignetSigner()
    let world = LightClientWorld(
      seed: 34, signer: signer, nodes: [{ ServingNode(tree: $0) }, { ServingNode(tree: $0) }])
    let channel = world.freshScript()
    let tip = world.mine(40, on: world.tree.genesisHash)
    let forged = world.mine(30, on: tip, paying: [channel], oneIn: 1, isSigned: false)
    world.nodes[0].follow(tip, world.network)
    world.nodes[1].follow(forged, world.network)
    world.start()
    world.client.watch(channel, fromHeight: 1, world.network)
    for round in 0..<3 {
      world.network.run(untilMs: world.network.nowMs + 1_200_000)
      #expect(world.client.client.tipHash == tip)
      #expect(world.client.client.authenticatedHeight == 40)
      #expect(world.client.ledger.matched.isEmpty)
      #expect(world.client.disk.headers.count == 41)
      world.client.restart(seed: UInt64(40 + round), world.network)
      #expect(world.client.client.authenticatedHeight == 40)
    }
    // The unsigned blocks' own peer was banned; the signers' next block is believed.
    #expect(world.client.ledger.bans.contains { $0.address == LightClientWorld.address(1) })
    let funded = world.mine(1, on: tip, paying: [channel], oneIn: 1)
    world.nodes[0].follow(funded, world.network)
    #expect(world.settle(on: funded, seconds: 600))
    #expect(world.client.client.authenticatedHeight == 41)
    #expect(world.client.ledger.matched == [41: funded])
  }

  /// Whoever wants others to pay absurd fees needs more peers than one.
  @Test(arguments: 1...4) func onePeerAmongSeveralDoesNotRaiseFees(_ honestCount: Int) {
    var nodes: [(BlockTree) -> ServingNode] = []
    for _ in 0..<honestCount { nodes.append { ServingNode(tree: $0) } }
    nodes.append { LyingNode(tree: $0, lies: [.extremeFeeFilter], seed: 6) }
    let world = LightClientWorld(seed: 36, nodes: nodes)
    (world.nodes[honestCount] as? LyingNode)?.rate = 1
    let tip = world.mine(5, on: world.tree.genesisHash)
    for node in world.nodes { node.follow(tip, world.network) }
    world.start()
    #expect(world.settle(on: tip, seconds: 600))
    world.network.run(untilMs: world.network.nowMs + 300_000)
    #expect(world.client.client.peers.filter(\.isReady).count == honestCount + 1)
    #expect(world.client.client.feeRateSatPerKvB == 1000)
  }

  /// Without the blocks that would prove it, a signed chain is not believed either: it is waited for.
  @Test func headersAloneProveNothingOnASignet() {
    let world = LightClientWorld(
      seed: 35, signer: SignetSigner(),
      nodes: [{ LyingNode(tree: $0, lies: [.blocksNotFound], seed: 4) }])
    (world.nodes[0] as? LyingNode)?.rate = 1
    let tip = world.mine(25, on: world.tree.genesisHash)
    world.nodes[0].follow(tip, world.network)
    world.start()
    world.network.run(untilMs: world.network.nowMs + 1_800_000)
    #expect(world.client.client.tipHeight == 0)
    #expect(world.client.client.authenticatedHeight == 0)
    #expect(!world.client.client.isSynced)
    (world.nodes[0] as? LyingNode)?.rate = 0
    #expect(world.settle(on: tip, seconds: 3_600))
    #expect(world.client.client.authenticatedHeight == 25)
  }
}
