import Bitcoin
import Bytes

/// Headers, blocks, transactions.
extension PeerSession {
  // MARK: Headers

  /// Up to 2,000 headers after the first block of the locator that is on the best chain. An empty
  /// locator requests only the stop block.
  mutating func headers(
    after locator: [Bytes32], stop: Bytes32, _ view: PeerView
  ) -> [PeerEffect] {
    let chain = view.chain
    if locator.isEmpty {
      guard let height = chain.height(of: stop), let header = chain.header(at: height) else {
        return []
      }
      return [.send(.headers([header]))]
    }
    var height: UInt32 = 0
    for hash in locator {
      if let found = chain.height(of: hash) {
        height = found
        break
      }
    }
    var headers: [BlockHeader] = []
    while headers.count < PeerMessage.maxHeaders, let hash = chain.hash(at: height + 1),
      let header = chain.header(at: height + 1)
    {
      headers.append(header)
      height += 1
      if hash == stop { break }
    }
    // As in Bitcoin Core: an empty answer also means that the peer has everything.
    bestKnown = chain.hash(at: height)
    return [.send(.headers(headers))]
  }

  // MARK: Transactions of the peer

  /// Requests announced transactions that are unknown here.
  mutating func wanted(_ items: [InventoryVector], _ view: PeerView) -> [PeerEffect] {
    let kind = InventoryVector.Kind.self
    var wanted: [InventoryVector] = []
    for item in items {
      switch item.kind {
      case kind.witnessId:
        remember(item.hash)
        if view.mempool.entry(wtxid: item.hash) == nil { wanted.append(item) }
      case kind.transaction:
        remember(item.hash)
        let isHere =
          view.mempool.entry(txid: item.hash) != nil
          || view.chain.height(ofTransaction: item.hash) != nil
        if !isHere {
          wanted.append(InventoryVector(kind: kind.witnessTransaction, hash: item.hash))
        }
      case kind.block: if view.chain.height(of: item.hash) != nil { bestKnown = item.hash }
      default: break
      }
    }
    return wanted.isEmpty ? [] : [.send(.getData(wanted))]
  }

  // MARK: Requests of the peer

  mutating func request(_ message: PeerMessage, _ view: PeerView) -> [PeerEffect] {
    switch message {
    case .getData(let items):
      // As in Bitcoin Core: a peer that wants no announcements gets no transactions.
      for item in items where theirVersion?.relay == true || !item.isTransaction {
        work.append(.inventory(item))
      }
    case .getFilters(let range):
      switch FilterService(chain: view.chain).filters(range) {
      case .refused(let reason): return [.disconnect(reason: reason)]
      case .hashes(let hashes): for hash in hashes { work.append(.filter(hash)) }
      }
    case .getFilterHeaders(let range):
      return answer(FilterService(chain: view.chain).headers(range))
    case .getFilterCheckpoints(let filterType, let stopHash):
      return answer(
        FilterService(chain: view.chain).checkpoints(filterType: filterType, stopHash: stopHash))
    default: break
    }
    if work.count > PeerSession.maxWork {
      return [.disconnect(reason: "requested too many objects at once")]
    }
    return []
  }

  private func answer(_ answer: FilterService.Answer) -> [PeerEffect] {
    switch answer {
    case .refused(let reason): return [.disconnect(reason: reason)]
    case .message(let message): return [.send(message)]
    }
  }

  /// The next requested object; nil if none is left. Missing transactions are answered with one
  /// `notfound`, missing blocks with silence, as in Bitcoin Core.
  mutating func nextObject(_ view: PeerView) -> PeerMessage? {
    while let item = work.next() {
      switch item {
      case .filter(let hash):
        guard let record = view.chain.filters.record(hash) else { continue }
        return .filter(FilterMessage(blockHash: hash, filter: record.filter))
      case .inventory(let vector):
        if let message = object(vector, view) { return message }
      }
    }
    return nil
  }

  private mutating func object(_ vector: InventoryVector, _ view: PeerView) -> PeerMessage? {
    let kind = InventoryVector.Kind.self
    switch vector.kind {
    case kind.witnessBlock: return view.chain.block(hash: vector.hash).map { .block($0) }
    case kind.block:
      return view.chain.block(hash: vector.hash).map { .block($0.withoutWitnesses) }
    case kind.witnessId, kind.witnessTransaction, kind.transaction:
      guard let transaction = transaction(vector, view) else { return .notFound([vector]) }
      let isBare = vector.kind == kind.transaction
      return .transaction(isBare ? transaction.withoutWitnesses : transaction)
    default: return nil
    }
  }

  /// A transaction in the mempool or in the last block, as in Bitcoin Core.
  private func transaction(_ vector: InventoryVector, _ view: PeerView) -> Transaction? {
    let isWitnessId = vector.kind == InventoryVector.Kind.witnessId
    let waiting =
      isWitnessId ? view.mempool.entry(wtxid: vector.hash) : view.mempool.entry(txid: vector.hash)
    if let waiting { return waiting.transaction }
    // Skip the coinbase: it is never relayed, and its witness id is zero here.
    return view.chain.block(hash: view.chain.tipHash)?.transactions.dropFirst().first {
      (isWitnessId ? $0.wtxid : $0.txid) == vector.hash
    }
  }

  // MARK: Announcing

  /// Announces the blocks that joined the best chain, oldest first: by header if the peer asked for
  /// that and has the parent, otherwise by the hash of the last.
  mutating func announce(_ blocks: [ConnectedBlock], _ view: PeerView) -> [PeerEffect] {
    guard isEstablished, let first = blocks.first, let last = blocks.last else { return [] }
    defer { bestKnown = last.hash }
    let maxByHeader = 8
    if wantsHeaders && blocks.count <= maxByHeader && knows(first.block.header.previous, view) {
      return [.send(.headers(blocks.map(\.block.header)))]
    }
    return [.send(.inv([InventoryVector(kind: InventoryVector.Kind.block, hash: last.hash)]))]
  }

  /// Whether the best block that the peer has is `hash` or a descendant of it.
  private func knows(_ hash: Bytes32, _ view: PeerView) -> Bool {
    guard let bestKnown, let wanted = view.chain.kernel.entry(hash: hash),
      var entry = view.chain.kernel.entry(hash: bestKnown)
    else { return false }
    while entry.height > wanted.height {
      guard let previous = view.chain.kernel.entry(hash: entry.previousHash) else { return false }
      entry = previous
    }
    return entry.hash == wanted.hash
  }

  /// Announces a transaction, unless the peer has it or does not want it.
  mutating func announce(_ entry: Mempool.Entry) -> [PeerEffect] {
    guard isEstablished, theirVersion?.relay == true,
      entry.feeRateSatPerKvB >= theirFeeFilterSatPerKvB
    else { return [] }
    let hash = usesWitnessIds ? entry.wtxid : entry.txid
    if known.contains(hash) { return [] }
    remember(hash)
    let kind =
      usesWitnessIds ? InventoryVector.Kind.witnessId : InventoryVector.Kind.transaction
    return [.send(.inv([InventoryVector(kind: kind, hash: hash)]))]
  }
}

extension InventoryVector {
  /// Whether it names a transaction, by either id.
  var isTransaction: Bool {
    kind == Kind.transaction || kind == Kind.witnessTransaction || kind == Kind.witnessId
  }
}

extension Transaction {
  /// The form for nodes without BIP144.
  var withoutWitnesses: Transaction {
    var bare = self
    for index in bare.inputs.indices { bare.inputs[index].witness = [] }
    return bare
  }
}

extension Block {
  /// The form for nodes without BIP144.
  var withoutWitnesses: Block {
    Block(header: header, transactions: transactions.map(\.withoutWitnesses))
  }
}
