import Bitcoin
import Bytes

/// Disputes between peers that send different filter headers.
extension FilterHeaderSync {
  mutating func begin(
    _ height: UInt32, claimed: Bytes32, previous: Bytes32, challenger index: Int,
    _ shared: inout Shared
  ) {
    let id = shared.peers[index].id
    if !disagreements.contains(where: { $0.with == id }) {
      disagree(index, differentHeight: height, &shared)
    }
    // One dispute at a time; this peer is asked again afterwards.
    if dispute != nil { return }
    guard let blockHash = shared.chain.hash(at: height), let ours = chain.header(at: height) else {
      return
    }
    dispute = FilterDispute(
      height: height, blockHash: blockHash, previous: previous, ours: ours, challenger: id,
      claimed: claimed)
  }

  /// The block that the dispute needs.
  var wantedBlock: (hash: Bytes32, height: UInt32)? {
    guard let dispute, dispute.needsBlock else { return nil }
    return (dispute.blockHash, dispute.height)
  }

  mutating func received(_ block: Block) { dispute?.received(block) }

  /// True if the filter belongs to the dispute.
  mutating func received(_ message: FilterMessage, _ index: Int, _ shared: Shared) -> Bool {
    dispute?.received(message, from: shared.peers[index].id) ?? false
  }

  /// Ends the dispute if a verdict is possible.
  mutating func settle(
    _ scan: FilterScan, _ coins: KnownCoins, _ shared: inout Shared
  ) -> Change {
    guard let current = dispute, let verdict = current.verdict(scan, coins, shared) else {
      return .none
    }
    if case .supporterContradicted(let id) = verdict {
      dispute?.supporterFailed()
      if let index = shared.readyIndex(of: id) { shared.punish(index, .invalidFilter) }
      return .none
    }
    if verdict == .undecided && dispute?.waits(for: scan, shared) == true { return .none }
    dispute = nil
    disagreements.removeAll { $0.with == current.challenger }
    let challenger = shared.readyIndex(of: current.challenger)
    switch verdict {
    case .dropped, .supporterContradicted: return .none
    case .challengerLied:
      if let challenger { shared.punish(challenger, .filterHeadersConflict) }
      return .none
    case .challengerSilent:
      if let challenger { distrust(challenger, &shared) }
      return .none
    case .undecided:
      // If the peers with our filter headers have fallen behind, the challenger's are taken.
      if let challenger, shared.peers[challenger].has(shared.chain.tipHeight),
        !isSupported(current.height, shared)
      {
        cut(to: current.height, &shared)
        return .falseFrom(current.height)
      }
      if let challenger { distrust(challenger, &shared) }
      let isNew = !undecided.contains(current.blockHash)
      if isNew { undecided.append(current.blockHash) }
      if undecided.count > FilterHeaderSync.maxUndecided { undecided.removeFirst() }
      return .lookAt(current.height, isNew: isNew)
    case .oursFalse:
      for index in shared.peers.indices where shared.peers[index].isReady {
        guard let agreed = shared.peers[index].filterAgreedHeight, agreed >= current.height else {
          continue
        }
        shared.punish(index, .filterHeadersConflict)
      }
      cut(to: current.height, &shared)
      return .falseFrom(current.height)
    case .oursUnsupported:
      cut(to: current.height, &shared)
      return .falseFrom(current.height)
    }
  }

  /// A peer contradicted its own filter header at `height`. If no other ready peer sent the same
  /// one, it is dropped, and true is returned.
  mutating func contradicted(at height: UInt32, _ shared: inout Shared) -> Bool {
    for peer in shared.peers where peer.isReady {
      if let agreed = peer.filterAgreedHeight, agreed >= height { return false }
    }
    cut(to: height, &shared)
    return true
  }

  /// Drops the filter headers from `height` on.
  mutating func cut(to height: UInt32, _ shared: inout Shared) {
    if height == 0 {
      chain = FilterHeaderChain(baseHeight: 0, before: nil)
    } else {
      chain.truncate(to: height - 1)
    }
    shared.outbox.push(.storeFilterHeaders(fromHeight: height, []))
    for index in requests.indices { requests[index].isVoid = true }
    disagreements.removeAll()
    for index in shared.peers.indices {
      guard let agreed = shared.peers[index].filterAgreedHeight, agreed >= height else { continue }
      shared.peers[index].filterAgreedHeight = height == 0 ? nil : height - 1
    }
  }

  mutating func distrust(_ index: Int, _ shared: inout Shared) {
    disagreements.removeAll { $0.with == shared.peers[index].id }
    shared.peers[index].isFilterDistrusted = true
  }

  // MARK: Changes of the header chain

  /// Blocks above `forkHeight` left the best chain.
  mutating func reorganised(forkHeight: UInt32, _ shared: inout Shared) {
    chain.truncate(to: forkHeight)
    for index in requests.indices { requests[index].isVoid = true }
    disagreements.removeAll()
    if let current = dispute, current.height > forkHeight { dispute = nil }
    for index in shared.peers.indices {
      guard let agreed = shared.peers[index].filterAgreedHeight else { continue }
      shared.peers[index].filterAgreedHeight = min(agreed, forkHeight)
    }
  }

  mutating func drop(below height: UInt32) { chain.drop(below: height) }

  func deadlineMs(_ shared: Shared) -> UInt64 {
    var deadline = dispute?.deadlineMs(shared) ?? UInt64.max
    for request in requests where !request.isVoid {
      guard let index = shared.readyIndex(of: request.from) else { continue }
      deadline = min(deadline, shared.peers[index].lateAtMs(since: request.sentMs))
    }
    if let sinceMs = starvedSinceMs {
      deadline = min(deadline, sinceMs + FilterHeaderSync.starvedMs)
    }
    for peer in shared.peers where peer.isReady && peer.filterRetryMs > shared.nowMs {
      deadline = min(deadline, peer.filterRetryMs)
    }
    return deadline
  }
}
