import Bitcoin
import Bytes
import LightClient

/// A world with one honest node among liars, in which the chain grows and reorganises, the line is
/// bad, and the client now and then loses power. In the end the client must be where the honest
/// node is.
public struct HostileScenario: CustomStringConvertible {
  public let seed: UInt64
  /// The lies of each liar.
  public var liars: [Set<Lie>]
  /// How often a liar lies where it could.
  public var rate: Double
  /// Whether the line is bad and the client restarts.
  public var isRough = true
  /// Whether the network has signers (BIP325). Liars then make chains of more work, unsigned.
  public var isSignet = false

  public init(seed: UInt64) {
    self.seed = seed
    var random = SimulatorRandom(seed: seed ^ 0x11e5)
    liars = (0..<(1 + Int(random.below(4)))).map { _ in
      var lies: Set<Lie> = []
      for _ in 0..<(1 + random.below(4)) {
        lies.insert(Lie.allCases[Int(random.below(UInt64(Lie.allCases.count)))])
      }
      return lies
    }
    rate = [0.05, 0.2, 0.5, 1][Int(random.below(4))]
    isSignet = random.below(3) == 0
  }

  public var description: String {
    let names = liars.map { lies in
      lies.map { String(describing: $0) }.sorted().joined(separator: "+")
    }
    return
      "liars \(names.joined(separator: " | ")), rate \(rate), rough \(isRough), signet \(isSignet)"
  }

  /// What went wrong; empty when all is well.
  public func run() -> [String] {
    var random = SimulatorRandom(seed: seed)
    var faults = isRough ? FaultOptions.rough(&random) : FaultOptions()
    let honestIndex = Int(random.below(UInt64(liars.count + 1)))
    let world = LightClientWorld(
      seed: seed, signer: isSignet ? SignetSigner() : nil, nodes: makers(honestIndex),
      faults: faults
    ) {
      $0.filterBatch = 20
      $0.usesGossip = true
    }
    for node in world.nodes { (node as? LyingNode)?.rate = rate }
    let scripts = [world.freshScript(), world.freshScript()]
    var tip = world.mine(60, on: world.tree.genesisHash, paying: scripts)
    let stale = world.mine(Int(random.below(10)), on: world.tree.chain(to: tip)[40])
    for (index, node) in world.nodes.enumerated() {
      node.follow(index != honestIndex && random.below(4) == 0 ? stale : tip, world.network)
    }
    world.start()
    for script in scripts { world.client.watch(script, fromHeight: 1, world.network) }
    for _ in 0..<6 {
      world.network.run(untilMs: world.network.nowMs + random.below(30_000), maxSteps: 200_000)
      tip = move(tip, world, scripts, &random)
      for (index, node) in world.nodes.enumerated()
      where index == honestIndex || random.below(3) > 0 {
        var tip = tip
        if isSignet && index != honestIndex && random.below(2) == 0 {
          tip = forge(tip, world, &random)
        }
        node.follow(tip, world.network)
      }
      if isRough && random.below(4) == 0 {
        world.client.restart(seed: random.next(), world.network)
      }
    }
    // The line becomes good, and there is time: now nothing may keep the client from the truth.
    faults = FaultOptions()
    world.network.faults = faults
    for link in world.network.openLinks where isRough { world.network.reset(link) }
    // Half an hour, so that the honest node is dialled again, whatever happened to it.
    world.network.run(untilMs: world.network.nowMs + 1_800_000, maxSteps: 400_000)
    let isLevel = world.settle(on: tip, seconds: 7_200)
    return judge(world, tip, scripts, honestIndex, isLevel)
  }

  private func makers(_ honestIndex: Int) -> [(BlockTree) -> ServingNode] {
    var makers: [(BlockTree) -> ServingNode] = []
    for (index, lies) in liars.enumerated() {
      let seed = seed &+ UInt64(index) &* 7919
      makers.append { LyingNode(tree: $0, lies: lies, seed: seed) }
    }
    makers.insert({ ServingNode(tree: $0) }, at: honestIndex)
    return makers
  }

  /// The chain grows, or the last blocks are replaced.
  private func move(
    _ tip: Bytes32, _ world: LightClientWorld, _ scripts: [[UInt8]],
    _ random: inout SimulatorRandom
  ) -> Bytes32 {
    if random.below(3) > 0 {
      return world.mine(1 + Int(random.below(4)), on: tip, paying: scripts, oneIn: 3)
    }
    let chain = world.tree.chain(to: tip)
    let depth = 1 + Int(random.below(8))
    return world.mine(
      depth + 1 + Int(random.below(2)), on: chain[chain.count - 1 - depth], paying: scripts,
      oneIn: 3)
  }

  /// A heavier chain that the signers never saw.
  private func forge(
    _ tip: Bytes32, _ world: LightClientWorld, _ random: inout SimulatorRandom
  ) -> Bytes32 {
    let chain = world.tree.chain(to: tip)
    let depth = Int(random.below(6))
    let count = depth + 1 + Int(random.below(5))
    return world.mine(count, on: chain[chain.count - 1 - depth], isSigned: false)
  }

  private func judge(
    _ world: LightClientWorld, _ tip: Bytes32, _ scripts: [[UInt8]], _ honestIndex: Int,
    _ isLevel: Bool
  ) -> [String] {
    var failures = world.client.ledger.contradictions
    let client = world.client.client
    for event in world.client.events {
      if case .tipChanged(_, let hash) = event, world.unsigned.contains(hash) {
        failures.append("the client followed a chain that nobody signed")
      }
      if case .blockMatched(_, let block) = event, world.unsigned.contains(block.hash) {
        failures.append("the client told a block that nobody signed")
      }
    }
    if !isLevel {
      failures.append(
        "not level: tip \(client.tipHeight) of \(world.tree.entry(tip).height), scanned "
          + "\(client.scannedHeight), synced \(client.isSynced), at \(world.network.nowMs) ms, "
          + "step \(world.network.steps), stalls \(world.client.ledger.stalls.suffix(3)), bans "
          + "\(world.client.ledger.bans.suffix(3)), peers \(client.peers)")
      return failures
    }
    let expected = world.blocks(touching: scripts, to: tip)
    let chain = world.tree.chain(to: tip)
    for (height, hash) in expected where world.client.ledger.matched[height] != hash {
      failures.append("block \(height) was not told")
    }
    // A filter may match by chance; but what was told must be on the chain.
    for (height, hash) in world.client.ledger.matched where chain[Int(height)] != hash {
      failures.append("block \(height) that was told is not on the chain")
    }
    // Where the block does not decide, the false filter headers may stay; the blocks are told.
    let isUndecidable = liars.contains { $0.contains(.filterOmitsSpends) }
    if !isUndecidable
      && world.client.disk.filterHeaders.last != world.tree.entry(tip).filterHeader
    {
      failures.append(
        "the filter headers on disk are false: bans \(world.client.ledger.bans), peers "
          + "\(client.peers), stalls \(world.client.ledger.stalls)")
    }
    for ban in world.client.ledger.bans
    where ban.address == LightClientWorld.address(honestIndex) {
      failures.append("the honest node was banned: \(ban.what)")
    }
    for complaint in world.nodes[honestIndex].complaints {
      failures.append("the honest node complains: \(complaint)")
    }
    return failures
  }
}
