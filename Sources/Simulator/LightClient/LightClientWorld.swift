import Bitcoin
import Bytes
import LightClient

/// A network with one light client, and nodes that serve blocks of one tree.
public final class LightClientWorld {
  public let network: SimulatedNetwork
  public let tree: BlockTree
  public let client: ClientEndpoint
  public private(set) var nodes: [ServingNode] = []
  public var random: SimulatorRandom
  /// Signs the blocks of ``mine(_:on:paying:oneIn:isSigned:)`` on a network with signers.
  public let signer: SignetSigner?
  /// Blocks that break a rule, or lack a solution, and their descendants.
  public private(set) var forbidden: Set<Bytes32> = []
  /// The work of the best valid chain.
  public private(set) var mostWork = ChainWork.zero

  /// `configure` may change the client's configuration; its peers are set as nodes are added,
  /// before ``start()``.
  public init(
    seed: UInt64, signer: SignetSigner? = nil, rules given: Network? = nil,
    nodes makers: [(BlockTree) -> ServingNode],
    faults: FaultOptions = FaultOptions(),
    configure: (inout LightClientConfiguration) -> Void = { _ in }
  ) {
    random = SimulatorRandom(seed: seed ^ 0x5eed)
    self.signer = signer
    let rules = given ?? signer?.network ?? .regtest
    // Two years after the genesis block, so that there is room for chains in the past.
    network = SimulatedNetwork(
      seed: seed, faults: faults, epochSeconds: UInt64(rules.genesis.time) + 2 * 365 * 86_400)
    tree = BlockTree(network: rules)
    var configuration = LightClientConfiguration()
    configuration.targetPeers = max(1, makers.count)
    for index in makers.indices {
      if let address = LightClientWorld.address(index) { configuration.peers.append(address) }
    }
    configure(&configuration)
    client = ClientEndpoint(
      network: rules, configuration: configuration, seed: seed, clock: network)
    client.id = network.add(client)
    for (index, make) in makers.enumerated() {
      let node = make(tree)
      node.id = network.add(node)
      nodes.append(node)
      if let address = LightClientWorld.address(index) {
        client.directory.append((address, node.id))
      }
    }
  }

  public static func address(_ index: Int) -> PeerAddress? {
    PeerAddress(ip: [10, UInt8(index >> 8), UInt8(index & 255), 1], port: 18444)
  }

  public func start() { client.start(network) }

  /// Mines `count` blocks on `tip`; one in `every` pays to one of `scripts`, and as many spend an
  /// earlier payment. Returns the new tip.
  public func mine(
    _ count: Int, on tip: Bytes32, paying scripts: [[UInt8]] = [], oneIn every: UInt64 = 5,
    isSigned: Bool = true
  ) -> Bytes32 {
    var tip = tip
    for _ in 0..<count {
      var script: [UInt8] = [0x00, 0x14] + random.bytes(20)
      if !scripts.isEmpty && random.below(every) == 0 {
        script = scripts[Int(random.below(UInt64(scripts.count)))]
      }
      var transactions: [Transaction] = []
      if !scripts.isEmpty && random.below(every) == 0, let spend = spend(scripts, before: tip) {
        transactions.append(spend)
      }
      tip = mine(
        on: tip, transactions, script, time: honestTime(after: tip), isSigned: isSigned)
    }
    return tip
  }

  /// Mines one block with these transactions, at an honest time.
  func mine(_ transactions: [Transaction], on tip: Bytes32) -> Bytes32 {
    mine(on: tip, transactions, time: honestTime(after: tip))
  }

  /// Mines one block. Set `isForbidden` if its time or difficulty breaks a rule.
  func mine(
    on parent: Bytes32, _ transactions: [Transaction] = [], _ script: [UInt8] = [0x51],
    time: UInt32? = nil, bits: UInt32? = nil, isSigned: Bool = true, isForbidden: Bool = false
  ) -> Bytes32 {
    let hash = tree.mine(
      on: parent, transactions: transactions, script: script, time: time, bits: bits
    ) { block in
      guard isSigned, let signer = self.signer else { return block.transactions[0] }
      return signer.sign(block)
    }
    if isForbidden || forbidden.contains(parent) || (signer != nil && !isSigned) {
      forbidden.insert(hash)
    } else {
      mostWork = max(mostWork, tree.entry(hash).work)
    }
    return hash
  }

  /// An irregular block time where difficulty changes, so that it does; nil for ten minutes.
  private func honestTime(after parent: Bytes32) -> UInt32? {
    if tree.network.rules == .regtest { return nil }
    let before = tree.entry(parent).block.header
    let now = UInt32(network.unixSeconds)
    var spacing = 100 + UInt32(random.below(600))
    if let target = Target(bits: before.bits), let limit = Target(bits: tree.network.powLimitBits),
      target.value < limit.value >> 5
    {
      // Limit the work for the simulation.
      spacing += 600
    }
    if random.below(20) == 0 { spacing = 1_200 + UInt32(random.below(3)) }
    let context = tree.context(of: parent)
    let median = HeaderRules.medianTimePast(context) ?? 0
    var time = min(before.time + spacing, max(now, median + 1))
    let isFirst = (context.parentHeight + 1) % tree.network.retargetInterval == 0
    if tree.network.rules == .testnet4 && isFirst { time = max(time, before.time - 600) }
    return max(time, median + 1)
  }

  /// Spends a coinbase that paid to one of `scripts`, to an arbitrary script.
  private func spend(_ scripts: [[UInt8]], before tip: Bytes32) -> Transaction? {
    let chain = tree.chain(to: tip)
    for _ in 0..<5 {
      let coinbase = tree.entry(chain[Int(random.below(UInt64(chain.count)))]).block.transactions[0]
      if !scripts.contains(coinbase.outputs[0].scriptPubKey) { continue }
      var spend = Transaction(
        inputs: [TransactionInput(previous: OutPoint(txid: coinbase.txid, index: 0))],
        outputs: [
          TransactionOutput(amountSat: 1000, scriptPubKey: [0x00, 0x14] + random.bytes(20)),
          TransactionOutput(amountSat: 0, scriptPubKey: LightClientWorld.anchor),
        ])
      if let anchor = anchor(before: chain) {
        let script = [0x51] + random.bytes(40)
        spend.inputs.append(TransactionInput(previous: anchor, witness: [[1], script]))
      }
      return spend
    }
    return nil
  }

  /// BIP433: anyone may spend it, with any witness if a miner helps.
  private static let anchor: [UInt8] = [0x51, 0x02, 0x4e, 0x73]

  /// The newest anyone-can-spend output in the last blocks.
  private func anchor(before chain: [Bytes32]) -> OutPoint? {
    for hash in chain.suffix(20).reversed() {
      for transaction in tree.entry(hash).block.transactions {
        for (index, output) in transaction.outputs.enumerated()
        where output.scriptPubKey == LightClientWorld.anchor {
          return OutPoint(txid: transaction.txid, index: UInt32(index))
        }
      }
    }
    return nil
  }

  /// A new, unused script.
  public func freshScript() -> [UInt8] { [0x00, 0x20] + random.bytes(32) }

  /// The blocks of the branch of `tip` that touch one of `scripts`, from `fromHeight` on.
  public func blocks(
    touching scripts: [[UInt8]], to tip: Bytes32, fromHeight: UInt32 = 1
  ) -> [UInt32: Bytes32] {
    var found: [UInt32: Bytes32] = [:]
    for hash in tree.chain(to: tip) {
      let entry = tree.entry(hash)
      if entry.height < fromHeight { continue }
      for transaction in entry.block.transactions {
        let paid = transaction.outputs.contains { scripts.contains($0.scriptPubKey) }
        let spent = transaction.inputs.contains { input in
          scripts.contains(tree.script(of: input.previous) ?? [])
        }
        if paid || spent { found[entry.height] = hash }
      }
    }
    return found
  }

  /// Runs until the client has the tip `tip`, for at most `seconds` of simulated time.
  @discardableResult
  public func settle(on tip: Bytes32, seconds: UInt64, maxSteps: Int = 2_000_000) -> Bool {
    network.run(untilMs: network.nowMs + seconds * 1000, maxSteps: maxSteps) {
      self.client.client.tipHash == tip && self.client.client.isSynced
    }
    return client.client.tipHash == tip && client.client.isSynced
  }
}
