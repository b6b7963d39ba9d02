import Bitcoin
import Bytes

/// Relays the client's own transactions until they are in the chain, and again when a
/// reorganisation removes them.
///
/// BIP339 (announcement by witness id) where a peer supports it.
struct Broadcaster {
  /// The interval between announcements; a random part of it is added.
  static let repeatMs: UInt64 = 60_000
  /// Above this number, confirmed ones are dropped. Unconfirmed ones are the client's own money and
  /// are kept.
  static let maxTransactions = 128
  /// Peers that must have a transaction before it counts as delivered; all, where there are fewer.
  static let neededPeers = 2
  /// A connection younger than this may become a peer, and counts as one.
  static let greetingMs: UInt64 = 5_000
  /// Most transactions requested in one message: one `notfound` may answer for all of them.
  static let maxQuestions = 100

  private enum Phase {
    case offered
    /// In a block of the best chain.
    case confirmed(height: UInt32)
    /// Another transaction in a block of the best chain spent one of its inputs.
    case displaced(height: UInt32)

    /// The height of that block.
    var height: UInt32? {
      switch self {
      case .offered: return nil
      case .confirmed(let height), .displaced(let height): return height
      }
    }
  }

  private struct Relay {
    let transaction: Transaction
    let txid: Bytes32
    let wtxid: Bytes32
    /// The scripts by which its block, or a block that displaces it, is detected.
    var markers: [[UInt8]]
    var phase = Phase.offered
    /// What peers did with it; answers may come after a block has settled it.
    var offer = RelayOffer()

    var isOpen: Bool { phase.height == nil }
  }

  /// What a block changes for a transaction.
  enum News {
    case confirmed(Bytes32)
    case conflicted(Bytes32, by: Bytes32)
  }

  private var relays: [Relay] = []

  /// The transaction to drop for a new one; nil while there is room.
  var surplus: Bytes32? {
    if relays.count < Broadcaster.maxTransactions { return nil }
    for relay in relays {
      if case .confirmed = relay.phase { return relay.txid }
    }
    return nil
  }

  private func index(_ txid: Bytes32) -> Int? { relays.firstIndex { $0.txid == txid } }

  /// Starts to relay the transaction. `markers` are the scripts that are watched for it.
  mutating func add(_ transaction: Transaction, markers: [[UInt8]]) {
    let txid = transaction.txid
    if let index = index(txid) {
      for marker in markers where !relays[index].markers.contains(marker) {
        relays[index].markers.append(marker)
      }
      return
    }
    relays.append(
      Relay(transaction: transaction, txid: txid, wtxid: transaction.wtxid, markers: markers))
  }

  /// Returns the scripts that need no longer be watched for this transaction.
  mutating func remove(_ txid: Bytes32) -> [[UInt8]] {
    guard let index = index(txid) else { return [] }
    let markers = relays.remove(at: index).markers
    return markers.filter { !isMarker($0) }
  }

  /// Whether the script is watched for one of the transactions.
  func isMarker(_ script: [UInt8]) -> Bool {
    relays.contains { $0.markers.contains(script) }
  }

  /// Whether `hash` is the id or the witness id of one of the transactions.
  func isOurs(_ hash: Bytes32) -> Bool {
    relays.contains { $0.txid == hash || $0.wtxid == hash }
  }

  // MARK: Queries

  func state(_ txid: Bytes32) -> RelayState? { index(txid).map { relays[$0].offer.state } }

  /// Whether relaying is done: enough peers have it, or a block has settled it.
  func isDelivered(_ txid: Bytes32, _ shared: Shared) -> Bool {
    guard let index = index(txid) else { return false }
    return !relays[index].isOpen
      || relays[index].offer.state.takenBy >= Broadcaster.neededPeers(shared)
  }

  /// Two, or as many peers as there are, but at least one.
  private static func neededPeers(_ shared: Shared) -> Int {
    var count = 0
    for peer in shared.peers where isRecipient(peer) || isGreeting(peer, shared) { count += 1 }
    return max(1, min(neededPeers, count))
  }

  /// Bitcoin Core disconnects a peer that announces transactions although it asked for none.
  private static func isRecipient(_ peer: Peer) -> Bool {
    peer.isReady && peer.relaysTransactions && !peer.isLeaving
  }

  private static func isGreeting(_ peer: Peer, _ shared: Shared) -> Bool {
    !peer.isClosing && peer.stage != .ready && shared.nowMs < peer.connectedMs + greetingMs
  }

  // MARK: Peers

  /// Announces what a peer was not sent yet, and asks for what it has not returned yet.
  mutating func pump(_ shared: inout Shared) {
    if relays.isEmpty { return }
    for index in relays.indices {
      if !relays[index].isOpen || relays[index].offer.repeatAtMs > shared.nowMs { continue }
      relays[index].offer.announceAgain(
        nextMs: shared.nowMs + Broadcaster.repeatMs
          + shared.random.next(below: Broadcaster.repeatMs))
    }
    for index in shared.peers.indices where Broadcaster.isRecipient(shared.peers[index]) {
      turn(index, &shared)
    }
    tell(&shared)
  }

  private mutating func turn(_ peerIndex: Int, _ shared: inout Shared) {
    let peer = shared.peers[peerIndex]
    var announced: [InventoryVector] = []
    var asked: [InventoryVector] = []
    for index in relays.indices where relays[index].isOpen {
      let (announces, asks) = relays[index].offer.turn(peer, shared.nowMs)
      if announces {
        announced.append(
          peer.usesWitnessIds
            ? InventoryVector(kind: InventoryVector.Kind.witnessId, hash: relays[index].wtxid)
            : InventoryVector(kind: InventoryVector.Kind.transaction, hash: relays[index].txid))
      }
      if asks {
        asked.append(
          InventoryVector(
            kind: InventoryVector.Kind.witnessTransaction, hash: relays[index].txid))
      }
    }
    if !announced.isEmpty { shared.send(.inv(announced), to: peerIndex) }
    var first = 0
    while first < asked.count {
      let end = min(asked.count, first + Broadcaster.maxQuestions)
      shared.send(.getData(Array(asked[first..<end])), to: peerIndex)
      first = end
    }
  }

  private mutating func tell(_ shared: inout Shared) {
    let needed = Broadcaster.neededPeers(shared)
    for index in relays.indices where relays[index].isOpen {
      guard let peers = relays[index].offer.news(neededPeers: needed) else { continue }
      shared.outbox.push(.transactionRelayed(txid: relays[index].txid, peers: peers))
    }
  }

  /// Asks every peer for the transaction again.
  mutating func askAgain(_ txid: Bytes32) {
    if let index = index(txid) { relays[index].offer.askAgain() }
  }

  /// A peer requests an item. True when it is an own transaction, which is then sent.
  mutating func requested(
    _ item: InventoryVector, _ peerIndex: Int, _ shared: inout Shared
  ) -> Bool {
    let isWitnessId = item.kind == InventoryVector.Kind.witnessId
    guard
      let index = relays.firstIndex(where: {
        isWitnessId ? $0.wtxid == item.hash : $0.txid == item.hash
      })
    else { return false }
    shared.send(.transaction(relays[index].transaction), to: peerIndex)
    let peer = shared.peers[peerIndex]
    if Broadcaster.isRecipient(peer) { relays[index].offer.fetched(by: peer) }
    return true
  }

  /// A transaction arrived. True when it is an own one that its sender was asked for.
  mutating func received(_ txid: Bytes32, _ id: PeerId) -> Bool {
    guard let index = index(txid) else { return false }
    return relays[index].offer.returned(by: id)
  }

  /// A peer lacks a transaction. True when it is an own one that the peer was asked for.
  mutating func notFound(_ txid: Bytes32, _ id: PeerId) -> Bool {
    guard let index = index(txid) else { return false }
    return relays[index].offer.notFound(by: id)
  }

  mutating func peerGone(_ id: PeerId) {
    for index in relays.indices { relays[index].offer.peerGone(id) }
  }

  func deadlineMs(_ shared: Shared) -> UInt64 {
    var deadline = UInt64.max
    if shared.readyCount == 0 { return deadline }
    var isWaiting = false
    for relay in relays where relay.isOpen {
      isWaiting = true
      deadline = min(deadline, relay.offer.repeatAtMs)
      for peer in shared.peers where Broadcaster.isRecipient(peer) {
        if let nextMs = relay.offer.nextQuestionMs(peer.id) { deadline = min(deadline, nextMs) }
      }
    }
    if !isWaiting { return deadline }
    for peer in shared.peers where Broadcaster.isGreeting(peer, shared) {
      deadline = min(deadline, peer.connectedMs + Broadcaster.greetingMs)
    }
    return deadline
  }

  // MARK: Blocks

  mutating func connected(_ block: Block, height: UInt32) -> [News] {
    var news: [News] = []
    if relays.isEmpty { return news }
    for transaction in block.transactions {
      for index in relays.indices where relays[index].isOpen {
        if !sharesInput(transaction, relays[index].transaction) { continue }
        let txid = transaction.txid
        if txid == relays[index].txid {
          relays[index].phase = .confirmed(height: height)
          news.append(.confirmed(txid))
        } else {
          relays[index].phase = .displaced(height: height)
          news.append(.conflicted(relays[index].txid, by: txid))
        }
      }
    }
    return news
  }

  private func sharesInput(_ left: Transaction, _ right: Transaction) -> Bool {
    for input in left.inputs {
      for other in right.inputs where other.previous == input.previous { return true }
    }
    return false
  }

  /// Blocks above `forkHeight` left the best chain: transactions that they settled are offered
  /// again.
  mutating func reorganised(forkHeight: UInt32) {
    for index in relays.indices {
      guard let height = relays[index].phase.height, height > forkHeight else { continue }
      relays[index].phase = .offered
      relays[index].offer.begin()
    }
  }
}
