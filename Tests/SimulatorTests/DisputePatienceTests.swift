import Bitcoin
import Bytes
import LightClient
import Testing

@testable import Simulator

/// Two nodes differ about a filter, and one of them passes over the question for it, as Bitcoin Core does
/// for what is not indexed yet.
@Suite struct DisputePatienceTests {
  /// Its filters of the blocks in `hidden` hide everything. Until `silentUntilMs` it passes over whoever
  /// asks for a filter.
  private final class Node: ServingNode {
    var hidden: Set<Bytes32> = []
    var silentUntilMs: UInt64 = 0
    var questions = 0

    override func answer(
      _ message: PeerMessage, _ link: SimulatedNetwork.LinkId, _ network: SimulatedNetwork
    ) {
      if case .getFilters = message {
        questions += 1
        if network.nowMs < silentUntilMs { return }
      }
      super.answer(message, link, network)
    }

    override func filter(of entry: BlockTree.Entry) -> BlockFilter {
      if !hidden.contains(entry.hash) { return entry.filter }
      var block = entry.block
      for index in block.transactions.indices { block.transactions[index].outputs = [] }
      return BlockFilter.build(block: block, spentScripts: [])
    }
  }

  private struct Scene {
    let world: LightClientWorld
    let honest: Node
    let liar: Node
    let tip: Bytes32
    /// The next block, whose filter the liar falsifies.
    let next: Bytes32

    /// Runs until somebody is banned.
    func runUntilBan(seconds: UInt64) {
      world.network.run(untilMs: world.network.nowMs + seconds * 1000) {
        !world.client.ledger.bans.isEmpty
      }
    }
  }

  /// The client follows both, which agree so far.
  private func scene(_ seed: UInt64) -> Scene {
    var nodes: [Node] = []
    let make: (BlockTree) -> ServingNode = { tree in
      let node = Node(tree: tree)
      nodes.append(node)
      return node
    }
    let world = LightClientWorld(seed: seed, nodes: [make, make])
    let tip = world.mine(20, on: world.tree.genesisHash)
    for node in nodes { node.follow(tip, world.network) }
    world.start()
    world.client.watch(world.freshScript(), fromHeight: 1, world.network)
    #expect(world.settle(on: tip, seconds: 60))
    world.network.run(untilMs: world.network.nowMs + 60_000)
    let next = world.mine(1, on: tip)
    nodes[1].hidden = [next]
    return Scene(world: world, honest: nodes[0], liar: nodes[1], tip: tip, next: next)
  }

  private func expectLiarFound(_ scene: Scene) {
    #expect(scene.world.client.ledger.bans.map(\.address) == [LightClientWorld.address(1)])
    #expect(scene.world.settle(on: scene.next, seconds: 20))
    let expected = scene.world.tree.entry(scene.next).filterHeader
    #expect(scene.world.client.disk.filterHeaders.last == expected)
    #expect(scene.honest.complaints == [])
  }

  private func expectLiarFound(_ scene: Scene, soonAfterMs readyMs: UInt64) {
    let network = scene.world.network
    scene.runUntilBan(seconds: 120)
    #expect(network.nowMs >= readyMs && network.nowMs < readyMs + 8_000)
    expectLiarFound(scene)
  }

  /// Whose filter header we hold has to show its filter as soon as it is there again.
  @Test(arguments: [2_000, 12_000, 50_000] as [UInt64])
  func aSupporterThatPassesOverIsAskedAgain(_ lagMs: UInt64) {
    let scene = scene(70)
    let network = scene.world.network
    scene.liar.follow(scene.next, network)
    #expect(scene.world.settle(on: scene.next, seconds: 60))
    // It goes back by a block, and makes its filter anew.
    scene.liar.follow(scene.tip, network)
    scene.liar.filterLagMs = lagMs
    scene.liar.follow(scene.next, network)
    let readyMs = network.nowMs + lagMs
    let asked = scene.liar.questions
    scene.honest.follow(scene.next, network)
    expectLiarFound(scene, soonAfterMs: readyMs)
    #expect(scene.liar.questions >= asked + 2)
  }

  /// Who told another filter header than we hold is not silent because it passes over a question.
  @Test(arguments: [2_000, 12_000, 50_000] as [UInt64])
  func aChallengerThatPassesOverIsAskedAgain(_ lagMs: UInt64) {
    let scene = scene(71)
    let network = scene.world.network
    scene.liar.follow(scene.next, network)
    #expect(scene.world.settle(on: scene.next, seconds: 60))
    let readyMs = network.nowMs + lagMs
    scene.honest.silentUntilMs = readyMs
    scene.honest.follow(scene.next, network)
    expectLiarFound(scene, soonAfterMs: readyMs)
  }

  /// Nobody holds a dispute open by passing over, however promptly it answers pings.
  @Test func passingOverForEverDefendsNothing() {
    let scene = scene(72)
    let network = scene.world.network
    scene.honest.follow(scene.next, network)
    #expect(scene.world.settle(on: scene.next, seconds: 60))
    scene.liar.silentUntilMs = UInt64.max
    let asked = scene.liar.questions
    scene.liar.follow(scene.next, network)
    network.run(untilMs: network.nowMs + 70_000)
    #expect(scene.liar.questions > asked + 5 && scene.liar.questions < asked + 60)
    // It is no proof of a lie.
    #expect(scene.world.client.ledger.bans.isEmpty)
    let last = scene.world.mine(3, on: scene.next)
    scene.honest.follow(last, network)
    #expect(scene.world.settle(on: last, seconds: 20))
    let expected = scene.world.tree.entry(last).filterHeader
    #expect(scene.world.client.disk.filterHeaders.last == expected)
  }
}
