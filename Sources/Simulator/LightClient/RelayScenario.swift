import Bitcoin
import Bytes
import LightClient

/// The relay of a transaction to nodes of several kinds, possibly over unreliable connections: into
/// a block, out of it by a reorganisation, and finally displaced by a double spend.
public struct RelayScenario: CustomStringConvertible {
  /// A node's reaction to the transaction.
  public enum Kind: CaseIterable, Sendable {
    /// Accepts it.
    case plain
    /// Has it already, and never requests it.
    case informed
    /// Has another one that spends the same coin.
    case rival
    /// Wants no transactions.
    case closed
  }

  public let seed: UInt64
  public var kinds: [Kind]
  public var isRough: Bool
  /// Other transactions are not watched.
  public var isBusy: Bool
  /// Another party made the transaction (`isFollowed`), and its witness reveals what it spends
  /// (`isShown`).
  public var isFollowed: Bool
  public var isShown: Bool
  public var trickleMs: UInt64
  public var fetchDelayMs: UInt64

  public init(seed: UInt64) {
    self.seed = seed
    var random = SimulatorRandom(seed: seed ^ 0x4e1a)
    kinds = (0..<(1 + random.below(5))).map { _ in
      Kind.allCases[Int(random.below(UInt64(Kind.allCases.count)))]
    }
    isRough = random.below(2) == 0
    isBusy = random.below(2) == 0
    isFollowed = random.below(3) > 0
    isShown = random.below(2) == 0
    trickleMs = [0, 5_000, 20_000][Int(random.below(3))]
    fetchDelayMs = [0, 2_000, 4_000][Int(random.below(3))]
  }

  public var description: String {
    "\(kinds), rough \(isRough), busy \(isBusy), followed \(isFollowed), shown \(isShown), "
      + "trickle \(trickleMs) ms, fetch \(fetchDelayMs) ms"
  }

  /// Runs the scenario; returns the failures.
  public func run() -> [String] {
    RelayTrial(self).run()
  }
}

/// One run of a ``RelayScenario``.
private final class RelayTrial {
  /// Most questions to one connection; half of them are for a transaction that it fetched.
  private static let questionsOfConnection = 16

  private let scenario: RelayScenario
  private let world: LightClientWorld
  private let coin: OutPoint
  private let ours: Transaction
  private let theirs: Transaction
  private let ownScript: [UInt8]
  private var tip: Bytes32
  private var random: SimulatorRandom
  private var failures: [String] = []

  private var client: LightClient { world.client.client }
  private var openNodes: [ServingNode] { world.nodes.filter { $0.transactions.isOpen } }

  init(_ scenario: RelayScenario) {
    self.scenario = scenario
    random = SimulatorRandom(seed: scenario.seed)
    let faults = scenario.isRough ? FaultOptions.rough(&random) : FaultOptions()
    world = LightClientWorld(
      seed: scenario.seed, nodes: scenario.kinds.map { _ in { ServingNode(tree: $0) } },
      faults: faults
    ) { [isBusy = scenario.isBusy] in
      if isBusy { $0.watchesMempool = false }
    }
    let witnessScript: [UInt8] = [0x51] + random.bytes(20)
    let witness = scenario.isShown ? [[1], witnessScript] : [random.bytes(64)]
    let spent = scenario.isShown ? Script.p2wsh(witnessScript: witnessScript) : world.freshScript()
    ownScript = world.freshScript()
    tip = world.mine(10, on: world.tree.genesisHash)
    tip = world.mine(1, on: tip, paying: [spent], oneIn: 1)
    let coin = OutPoint(txid: world.tree.entry(tip).block.transactions[0].txid, index: 0)
    self.coin = coin
    tip = world.mine(5, on: tip)
    func spend(_ amountSat: UInt64, _ script: [UInt8]) -> Transaction {
      Transaction(
        inputs: [TransactionInput(previous: coin, witness: witness)],
        outputs: [TransactionOutput(amountSat: amountSat, scriptPubKey: script)])
    }
    ours = spend(5_000, ownScript)
    theirs = spend(4_000, world.freshScript())
  }

  func run() -> [String] {
    for (node, kind) in zip(world.nodes, scenario.kinds) {
      node.transactions.trickleMs = scenario.trickleMs
      node.transactions.fetchDelayMs = scenario.fetchDelayMs
      node.transactions.isOpen = kind != .closed
      node.follow(tip, world.network)
      if kind == .informed { node.accept(ours, world.network) }
      if kind == .rival { node.accept(theirs, world.network) }
    }
    world.start()
    world.client.watch(world.freshScript(), fromHeight: 1, world.network)
    pass(random.below(20_000))
    if scenario.isFollowed {
      world.client.follow(ours, world.network)
    } else {
      world.client.broadcast(ours, world.network)
    }
    pass(60_000)
    if scenario.isRough && random.below(2) == 0 {
      world.client.restart(seed: random.next(), world.network)
    }
    settleLine()
    expectDelivered("at first")
    confirmAndReorganise()
    displace()
    for (index, node) in world.nodes.enumerated() where !node.complaints.isEmpty {
      failures.append("node \(index) complains: \(node.complaints)")
    }
    if !world.client.ledger.bans.isEmpty {
      failures.append("an honest node was banned: \(world.client.ledger.bans)")
    }
    return failures + world.client.ledger.contradictions
  }

  /// Runs the simulation, and compares the client's statements about peers with their state.
  private func pass(_ ms: UInt64) {
    let txid = ours.txid
    world.network.run(untilMs: world.network.nowMs + ms, maxSteps: 400_000) {
      guard self.failures.isEmpty, let state = self.client.relayState(txid) else { return false }
      var having = 0
      var holding = 0
      for node in self.world.nodes {
        let holds = node.mempool.contains { $0.txid == txid } || self.isConfirmed(node)
        if holds { holding += 1 }
        if holds || node.transactions.broughtIds.contains(txid) { having += 1 }
      }
      if state.takenBy > having { self.failures.append("\(state) where \(having) nodes have it") }
      if state.returnedBy > holding {
        self.failures.append("\(state) where \(holding) nodes could return it")
      }
      return false
    }
  }

  private var everConfirmed: Set<Bytes32> = []

  private func isConfirmed(_ node: ServingNode) -> Bool {
    !everConfirmed.isEmpty && node.chain.contains { everConfirmed.contains($0) }
  }

  /// Makes connections reliable, and waits for every question.
  private func settleLine() {
    if scenario.isRough {
      world.network.faults = FaultOptions()
      for link in world.network.openLinks { world.network.reset(link) }
    }
    let before = world.nodes.map { $0.transactions.questions }
    pass(scenario.isRough ? 1_800_000 : 240_000)
    for (node, count) in zip(world.nodes, before)
    where node.transactions.questions - count > RelayTrial.questionsOfConnection {
      failures.append("a node was asked \(node.transactions.questions - count) times")
    }
  }

  private func expectDelivered(_ when: String) {
    let txid = ours.txid
    let state = client.relayState(txid) ?? RelayState()
    let expected = openNodes.filter { node in node.mempool.contains { $0.txid == txid } }.count
    if client.isDelivered(txid) != !openNodes.isEmpty {
      failures.append("delivered \(client.isDelivered(txid)) \(when): \(state)")
    }
    if state.takenBy < openNodes.count || state.returnedBy != expected {
      failures.append("\(state) \(when), of \(openNodes.count) nodes \(expected) hold it")
    }
    let told = world.client.events.contains { event in
      if case .transactionRelayed(txid, let peers) = event {
        return peers >= min(2, openNodes.count)
      }
      return false
    }
    if told != !openNodes.isEmpty { failures.append("relayed was reported \(told) \(when)") }
    let lacking = zip(world.nodes, scenario.kinds).contains { node, kind in
      kind == .plain && !node.mempool.contains { $0.txid == txid }
    }
    if lacking { failures.append("a node lacks the transaction \(when)") }
  }

  private func confirmAndReorganise() {
    let base = tip
    let height = world.tree.entry(base).height + 1
    let block = world.mine([ours], on: base)
    everConfirmed.insert(block)
    for node in world.nodes { node.follow(block, world.network) }
    if !world.settle(on: block, seconds: 600) { failures.append("the block was not followed") }
    if world.client.ledger.confirmed[ours.txid] != height { failures.append("no confirmation") }
    if !client.isDelivered(ours.txid) { failures.append("confirmed and not delivered") }
    // Only nodes that still have the block of the old branch have it now.
    tip = world.mine(2, on: base)
    for node in world.nodes { node.follow(tip, world.network) }
    if !world.settle(on: tip, seconds: 600) { failures.append("no reorganisation") }
    if world.client.ledger.confirmed[ours.txid] != nil { failures.append("still confirmed") }
    pass(240_000)
    if !openNodes.isEmpty, (client.relayState(ours.txid)?.takenBy ?? 0) < openNodes.count {
      failures.append(
        "after the reorganisation: \(String(describing: client.relayState(ours.txid)))")
    }
    for node in openNodes where !node.mempool.contains(ours) {
      failures.append("after the reorganisation a node lacks the transaction")
    }
  }

  /// Another transaction spends the coin. If nothing reveals that, its block is not fetched.
  private func displace() {
    let paysUs = random.below(2) == 0
    var rival = theirs
    if paysUs { rival.outputs[0].scriptPubKey = ownScript }
    tip = world.mine([rival], on: tip)
    for node in world.nodes { node.follow(tip, world.network) }
    if !world.settle(on: tip, seconds: 600) { failures.append("the last block was not followed") }
    let isSeen = paysUs || (scenario.isFollowed && scenario.isShown)
    let told = world.client.ledger.conflicted[ours.txid]
    if isSeen && told != rival.txid { failures.append("the double spend was not reported") }
    // A filter may match by chance: then it is reported, too.
    if let told, told != rival.txid { failures.append("another double spend was reported") }
    if told != nil && !client.isDelivered(ours.txid) { failures.append("settled, not delivered") }
    if world.client.ledger.confirmed[ours.txid] != nil { failures.append("confirmed at the end") }
    if !client.isSynced { failures.append("not synced at the end") }
  }
}
