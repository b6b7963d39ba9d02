import Bitcoin
import Bytes
import LightClient

/// A world with one honest node among liars, in which the chain grows and reorganises, connections
/// are unreliable, and the client restarts occasionally. At the end the client must agree with the
/// honest node.
public struct HostileScenario: CustomStringConvertible {
  public let seed: UInt64
  /// The lies of each liar.
  public var liars: [Set<Lie>]
  /// The probability of a lie at each opportunity.
  public var rate: Double
  /// Whether connections are unreliable and the client restarts.
  public var isRough = true
  /// What the network's rules are.
  public var chain = Chain.plain
  /// Whether most of the chain is older than the clients' window; the honest node is reached only
  /// after that.
  public var isDeep = false

  /// The rules of a network. Signets have signers (BIP325): liars make unsigned chains with more
  /// work.
  public enum Chain: CaseIterable, Sendable {
    /// All blocks have the same difficulty.
    case plain, plainSignet
    /// Difficulty changes; the last one has BIP94 and the test networks' minimum-difficulty blocks.
    case bitcoin, signet, testnet4

    var isSignet: Bool { self == .plainSignet || self == .signet }

    var network: Network {
      switch self {
      case .plain, .plainSignet: return .regtest
      case .bitcoin: return .model(.bitcoin)
      case .signet: return .model(.signet)
      case .testnet4: return .model(.testnet4)
      }
    }
  }

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
    chain = Chain.allCases[Int(random.below(UInt64(Chain.allCases.count)))]
  }

  public var description: String {
    let names = liars.map { lies in
      lies.map { String(describing: $0) }.sorted().joined(separator: "+")
    }
    return "liars \(names.joined(separator: " | ")), rate \(rate), rough \(isRough), "
      + "\(chain), deep \(isDeep)"
  }

  /// Runs the scenario; returns the failures.
  public func run() -> [String] {
    var random = SimulatorRandom(seed: seed)
    var faults = isRough ? FaultOptions.rough(&random) : FaultOptions()
    let honestIndex = Int(random.below(UInt64(liars.count + 1)))
    let world = LightClientWorld(
      seed: seed, signer: chain.isSignet ? SignetSigner(rules: chain.network) : nil,
      rules: chain.isSignet ? nil : chain.network, nodes: makers(honestIndex), faults: faults
    ) {
      $0.filterBatch = 20
      $0.usesGossip = true
      if isDeep { $0.windowHeaders = 2_200 }
    }
    let scripts = [world.freshScript(), world.freshScript()]
    for case let node as LyingNode in world.nodes {
      node.rate = rate
      node.bait = scripts
    }
    var tip = world.mine(isDeep ? 3_200 : 0, on: world.tree.genesisHash)
    tip = world.mine(60, on: tip, paying: scripts)
    let fork = world.tree.chain(to: tip).dropLast(20).last ?? tip
    let stale = world.mine(Int(random.below(10)), on: fork)
    for (index, node) in world.nodes.enumerated() {
      node.follow(index != honestIndex && random.below(4) == 0 ? stale : tip, world.network)
    }
    world.start()
    for script in scripts { world.client.watch(script, fromHeight: 1, world.network) }
    let coin = OutPoint(txid: Bytes32(random.bytes(32)), index: 1)
    let own = payment(of: coin, 5_000, to: scripts[0])
    world.client.broadcast(own, world.network)
    if isDeep {
      world.network.partition(world.nodes[honestIndex].id, into: 1)
      run(world, ms: 600_000, maxSteps: 200_000)
      world.network.healPartitions()
    }
    for _ in 0..<6 {
      run(world, ms: random.below(30_000), maxSteps: 200_000)
      tip = move(tip, world, scripts, &random)
      for (index, node) in world.nodes.enumerated()
      where index == honestIndex || random.below(3) > 0 {
        var tip = tip
        // On a signet a liar about time is one of its signers, who do not build on a forged block.
        if chain.isSignet && index != honestIndex && random.below(2) == 0 {
          tip = forge(tip, world, &random)
        } else if let lie = (node as? LyingNode)?.lieAboutTime(), random.below(2) == 0 {
          tip = world.branch(lie, from: tip) ?? tip
        }
        node.follow(tip, world.network)
      }
      if isRough && random.below(4) == 0 {
        world.client.restart(seed: random.next(), world.network)
      }
    }
    // Miners may manipulate times, but do not have most of the work.
    let mostWork = world.mostWork
    while world.tree.entry(tip).work <= mostWork {
      tip = world.mine(1, on: tip, paying: scripts, oneIn: 3)
    }
    world.nodes[honestIndex].follow(tip, world.network)
    // From now on connections are reliable and there is time: the client must reach the honest
    // chain.
    faults = FaultOptions()
    world.network.faults = faults
    for link in world.network.openLinks where isRough { world.network.reset(link) }
    // Half an hour, so that the honest node is dialled again after any failure.
    run(world, ms: 1_800_000, maxSteps: 400_000)
    var failures: [String] = []
    if !world.nodes[honestIndex].mempool.contains(own) {
      failures.append("our transaction was not relayed to the honest node")
    }
    // It confirms, or another transaction spends its coin.
    let rival = random.below(2) == 0 ? payment(of: coin, 4_000, to: scripts[1]) : nil
    tip = world.mine([rival ?? own], on: tip)
    world.nodes[honestIndex].follow(tip, world.network)
    let isLevel = world.settle(on: tip, seconds: 7_200)
    world.client.measure()
    failures += judge(world, tip, scripts, honestIndex, isLevel)
    let ledger = world.client.ledger
    if isLevel, rival == nil, ledger.confirmed[own.txid] != world.tree.entry(tip).height {
      failures.append("our transaction's confirmation was not reported")
    }
    if isLevel, let rival, ledger.conflicted[own.txid] != rival.txid {
      failures.append("the double spend was not reported")
    }
    return failures
  }

  private func payment(of coin: OutPoint, _ amountSat: UInt64, to script: [UInt8]) -> Transaction {
    Transaction(
      inputs: [TransactionInput(previous: coin)],
      outputs: [TransactionOutput(amountSat: amountSat, scriptPubKey: script)])
  }

  /// Runs the simulation, and measures the client's memory occasionally.
  private func run(_ world: LightClientWorld, ms: UInt64, maxSteps: Int) {
    var steps = 0
    world.network.run(untilMs: world.network.nowMs + ms, maxSteps: maxSteps) {
      steps += 1
      if steps % HostileScenario.stepsBetweenLooks == 0 { world.client.measure() }
      return false
    }
    world.client.measure()
  }

  private static let stepsBetweenLooks = 2_000
  /// Memory for a chain of a hundred blocks, some peers and their messages, in bytes.
  private static let heldBytes = 150_000
  /// Memory for each peer's incomplete message, in bytes.
  private static let heldBytesOfMessage = 1_000_000

  private func makers(_ honestIndex: Int) -> [(BlockTree) -> ServingNode] {
    var makers: [(BlockTree) -> ServingNode] = []
    for (index, lies) in liars.enumerated() {
      let seed = seed &+ UInt64(index) &* 7919
      makers.append { LyingNode(tree: $0, lies: lies, seed: seed) }
    }
    makers.insert({ ServingNode(tree: $0) }, at: honestIndex)
    return makers
  }

  /// Extends the chain, or replaces its last blocks.
  private func move(
    _ tip: Bytes32, _ world: LightClientWorld, _ scripts: [[UInt8]],
    _ random: inout SimulatorRandom
  ) -> Bytes32 {
    if random.below(3) > 0 {
      return world.mine(1 + Int(random.below(4)), on: tip, paying: scripts, oneIn: 3)
    }
    // Where no rule forbids it, all nodes follow the most work, even of a time-warped chain.
    if chain == .bitcoin && random.below(4) == 0, let warped = world.branch(.timeWarp, from: tip),
      world.tree.entry(warped).work > world.tree.entry(tip).work
    {
      return warped
    }
    let chain = world.tree.chain(to: tip)
    let depth = 1 + Int(random.below(8))
    var other = world.mine(
      depth + 1 + Int(random.below(2)), on: chain[chain.count - 1 - depth], paying: scripts,
      oneIn: 3)
    // Blocks may differ in difficulty.
    while world.tree.entry(other).work <= world.tree.entry(tip).work {
      other = world.mine(1, on: other, paying: scripts, oneIn: 3)
    }
    return other
  }

  /// A chain with more work, without signatures.
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
    let owing = liars.filter { $0.contains(.hugeMessages) }.count
    let mayHold =
      HostileScenario.heldBytes * (isDeep ? 10 : 1) + owing * HostileScenario.heldBytesOfMessage
    if world.client.mostHeldBytes > mayHold {
      failures.append("the client held \(world.client.mostHeldBytes) bytes")
    }
    for event in world.client.events {
      if case .tipChanged(_, let hash) = event {
        if world.forbidden.contains(hash) {
          failures.append("the client followed an unsigned or invalid chain")
        }
        if let work = world.tree.entries[hash]?.work, work < world.tree.network.minimumChainWork {
          failures.append("the client followed a chain of too little work")
        }
      }
      if case .blockMatched(_, let block) = event, world.forbidden.contains(block.hash) {
        failures.append("the client reported a block of an unsigned or invalid chain")
      }
    }
    if !isLevel {
      failures.append(
        "not synced: tip \(client.tipHeight) of \(world.tree.entry(tip).height), scanned "
          + "\(client.scannedHeight), synced \(client.isSynced), at \(world.network.nowMs) ms, "
          + "step \(world.network.steps), stalls \(world.client.ledger.stalls.suffix(3)), bans "
          + "\(world.client.ledger.bans.suffix(3)), peers \(client.peers)")
      return failures
    }
    let expected = world.blocks(touching: scripts, to: tip)
    let chain = world.tree.chain(to: tip)
    for (height, hash) in expected where world.client.ledger.matched[height] != hash {
      failures.append("block \(height) was not reported")
    }
    // A filter may match by chance, but reported blocks must be on the chain.
    for (height, hash) in world.client.ledger.matched where chain[Int(height)] != hash {
      failures.append("reported block \(height) is not on the chain")
    }
    // If the block does not decide, false filter headers may stay; the blocks are still reported.
    let isUndecidable = liars.contains {
      !$0.isDisjoint(with: [.filterOmitsSpends, .filterBelievesWitnesses])
    }
    if !isUndecidable && !isDeep
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
