import Bitcoin
import Bytes

/// A full node as seen by a light client: serves headers, blocks, filters and transactions of its
/// best chain, and disconnects where Bitcoin Core does. Subclasses lie.
open class ServingNode: SimulatedEndpoint {
  /// The state of one connection.
  public struct Session {
    var framer: MessageFramer
    var isReady = false
    var wantsHeaders = false
  }

  public let tree: BlockTree
  public var services: UInt64 =
    VersionMessage.Service.network | VersionMessage.Service.witness
    | VersionMessage.Service.compactFilters
  public var id: SimulatedNetwork.EndpointId = -1
  /// The answer to `getaddr`, by `addrv2` or by `addr`.
  public var knownAddresses: [NetworkAddress] = []
  public var tellsAddressesV2 = true
  /// The delay until a new block's filter is available. Until then Bitcoin Core silently skips
  /// requests for it.
  public var filterLagMs: UInt64 = 0
  public private(set) var checkpointsSent = 0
  /// The best chain, from the genesis block on.
  public private(set) var chain: [Bytes32]
  public private(set) lazy var transactions = TransactionDesk(self)
  /// Actions of peers for which Bitcoin Core would have disconnected.
  public private(set) var complaints: [String] = []
  public var sessions: [SimulatedNetwork.LinkId: Session] = [:]

  public init(tree: BlockTree, tip: Bytes32? = nil) {
    self.tree = tree
    self.chain = tree.chain(to: tip ?? tree.genesisHash)
  }

  open var accepts: Bool { true }
  public var tip: Bytes32 { chain[chain.count - 1] }
  public var mempool: [Transaction] { transactions.mempool }

  // MARK: Changes of the chain

  /// Follows another tip and announces it, as Bitcoin Core does.
  public func follow(_ tip: Bytes32, _ network: SimulatedNetwork) {
    let old = chain
    chain = tree.chain(to: tip)
    for hash in chain {
      transactions.confirmed(tree.entry(hash).block)
    }
    var fork = 0
    while fork < min(old.count, chain.count) && old[fork] == chain[fork] { fork += 1 }
    followed.formUnion(old[fork...])
    let fresh = chain[fork...]
    if filterLagMs > 0 { unindexed = (Set(fresh), untilMs: network.nowMs + filterLagMs) }
    for link in sessions.keys.sorted() {
      guard let session = sessions[link], session.isReady, let last = fresh.last else { continue }
      if session.wantsHeaders && fresh.count <= 8 {
        send(.headers(fresh.map { tree.entry($0).block.header }), link, network)
      } else {
        send(
          .inv([InventoryVector(kind: InventoryVector.Kind.block, hash: last)]), link, network)
      }
    }
  }

  /// Adds a transaction to the mempool and announces it.
  public func accept(_ transaction: Transaction, _ network: SimulatedNetwork) {
    transactions.accept(transaction, network)
  }

  /// Whether a received transaction enters the mempool.
  open func admits(_ transaction: Transaction) -> Bool { !transactions.isRival(transaction) }

  // MARK: The connection

  public func connected(
    _ link: SimulatedNetwork.LinkId, token: UInt64, _ network: SimulatedNetwork
  ) {}

  public func dialFailed(token: UInt64, _ network: SimulatedNetwork) {}
  open func timerFired(_ network: SimulatedNetwork) {}

  public func accepted(_ link: SimulatedNetwork.LinkId, _ network: SimulatedNetwork) {
    sessions[link] = Session(framer: MessageFramer(magic: tree.network.magic))
  }

  public func closed(_ link: SimulatedNetwork.LinkId, _ network: SimulatedNetwork) {
    end(link)
  }

  private func end(_ link: SimulatedNetwork.LinkId) {
    sessions[link] = nil
    transactions.closed(link)
  }

  public func received(
    _ bytes: [UInt8], over link: SimulatedNetwork.LinkId, _ network: SimulatedNetwork
  ) {
    sessions[link]?.framer.append(bytes)
    while sessions[link] != nil {
      do {
        guard let message = try sessions[link]?.framer.next() else { return }
        answer(message, link, network)
      } catch {
        complain("does not decode: " + error.message, link, network)
      }
    }
  }

  func complain(
    _ what: String, _ link: SimulatedNetwork.LinkId, _ network: SimulatedNetwork
  ) {
    complaints.append(what)
    end(link)
    network.close(link, from: id)
  }

  /// Sends a message; subclasses may change it.
  open func send(
    _ message: PeerMessage, _ link: SimulatedNetwork.LinkId, _ network: SimulatedNetwork
  ) {
    network.send(
      MessageFrame.encode(message, magic: tree.network.magic), over: link, from: id)
  }

  // MARK: Answers

  open func answer(
    _ message: PeerMessage, _ link: SimulatedNetwork.LinkId, _ network: SimulatedNetwork
  ) {
    switch message {
    case .version(let version):
      transactions.greeted(link, wantsTransactions: version.relay)
      sendVersion(link, network)
    case .verack:
      sessions[link]?.isReady = true
      send(.sendHeaders, link, network)
      send(.feeFilter(1000), link, network)
      transactions.planTurn(link, network)
    case .feeFilter(let rate): transactions.received(feeFilter: rate, link)
    case .sendHeaders: sessions[link]?.wantsHeaders = true
    case .ping(let nonce): send(.pong(nonce), link, network)
    case .getHeaders(let locator, _): sendHeaders(after: locator, link, network)
    case .getFilterHeaders(let request): sendFilterHeaders(request, link, network)
    case .getFilters(let request): sendFilters(request, link, network)
    case .getFilterCheckpoints(_, let stopHash): sendCheckpoints(stopHash, link, network)
    case .inv(let items): transactions.announced(items, link, network)
    case .getData(let items): sendData(items, link, network)
    case .transaction(let transaction): transactions.brought(transaction, link, network)
    case .getAddr:
      if knownAddresses.isEmpty { return }
      send(tellsAddressesV2 ? .addrV2(knownAddresses) : .addr(knownAddresses), link, network)
    default: break
    }
  }

  private func sendVersion(_ link: SimulatedNetwork.LinkId, _ network: SimulatedNetwork) {
    send(
      .version(
        VersionMessage(
          services: services, time: network.unixSeconds, nonce: UInt64(id) << 32 | UInt64(link),
          userAgent: Array("/simulated/".utf8), startHeight: UInt32(chain.count - 1),
          relay: transactions.isOpen)), link, network)
    send(.wtxidRelay, link, network)
    send(.verack, link, network)
  }

  private func sendHeaders(
    after locator: [Bytes32], _ link: SimulatedNetwork.LinkId, _ network: SimulatedNetwork
  ) {
    var start = 1
    for hash in locator {
      if let entry = tree.entries[hash], Int(entry.height) < chain.count,
        chain[Int(entry.height)] == hash
      {
        start = Int(entry.height) + 1
        break
      }
    }
    let end = min(chain.count, start + PeerMessage.maxHeaders)
    let list = start < end ? chain[start..<end].map { tree.entry($0).block.header } : []
    send(.headers(list), link, network)
  }

  /// The requested range; nil after a complaint, or if its filters are not available yet.
  private func range(
    _ request: FilterRangeRequest, limit: UInt32, _ link: SimulatedNetwork.LinkId,
    _ network: SimulatedNetwork
  ) -> [BlockTree.Entry]? {
    guard let stop = tree.entries[request.stopHash], isKnown(stop) else {
      complain("asks for filters up to an unknown block", link, network)
      return nil
    }
    if request.startHeight > stop.height || stop.height - request.startHeight >= limit {
      complain("asks for a range of filters that is not allowed", link, network)
      return nil
    }
    if network.nowMs < unindexed.untilMs && unindexed.blocks.contains(stop.hash) { return nil }
    var list: [BlockTree.Entry] = []
    var entry = stop
    while entry.height > request.startHeight {
      list.append(entry)
      entry = tree.entry(entry.block.header.previous)
    }
    list.append(entry)
    return list.reversed()
  }

  /// Whether this node has the block: on its chain, or on a branch that it once followed.
  open func isKnown(_ entry: BlockTree.Entry) -> Bool {
    if Int(entry.height) < chain.count && chain[Int(entry.height)] == entry.hash { return true }
    return followed.contains(entry.hash)
  }

  /// Blocks of branches that it has left.
  private var followed: Set<Bytes32> = []
  /// Blocks whose filters are not available yet.
  private var unindexed: (blocks: Set<Bytes32>, untilMs: UInt64) = ([], 0)

  /// The filter that this node gives for a block.
  open func filter(of entry: BlockTree.Entry) -> BlockFilter { entry.filter }

  /// The filter header that this node gives for the block's parent.
  open func filterHeader(before entry: BlockTree.Entry) -> Bytes32 {
    entry.height == 0 ? .zero : tree.entry(entry.block.header.previous).filterHeader
  }

  private func sendFilterHeaders(
    _ request: FilterRangeRequest, _ link: SimulatedNetwork.LinkId, _ network: SimulatedNetwork
  ) {
    guard let list = range(request, limit: 2000, link, network), let first = list.first else {
      return
    }
    send(
      .filterHeaders(
        FilterHeadersMessage(
          stopHash: request.stopHash, previousHeader: filterHeader(before: first),
          filterHashes: list.map { filter(of: $0).hash })), link, network)
  }

  private func sendCheckpoints(
    _ stopHash: Bytes32, _ link: SimulatedNetwork.LinkId, _ network: SimulatedNetwork
  ) {
    guard let stop = tree.entries[stopHash], isKnown(stop) else {
      complain("asks for filter checkpoints up to an unknown block", link, network)
      return
    }
    var headers: [Bytes32] = []
    for hash in tree.chain(to: stopHash) {
      let entry = tree.entry(hash)
      if entry.height == 0 || entry.height % 1000 != 0 { continue }
      headers.append(filter(of: entry).header(previous: filterHeader(before: entry)))
    }
    checkpointsSent += 1
    send(
      .filterCheckpoints(FilterCheckpointsMessage(stopHash: stopHash, filterHeaders: headers)),
      link, network)
  }

  private func sendFilters(
    _ request: FilterRangeRequest, _ link: SimulatedNetwork.LinkId, _ network: SimulatedNetwork
  ) {
    guard let list = range(request, limit: 1000, link, network) else { return }
    for entry in list {
      send(
        .filter(FilterMessage(blockHash: entry.hash, filter: filter(of: entry).encoded)), link,
        network)
    }
  }

  private func sendData(
    _ items: [InventoryVector], _ link: SimulatedNetwork.LinkId, _ network: SimulatedNetwork
  ) {
    for item in items {
      let isBlock =
        item.kind == InventoryVector.Kind.block || item.kind == InventoryVector.Kind.witnessBlock
      if !isBlock {
        if let answer = transactions.answer(item, link) { send(answer, link, network) }
      } else if let entry = tree.entries[item.hash], isKnown(entry) {
        send(.block(entry.block), link, network)
      } else {
        send(.notFound([item]), link, network)
      }
    }
  }
}
