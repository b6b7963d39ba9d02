import Bitcoin
import Bytes

/// The transactions of a ``ServingNode``, and their exchange with peers.
public final class TransactionDesk {
  /// The longest delay until a transaction is announced to a peer, and the delay before an
  /// announced one is fetched. Bitcoin Core: about ten seconds, and two.
  public var trickleMs: UInt64 = 0
  public var fetchDelayMs: UInt64 = 0
  /// Whether the node wants transactions; false for Bitcoin Core with `-blocksonly`.
  public var isOpen = true
  public private(set) var mempool: [Transaction] = []
  /// How often peers requested transactions.
  public private(set) var questions = 0
  /// The number of announcements to peers.
  public private(set) var announcements = 0

  private unowned let node: ServingNode
  private var trickles: [SimulatedNetwork.LinkId: TransactionTrickle] = [:]

  init(_ node: ServingNode) { self.node = node }

  private func entry(_ hash: Bytes32) -> Transaction? {
    mempool.first { $0.wtxid == hash || $0.txid == hash }
  }

  // MARK: Mempool

  func accept(_ transaction: Transaction, _ network: SimulatedNetwork) {
    if entry(transaction.txid) != nil { return }
    mempool.append(transaction)
    for link in trickles.keys.sorted() { planTurn(link, network) }
  }

  /// Removes transactions that a block confirms or conflicts with.
  func confirmed(_ block: Block) {
    if mempool.isEmpty { return }
    var spent = Set<OutPoint>()
    for transaction in block.transactions { spent.formUnion(transaction.inputs.map(\.previous)) }
    mempool.removeAll { $0.inputs.contains { spent.contains($0.previous) } }
  }

  /// All transactions that peers sent, accepted or not.
  public private(set) var broughtIds: Set<Bytes32> = []

  /// Whether a transaction in the mempool already spends an input of `transaction`.
  func isRival(_ transaction: Transaction) -> Bool {
    let spent = transaction.inputs.map(\.previous)
    return mempool.contains { $0.inputs.contains { spent.contains($0.previous) } }
  }

  /// Empties the mempool.
  public func forgetAll() { mempool = [] }

  // MARK: Peers

  func greeted(_ link: SimulatedNetwork.LinkId, wantsTransactions: Bool) {
    trickles[link] = TransactionTrickle()
    trickles[link]?.isOpen = wantsTransactions
  }

  func closed(_ link: SimulatedNetwork.LinkId) { trickles[link] = nil }

  func received(feeFilter: UInt64, _ link: SimulatedNetwork.LinkId) {
    trickles[link]?.received(feeFilter: feeFilter)
  }

  func planTurn(_ link: SimulatedNetwork.LinkId, _ network: SimulatedNetwork) {
    if trickleMs == 0 { return takeTurn(link, network) }
    let waitMs = network.draw(below: trickleMs)
    network.plan(atMs: network.nowMs + waitMs) { [weak self] in self?.takeTurn(link, $0) }
  }

  private func takeTurn(_ link: SimulatedNetwork.LinkId, _ network: SimulatedNetwork) {
    if node.sessions[link]?.isReady != true { return }
    guard let items = trickles[link]?.turn(mempool), !items.isEmpty else { return }
    announcements += items.count
    node.send(.inv(items), link, network)
  }

  /// A peer announces items. Unknown ones are fetched after a delay.
  func announced(
    _ items: [InventoryVector], _ link: SimulatedNetwork.LinkId, _ network: SimulatedNetwork
  ) {
    let kinds = [InventoryVector.Kind.transaction, InventoryVector.Kind.witnessId]
    let items = items.filter { kinds.contains($0.kind) }
    if items.isEmpty { return }
    if !isOpen { return node.complain("announces transactions, unwanted", link, network) }
    for item in items { trickles[link]?.noted(item.hash) }
    if fetchDelayMs == 0 { return fetch(items, link, network) }
    network.plan(atMs: network.nowMs + fetchDelayMs) { [weak self] in
      self?.fetch(items, link, $0)
    }
  }

  private func fetch(
    _ items: [InventoryVector], _ link: SimulatedNetwork.LinkId, _ network: SimulatedNetwork
  ) {
    let unknown = items.filter { entry($0.hash) == nil }
    if unknown.isEmpty || node.sessions[link] == nil { return }
    node.send(.getData(unknown), link, network)
  }

  /// A peer sends a transaction.
  func brought(
    _ transaction: Transaction, _ link: SimulatedNetwork.LinkId, _ network: SimulatedNetwork
  ) {
    if !isOpen { return node.complain("brings a transaction, unwanted", link, network) }
    broughtIds.insert(transaction.txid)
    trickles[link]?.noted(transaction.txid)
    if node.admits(transaction) { node.accept(transaction, network) }
  }

  /// The answer to a request for a transaction; nil for none.
  func answer(_ item: InventoryVector, _ link: SimulatedNetwork.LinkId) -> PeerMessage? {
    questions += 1
    guard let trickle = trickles[link], trickle.isOpen else { return nil }
    if let found = entry(item.hash), trickle.reaches(found) { return .transaction(found) }
    let last = node.tree.entry(node.tip).block.transactions.dropFirst()
    if let found = last.first(where: { $0.wtxid == item.hash || $0.txid == item.hash }) {
      return .transaction(found)
    }
    return .notFound([item])
  }
}
