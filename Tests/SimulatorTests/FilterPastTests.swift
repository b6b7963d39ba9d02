import Bitcoin
import Bytes
import LightClient
import Testing

@testable import Simulator

/// Filter headers that part so far back that nobody keeps the blocks: whoever was heard first may have
/// lied there, and nothing of that must matter for what is still to come.
@Suite struct FilterPastTests {
  /// Its filter of one old block is false, and so are all its filter headers above. Of the blocks in
  /// `hidden` it tells filters that hide everything.
  private final class PastLiar: ServingNode {
    var hidden: Set<Bytes32> = []
    private var headers: [Bytes32: Bytes32] = [:]

    override func filter(of entry: BlockTree.Entry) -> BlockFilter {
      if entry.height == 50 {
        return BlockFilter.build(block: entry.block, spentScripts: [[0x52, 0x53]])
      }
      if !hidden.contains(entry.hash) { return entry.filter }
      var block = entry.block
      for index in block.transactions.indices { block.transactions[index].outputs = [] }
      return BlockFilter.build(block: block, spentScripts: [])
    }

    override func filterHeader(before entry: BlockTree.Entry) -> Bytes32 {
      if entry.height == 0 { return .zero }
      let parent = entry.block.header.previous
      if let known = headers[parent] { return known }
      var header = Bytes32.zero
      for hash in tree.chain(to: parent) {
        header = filter(of: tree.entry(hash)).header(previous: header)
        headers[hash] = header
      }
      return header
    }
  }

  /// A client that heard the liar alone, and keeps nothing of where it lied; the honest node comes.
  private func world(_ seed: UInt64) -> (LightClientWorld, PastLiar, tip: Bytes32) {
    var liar: PastLiar?
    let world = LightClientWorld(
      seed: seed,
      nodes: [
        { tree in
          let node = PastLiar(tree: tree)
          liar = node
          return node
        }, { ServingNode(tree: $0) },
      ]
    ) { $0.windowHeaders = 2_200 }
    guard let liar else { preconditionFailure("nodes are made at once") }
    let tip = world.mine(3_200, on: world.tree.genesisHash)
    for node in world.nodes { node.follow(tip, world.network) }
    world.network.partition(world.nodes[1].id, into: 1)
    world.start()
    world.client.watch(world.freshScript(), fromHeight: 3_000, world.network)
    #expect(world.settle(on: tip, seconds: 600))
    #expect(world.client.client.baseHeight > 50)
    #expect(world.client.disk.filterHeaders.last != world.tree.entry(tip).filterHeader)
    return (world, liar, tip)
  }

  /// The liar alone shows a payment's block and some more, and hides the payment.
  private func hidePayment(
    _ world: LightClientWorld, _ liar: PastLiar, on tip: Bytes32, blocks: Int
  ) -> (paid: Bytes32, tip: Bytes32) {
    let script = world.freshScript()
    let paid = world.mine(1, on: tip, paying: [script], oneIn: 1)
    liar.hidden = [paid]
    let next = world.mine(blocks, on: paid)
    liar.follow(next, world.network)
    world.client.watch(script, fromHeight: 3_200, world.network)
    #expect(world.settle(on: next, seconds: 600))
    return (paid, next)
  }

  @Test func theHonestNodeAloneIsFollowed() {
    let (world, liar, tip) = world(50)
    let script = world.freshScript()
    world.client.watch(script, fromHeight: 3_200, world.network)
    world.network.healPartitions()
    world.network.partition(liar.id, into: 1)
    let next = world.mine(20, on: tip, paying: [script], oneIn: 2)
    world.nodes[1].follow(next, world.network)
    #expect(world.settle(on: next, seconds: 3_600))
    let expected = world.blocks(touching: [script], to: next)
    #expect(!expected.isEmpty && world.client.ledger.matched == expected)
    #expect(world.client.ledger.bans.isEmpty)
    #expect(world.nodes[1].complaints == [])
  }

  /// Both are there: what they differ about in the past does no harm, and the next lie is found out.
  @Test(arguments: [false, true]) func theNextLieIsFoundOut(_ restarts: Bool) {
    let (world, liar, tip) = world(51)
    let script = world.freshScript()
    world.client.watch(script, fromHeight: 3_200, world.network)
    world.network.healPartitions()
    let quiet = world.mine(3, on: tip)
    for node in world.nodes { node.follow(quiet, world.network) }
    #expect(world.settle(on: quiet, seconds: 3_600))
    #expect(world.client.ledger.bans.isEmpty)
    if restarts { world.client.restart(seed: 3, world.network) }
    let paid = world.mine(1, on: quiet, paying: [script], oneIn: 1)
    liar.hidden = [paid]
    let next = world.mine(200, on: paid)
    for node in world.nodes { node.follow(next, world.network) }
    #expect(world.settle(on: next, seconds: 3_600))
    #expect(world.client.ledger.matched[world.tree.entry(paid).height] == paid)
    #expect(world.client.ledger.bans.map(\.address) == [LightClientWorld.address(0)])
    #expect(world.nodes[1].complaints == [])
  }

  /// It lied about what is kept, too, before the honest node was heard.
  @Test func aLieWithinTheWindowIsFoundOut() {
    let (world, liar, tip) = world(52)
    let (paid, next) = hidePayment(world, liar, on: tip, blocks: 200)
    #expect(world.client.ledger.matched.isEmpty)
    world.network.healPartitions()
    world.nodes[1].follow(next, world.network)
    world.network.run(untilMs: world.network.nowMs + 1_800_000)
    #expect(world.settle(on: next, seconds: 3_600))
    #expect(world.client.ledger.matched[world.tree.entry(paid).height] == paid)
    // A ban ends, and it lies again.
    #expect(!world.client.ledger.bans.isEmpty)
    #expect(world.client.ledger.bans.allSatisfy { $0.address == LightClientWorld.address(0) })
  }

  /// The honest node is heard at the same moment in which the chain grows: what it adds must not hide
  /// that its filters of the window were never compared.
  @Test func growthDoesNotSkipTheComparison() {
    let (world, liar, tip) = world(53)
    let (paid, first) = hidePayment(world, liar, on: tip, blocks: 30)
    var next = first
    world.network.healPartitions()
    for _ in 0..<60 {
      next = world.mine(1, on: next)
      world.nodes[1].follow(next, world.network)
      world.network.run(untilMs: world.network.nowMs + 2_000)
    }
    #expect(world.settle(on: next, seconds: 3_600))
    #expect(world.client.ledger.matched[world.tree.entry(paid).height] == paid)
    #expect(world.client.ledger.bans.allSatisfy { $0.address == LightClientWorld.address(0) })
    #expect(world.nodes[1].complaints == [])
  }
}
