import Bitcoin
import Bytes

/// Dispatches messages to the managers.
extension LightClient {
  mutating func handle(_ message: PeerMessage, _ index: Int) {
    switch message {
    case .version(let version): handshake.receivedVersion(version, index, &shared)
    case .wtxidRelay: handshake.receivedWtxidRelay(index, &shared)
    case .verack:
      if case .ready = handshake.receivedVerack(index, &shared) {
        let address = shared.peers[index].address
        book.ready(address, services: shared.peers[index].services, shared.unixSeconds)
        // Gossip named this address for its filters; without them it only serves to name others. A
        // configured peer is kept even without filters.
        if !shared.peers[index].servesFilters && book.isGossip(address) {
          shared.peers[index].isLeaving = true
        }
        if shared.configuration.usesGossip { shared.send(.getAddr, to: index) }
      }
    case .sendAddrV2, .unknown: shared.note(index)
    default:
      if shared.peers[index].isReady {
        handleReady(message, index)
      } else if shared.peers[index].stage == .awaitingVersion {
        shared.punish(index, .protocolOrder)
      }
    }
  }

  private mutating func handleReady(_ message: PeerMessage, _ index: Int) {
    switch message {
    case .ping(let nonce):
      shared.note(index)
      handshake.receivedPing(nonce, index, &shared)
    case .pong(let nonce): handshake.receivedPong(nonce, index, &shared)
    case .feeFilter(let rate):
      shared.note(index)
      shared.peers[index].feeFloorSatPerKvB = rate
    case .headers(let list):
      if let change = headers.received(list, index, &shared) { follow(change) }
    case .inv(let items): handleInventory(items, index)
    case .getData(let items): handleGetData(items, index)
    case .notFound(let items): handleNotFound(items, index)
    case .block(let block):
      if let checked = blocks.received(block, index, &shared) { use(checked) }
    case .transaction(let transaction):
      if broadcaster.received(transaction.txid, shared.peers[index].id) { return }
      if mempool.received(transaction, index, scan, &shared)
        && !broadcaster.isOurs(transaction.txid)
      {
        shared.outbox.push(.transactionSeen(transaction))
      }
    case .filterHeaders(let message): filterHeaders.received(message, index, &shared)
    case .filterCheckpoints(let message): filterHeaders.received(message, index, &shared)
    case .filter(let message):
      if filterHeaders.received(message, index, shared) { return }
      if let height = scan.received(message, index, filterHeaders.chain, &shared),
        filterHeaders.contradicted(at: height, &shared)
      {
        scan.restart(from: height)
      }
    case .addr(let list), .addrV2(let list):
      shared.note(index)
      book.told(list, by: shared.peers[index].address, shared)
      if shared.peers[index].isLeaving && list.count > 1 { shared.disconnect(index, .unsuitable) }
    case .getHeaders:
      shared.note(index)
      shared.send(.headers([]), to: index)
    default: shared.note(index)
    }
  }

  private mutating func handleInventory(_ items: [InventoryVector], _ index: Int) {
    var transactions: [InventoryVector] = []
    for item in items {
      switch item.kind {
      case InventoryVector.Kind.block, InventoryVector.Kind.witnessBlock:
        headers.announced(item.hash, index, &shared)
      case InventoryVector.Kind.transaction, InventoryVector.Kind.witnessId:
        // Before the first header sync an unconfirmed transaction cannot be assessed.
        if headers.hasHeardOne && !broadcaster.isOurs(item.hash) { transactions.append(item) }
      default: break
      }
    }
    if !transactions.isEmpty { mempool.announced(transactions, index, &shared) }
  }

  /// Most items of one `notfound` that are processed: no request here has more.
  private static let maxNotFound = 256

  private mutating func handleNotFound(_ items: [InventoryVector], _ index: Int) {
    let id = shared.peers[index].id
    var wasAsked = false
    for item in items.prefix(LightClient.maxNotFound) {
      if broadcaster.notFound(item.hash, id) || mempool.notFound(item.hash, id)
        || blocks.notFound(item.hash, id)
      {
        wasAsked = true
      }
    }
    if !wasAsked { shared.note(index) }
  }

  private mutating func handleGetData(_ items: [InventoryVector], _ index: Int) {
    var missing: [InventoryVector] = []
    for item in items {
      let isTransaction =
        item.kind == InventoryVector.Kind.transaction
        || item.kind == InventoryVector.Kind.witnessTransaction
        || item.kind == InventoryVector.Kind.witnessId
      if isTransaction && broadcaster.requested(item, index, &shared) { continue }
      missing.append(item)
      shared.note(index)
      if shared.peers[index].isClosing { return }
    }
    if !missing.isEmpty { shared.send(.notFound(missing), to: index) }
  }

  /// A requested block that fits its header. Each manager checks whether it needs it.
  private mutating func use(_ block: Block) {
    filterHeaders.received(block)
    scan.received(block)
    if let change = headers.receivedTip(block, &shared) {
      follow(change)
      fees.connected(block, height: shared.chain.tipHeight, network: shared.network)
    }
  }

  /// The best chain changed.
  mutating func follow(_ change: HeaderSync.Change) {
    if change.forkHeight < change.oldTipHeight {
      filterHeaders.reorganised(forkHeight: change.forkHeight, &shared)
      scan.reorganised(forkHeight: change.forkHeight)
      broadcaster.reorganised(forkHeight: change.forkHeight)
      mempool.forgetAll()
      fees.reorganised(forkHeight: change.forkHeight)
      teller.reorganised(forkHeight: change.forkHeight)
      shared.outbox.push(
        .blocksDisconnected(fromHeight: change.oldTipHeight, toHeight: change.forkHeight))
    }
    shared.outbox.push(.tipChanged(height: shared.chain.tipHeight, hash: shared.chain.tipHash))
  }
}
