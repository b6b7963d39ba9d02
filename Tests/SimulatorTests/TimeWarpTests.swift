import Bitcoin
import Bytes
import LightClient
import Testing

@testable import Simulator

/// Chains that lie about time: what the worlds of ``HostileScenario`` are made of does what it says,
/// and each is refused, or followed, exactly where Bitcoin Core does so.
@Suite struct TimeWarpTests {
  private func world(_ rules: Network.Rules, seed: UInt64 = 1) -> (LightClientWorld, Bytes32) {
    let world = LightClientWorld(
      seed: seed, rules: .model(rules),
      nodes: [{ ServingNode(tree: $0) }, { ServingNode(tree: $0) }])
    return (world, world.mine(60, on: world.tree.genesisHash))
  }

  /// The honest node's chain and a branch beside it; what the client follows in the end.
  private func followed(
    _ world: LightClientWorld, honest: Bytes32, branch: Bytes32
  ) -> (tip: Bytes32, bans: [Misbehaviour]) {
    world.nodes[0].follow(honest, world.network)
    world.nodes[1].follow(branch, world.network)
    world.start()
    world.network.run(untilMs: world.network.nowMs + 600_000)
    return (world.client.client.tipHash, world.client.ledger.bans.map(\.what))
  }

  /// The difficulty of a model does change, both ways, and easy blocks come on the test network.
  @Test(arguments: [Network.Rules.bitcoin, .signet, .testnet4])
  func modelsRetarget(_ rules: Network.Rules) {
    let (world, tip) = world(rules)
    let bits = world.tree.chain(to: tip).map { world.tree.entry($0).block.header.bits }
    var changes = 0
    for height in 1..<bits.count where bits[height] != bits[height - 1] {
      if height % 16 == 0 { changes += 1 } else { #expect(rules == .testnet4) }
    }
    #expect(changes >= 2)
    #expect(world.forbidden.isEmpty && world.mostWork == world.tree.entry(tip).work)
  }

  /// The attack works where BIP94 is not: after some periods blocks cost the least there is.
  @Test func withoutTheRuleDifficultyFalls() throws {
    var isFallen = false
    for seed in 1...8 as ClosedRange<UInt64> {
      let (world, tip) = world(.bitcoin, seed: seed)
      let branch = try #require(world.branch(.timeWarp, from: tip))
      #expect(!world.forbidden.contains(branch))
      let header = world.tree.entry(branch).block.header
      if header.bits == world.tree.network.powLimitBits { isFallen = true }
      // Only most work counts, not most blocks: for the honest chain there is more, and is followed.
      let honest = world.mine(90, on: tip)
      let (followed, bans) = followed(world, honest: honest, branch: branch)
      #expect(followed == honest)
      #expect(bans.isEmpty)
    }
    #expect(isFallen)
  }

  /// As Bitcoin Core, the client has no rule against it there: more work is followed.
  @Test func withoutTheRuleMoreWorkIsFollowed() throws {
    let (world, tip) = world(.bitcoin)
    var branch = try #require(world.branch(.timeWarp, from: tip))
    while world.tree.entry(branch).work <= world.tree.entry(tip).work {
      branch = world.mine(1, on: branch)
    }
    let (followed, bans) = followed(world, honest: tip, branch: branch)
    #expect(followed == branch)
    #expect(bans.isEmpty)
  }

  /// With BIP94 it is refused, however much work is in it, and by one second.
  @Test(arguments: [Lie.timeWarp, .timeWarpAtEdge])
  func theRuleIsKept(_ lie: Lie) throws {
    let (world, tip) = world(.testnet4)
    let branch = try #require(world.branch(lie, from: tip))
    #expect(world.forbidden.contains(branch))
    #expect(world.tree.entry(branch).work > world.tree.entry(tip).work)
    let honest = world.mine(5, on: tip)
    let (followed, bans) = followed(world, honest: honest, branch: branch)
    #expect(!world.forbidden.contains(followed))
    #expect(
      bans == [
        .invalidHeader(.invalid("a period's first header is much older than its parent"))
      ])
  }

  /// Ten minutes back are within it.
  @Test func tenMinutesAreAllowed() throws {
    let (world, tip) = world(.testnet4)
    var branch = try #require(world.branch(.periodEndsInFuture, from: tip))
    while world.tree.entry(branch).work <= world.tree.entry(tip).work {
      branch = world.mine(1, on: branch)
    }
    #expect(!world.forbidden.contains(branch))
    let (followed, bans) = followed(world, honest: tip, branch: branch)
    #expect(followed == branch)
    #expect(bans.isEmpty)
  }

  @Test(arguments: [Network.Rules.bitcoin, .signet, .testnet4])
  func retargetsAreChecked(_ rules: Network.Rules) throws {
    for lie in [Lie.retargetIgnored, .retargetOffByOne] {
      let (world, tip) = world(rules)
      guard let branch = world.branch(lie, from: tip) else {
        // Where rounding or the limit makes both the same there is no lie.
        #expect(lie == .retargetOffByOne)
        continue
      }
      #expect(world.forbidden.contains(branch))
      #expect(world.tree.entry(branch).work > world.tree.entry(tip).work)
      let (followed, bans) = followed(world, honest: tip, branch: branch)
      #expect(!world.forbidden.contains(followed))
      #expect(
        bans == [.invalidHeader(.invalid("a header's difficulty is not the required one"))])
    }
  }

  @Test func theMedianMustBePassed() throws {
    let (world, tip) = world(.bitcoin)
    let branch = try #require(world.branch(.timeAtMedian, from: tip))
    let (followed, bans) = followed(world, honest: tip, branch: branch)
    #expect(followed == tip)
    #expect(
      bans == [
        .invalidHeader(.invalid("a header's time is not after the median of those before it"))
      ])
  }

  /// What is from the future is no lie, only early: it is followed when its time has come.
  @Test func theFutureComesInTime() {
    let (world, tip) = world(.bitcoin)
    let ahead = UInt32(world.network.unixSeconds) + 7_200
    let early = world.mine(on: tip, time: ahead + 300)
    world.nodes[0].follow(tip, world.network)
    world.nodes[1].follow(early, world.network)
    world.start()
    world.network.run(untilMs: world.network.nowMs + 240_000)
    #expect(world.client.client.tipHash == tip)
    #expect(world.client.ledger.stalls.contains(.clockBehind))
    world.network.run(untilMs: world.network.nowMs + 1_200_000)
    #expect(world.client.client.tipHash == early)
    #expect(world.client.ledger.bans.isEmpty)
    #expect(world.client.ledger.contradictions.isEmpty)
  }
}
