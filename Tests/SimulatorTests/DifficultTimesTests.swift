import Bitcoin
import Bytes
import LightClient
import Testing

@testable import Simulator

/// What goes wrong without anybody lying: damaged disks, wrong clocks, slow and lonely lines.
@Suite struct DifficultTimesTests {
  private func world(
    _ seed: UInt64, nodes: Int = 1, blocks: Int = 100,
    configure: (inout LightClientConfiguration) -> Void = { _ in }
  ) -> (LightClientWorld, tip: Bytes32) {
    let world = LightClientWorld(
      seed: seed, nodes: (0..<nodes).map { _ in { ServingNode(tree: $0) } }, configure: configure)
    let tip = world.mine(blocks, on: world.tree.genesisHash)
    for node in world.nodes { node.follow(tip, world.network) }
    return (world, tip)
  }

  /// What a client makes of a state that is not as it was stored.
  private func restored(
    _ world: LightClientWorld, _ change: (inout LightClientState) -> Void
  ) -> LightClient {
    var state = world.client.disk.state
    change(&state)
    return LightClient(
      network: world.tree.network, configuration: LightClientConfiguration(), state: state,
      seed: 1, nowMs: 0, unixSeconds: world.network.unixSeconds)
  }

  @Test func takesOfADamagedDiskWhatIsSound() {
    let (world, tip) = world(1)
    world.start()
    #expect(world.settle(on: tip, seconds: 60))
    #expect(restored(world) { _ in }.tipHash == tip)
    #expect(restored(world) { $0.headers[50].nonce ^= 1 }.tipHeight == 49)
    #expect(restored(world) { $0.headers.remove(at: 20) }.tipHeight == 19)
    #expect(restored(world) { $0.headers[0].time += 1 }.tipHeight == 0)
    #expect(restored(world) { $0.headers = [] }.tipHeight == 0)
    #expect(restored(world) { $0.filterHeaders.append(.zero) }.tipHeight == 100)
    // The genesis block of another network: nothing of it is taken.
    #expect(restored(world) { $0.headers = [Network.bitcoin.genesis] }.tipHeight == 0)
  }

  @Test func falseFilterHeadersOnDiskAreFoundAndReplaced() {
    let (world, tip) = world(2)
    let script = world.freshScript()
    world.start()
    #expect(world.settle(on: tip, seconds: 60))
    world.client.damageFilterHeaders(from: 40)
    let next = world.mine(3, on: tip, paying: [script], oneIn: 1)
    world.nodes[0].follow(next, world.network)
    world.client.restart(seed: 5, world.network)
    world.client.watch(script, fromHeight: 1, world.network)
    #expect(world.settle(on: next, seconds: 600))
    #expect(world.client.disk.filterHeaders.last == world.tree.entry(next).filterHeader)
    #expect(world.client.ledger.matched == world.blocks(touching: [script], to: next))
    #expect(world.client.ledger.bans.isEmpty)
  }

  @Test func aClockThatIsBehindIsNamedAndNobodyIsBanned() {
    let (world, tip) = world(3)
    world.network.epochSeconds = UInt64(Network.regtest.genesis.time) - 86_400
    world.start()
    #expect(!world.settle(on: tip, seconds: 120))
    #expect(world.client.ledger.stalls == [.clockBehind])
    #expect(world.client.ledger.bans.isEmpty)
    world.network.epochSeconds = UInt64(Network.regtest.genesis.time) + 365 * 86_400
    #expect(world.settle(on: tip, seconds: 120))
  }

  @Test func theOnlyPeerMayReorganiseAndBeSlow() {
    let (world, tip) = world(4)
    world.start()
    #expect(world.settle(on: tip, seconds: 60))
    var best = tip
    for round in 1...20 {
      let chain = world.tree.chain(to: best)
      best = world.mine(round + 1, on: chain[chain.count - 1 - round])
      world.nodes[0].follow(best, world.network)
      #expect(world.settle(on: best, seconds: 600), "round \(round)")
    }
    world.network.faults.minDelayMs = 15_000
    world.network.faults.maxDelayMs = 18_000
    best = world.mine(5, on: best)
    world.nodes[0].follow(best, world.network)
    #expect(world.settle(on: best, seconds: 3_600))
    #expect(world.client.ledger.bans.isEmpty)
    #expect(world.client.ledger.contradictions == [])
    #expect(world.nodes[0].complaints == [])
  }

  @Test func aPartitionHealsOnTheChainOfMoreWork() {
    let (world, tip) = world(5, nodes: 2)
    world.start()
    #expect(world.settle(on: tip, seconds: 60))
    // The client and the first node are cut off from the second, whose chain grows faster.
    world.network.partition(world.nodes[1].id, into: 1)
    let small = world.mine(2, on: tip)
    world.nodes[0].follow(small, world.network)
    world.network.run(untilMs: world.network.nowMs + 60_000)
    #expect(world.client.client.tipHash == small)
    let great = world.mine(4, on: tip)
    world.nodes[1].follow(great, world.network)
    world.network.run(untilMs: world.network.nowMs + 600_000)
    #expect(world.client.client.tipHash == small)
    world.network.healPartitions()
    #expect(world.settle(on: great, seconds: 1_200))
    #expect(world.client.ledger.reorganisations == 1)
    #expect(world.client.ledger.bans.isEmpty)
  }

  @Test func oldHeadersAreDropped() {
    let (world, tip) = world(6, blocks: 12_000) { $0.windowHeaders = 2_200 }
    world.start()
    #expect(world.settle(on: tip, seconds: 600))
    #expect(world.client.client.tipHeight == 12_000)
    #expect(world.client.client.baseHeight > 5_000)
    #expect(world.client.disk.headers.count < 6_300)
    // What is left is enough to go on from, with all rules.
    world.client.restart(seed: 7, world.network)
    let next = world.mine(2_100, on: tip)
    world.nodes[0].follow(next, world.network)
    #expect(world.settle(on: next, seconds: 600))
    #expect(world.client.ledger.contradictions == [])
    // A heavier chain that parts below them is not followed, and the owner is told.
    let early = world.tree.chain(to: tip)[1_000]
    let other = world.mine(14_000, on: early)
    world.nodes[0].follow(other, world.network)
    world.network.run(untilMs: world.network.nowMs + 120_000)
    #expect(world.client.client.tipHash == next)
    #expect(world.client.ledger.stalls.last == .reorganisationTooDeep)
    // Nobody follows the kept chain any more: nothing new is begun on it.
    #expect(!world.client.client.isSynced)
    #expect(world.client.ledger.bans.isEmpty)
  }

  /// What the lowest filter header that is kept rests on is gone: its block is looked at instead.
  @Test func aScriptIsLookedForFromTheLowestHeightThatIsKept() {
    let (world, tip) = world(9, blocks: 3_200) { $0.windowHeaders = 2_200 }
    world.start()
    #expect(world.settle(on: tip, seconds: 600))
    let base = world.client.client.baseHeight
    #expect(base > 0)
    let paid = world.tree.entry(world.tree.chain(to: tip)[Int(base)])
    let script = paid.block.transactions[0].outputs[0].scriptPubKey
    world.client.restart(seed: 2, world.network)
    world.client.watch(script, fromHeight: 0, world.network)
    #expect(world.settle(on: tip, seconds: 600))
    #expect(world.client.ledger.matched[base] == paid.hash)
    #expect(world.client.ledger.bans.isEmpty && world.nodes[0].complaints == [])
  }

  @Test(arguments: [false, true])
  func aScriptIsLookedForFromTheCheckpointOn(_ isFilterHeaderKnown: Bool) {
    let (model, tip) = world(10, blocks: 150)
    let first = model.tree.entry(model.tree.chain(to: tip)[100])
    var network = Network.regtest
    network.checkpoint = Network.Checkpoint(
      height: 100, header: first.block.header, work: first.work,
      filterHeader: isFilterHeaderKnown ? first.filterHeader : nil)
    let world = LightClientWorld(
      seed: 10, rules: network, nodes: [{ ServingNode(tree: $0) }])
    // The same seed makes the same blocks.
    #expect(world.mine(150, on: world.tree.genesisHash) == tip)
    world.nodes[0].follow(tip, world.network)
    world.start()
    world.client.watch(
      first.block.transactions[0].outputs[0].scriptPubKey, fromHeight: 0, world.network)
    #expect(world.settle(on: tip, seconds: 600))
    #expect(world.client.ledger.matched[100] == first.hash)
    #expect(world.client.disk.headers.count == 51)
    #expect(world.client.ledger.bans.isEmpty && world.nodes[0].complaints == [])
  }

  @Test func anotherClientsConnectionIsNoSecondOpinion() {
    let (world, _) = world(8)
    world.start()
    guard let address = LightClientWorld.address(0) else { return }
    var configuration = LightClientConfiguration()
    configuration.peers = [address]
    var client = LightClient(
      network: .regtest, configuration: configuration, state: .fresh, seed: 1, nowMs: 0,
      unixSeconds: 0)
    client.peerConnected(PeerId(1), address: address, nowMs: 1, unixSeconds: 1)
    while client.nextEffect() != nil {}
    client.peerConnected(PeerId(2), address: address, nowMs: 2, unixSeconds: 1)
    #expect(client.nextEffect() == .disconnect(PeerId(2), .tooManyPeers))
    #expect(client.peers.count == 1)
  }
}
