import Bitcoin
import Bytes

/// Finds the best chain: requests headers from every peer, checks them, and follows the most work.
///
/// BIP130 (announcement by header) and the `getheaders` loop. On a signet (BIP325) a branch becomes
/// the chain only after the solution of its tip is verified.
struct HeaderSync {
  static let pollMs: UInt64 = 600_000
  static let behindPollMs: UInt64 = 30_000
  static let retryMs: UInt64 = 30_000
  /// Shortest time between two requests caused by announcements of one peer.
  static let announcedMs: UInt64 = 1_000
  /// Offences for a list that connects to no known block. Up to `announcedHeaders` headers count
  /// one: a node that mines another branch announces block after block, up to forty in a second.
  static let unconnectedWeight: UInt64 = 5
  static let announcedHeaders = 8
  /// Most long branches that may grow at one time; each holds at most the window and one list.
  static let maxGrowingBranches = 3
  static let maxRefusedHashes = 64
  static let patienceMs: UInt64 = 300_000

  /// How the best chain changed.
  struct Change {
    /// The highest block that stayed.
    var forkHeight: UInt32
    /// The tip before the change.
    var oldTipHeight: UInt32
    var oldTipHash: Bytes32
  }

  /// A peer has sent all its headers since the start; from then on several are asked at a time.
  private(set) var hasHeardOne = false
  private(set) var sawFuture = false
  /// The milestones of a chain that is proven to have the network's known work.
  var proof: [HeaderMilestone] = []
  var firstAskedMs: UInt64?
  /// Signet blocks whose solution failed; nothing is built on them.
  var refusedHashes: [Bytes32] = []

  // MARK: Requests

  mutating func pump(_ shared: inout Shared) {
    var asked = 0
    for index in shared.peers.indices where shared.peers[index].isReady {
      let peer = shared.peers[index]
      if let sentMs = peer.headerRequestMs {
        if peer.isLate(since: sentMs, nowMs: shared.nowMs) {
          shared.peers[index].headerRequestMs = nil
          shared.peers[index].headerStalls += 1
          shared.peers[index].lastHeadersMs = shared.nowMs
        } else {
          asked += 1
        }
      }
      if peer.isExhausted && shared.nowMs >= peer.lastHeadersMs + pollMs(peer, shared) {
        shared.peers[index].isExhausted = false
      }
    }
    // One peer serves the first long download; afterwards all are asked, to learn of every branch.
    while asked < askedAtOnce(shared) {
      guard let index = nextToAsk(shared) else { return }
      firstAskedMs = firstAskedMs ?? shared.nowMs
      ask(index, &shared)
      asked += 1
    }
  }

  private func pollMs(_ peer: Peer, _ shared: Shared) -> UInt64 {
    peer.has(shared.chain.tipHeight) ? HeaderSync.pollMs : HeaderSync.behindPollMs
  }

  private func isDue(_ peer: Peer, _ shared: Shared) -> Bool {
    if !peer.isReady || peer.isExhausted || peer.headerRequestMs != nil { return false }
    // Filters follow headers; where they lag far behind, headers wait, to limit memory.
    if shared.isChainFull { return false }
    // On a signet a branch is extended only after its signature is verified.
    if shared.network.signetChallenge != nil && isBetter(peer.branch, shared) { return false }
    // A full list is followed up at once.
    if shared.nowMs < peer.nextHeadersMs && !peer.isTelling { return false }
    return peer.headerStalls == 0 || shared.nowMs >= retryAtMs(peer)
  }

  private func isBetter(_ branch: HeaderBranch?, _ shared: Shared) -> Bool {
    guard let branch else { return false }
    return branch.work > shared.chain.work(above: branch.forkHeight)
  }

  private func retryAtMs(_ peer: Peer) -> UInt64 {
    peer.lastHeadersMs + HeaderSync.retryMs * min(peer.headerStalls, 8)
  }

  private func nextToAsk(_ shared: Shared) -> Int? {
    var best: Int?
    for index in shared.peers.indices where isDue(shared.peers[index], shared) {
      if let known = best, shared.peers[known].headerStalls <= shared.peers[index].headerStalls {
        continue
      }
      best = index
    }
    return best
  }

  /// The locator starts below the tip, so that a peer on the same chain answers with the tip and so
  /// proves that it has it.
  private func ask(_ index: Int, _ shared: inout Shared) {
    let chain = shared.chain
    let isAtBase = chain.tipHeight == chain.baseHeight
    var locator = chain.locator(from: isAtBase ? chain.tipHeight : chain.tipHeight - 1)
    if let branchTip = shared.peers[index].branch?.tipHash { locator.insert(branchTip, at: 0) }
    if !lacksWork(shared) { shared.peers[index].presync = nil }
    if let presync = shared.peers[index].presync { locator = [presync.tipHash] }
    shared.peers[index].headerRequestMs = shared.nowMs
    shared.peers[index].nextHeadersMs = shared.nowMs + HeaderSync.announcedMs
    shared.ask(.getHeaders(locator: locator, stop: .zero), of: index)
  }

  /// A block was announced by `inv`.
  func announced(_ hash: Bytes32, _ index: Int, _ shared: inout Shared) {
    if let height = shared.chain.height(of: hash) {
      raise(index, to: height, &shared)
    } else {
      // Honest peers announce few blocks at a time.
      if !shared.peers[index].isExhausted { shared.note(index) }
      shared.peers[index].isExhausted = false
      shared.peers[index].headerStalls = 0
    }
  }

  private func raise(_ index: Int, to height: UInt32, _ shared: inout Shared) {
    shared.peers[index].commonHeight = max(shared.peers[index].commonHeight ?? 0, height)
  }

  // MARK: Checks

  /// Headers arrived. Returns how the chain changed, if it did.
  mutating func received(
    _ headers: [BlockHeader], _ index: Int, _ shared: inout Shared
  ) -> Change? {
    if announcedMeanwhile(headers, index, &shared) { return nil }
    let wasAsked = shared.peers[index].headerRequestMs != nil
    shared.peers[index].headerRequestMs = nil
    shared.peers[index].headerStalls = 0
    shared.peers[index].lastHeadersMs = shared.nowMs
    let isFull = headers.count == PeerMessage.maxHeaders
    shared.peers[index].isExhausted = !isFull
    shared.peers[index].isTelling = isFull
    shared.peers[index].hasAnswered = true
    guard let first = headers.first else {
      if wasAsked { hasHeardOne = true }
      return nil
    }
    if !isFull { hasHeardOne = true }
    guard let hashes = HeaderSync.linkedHashes(headers) else {
      shared.punish(index, .invalidHeader(.invalid("headers that are not a chain")))
      return nil
    }
    if shared.peers[index].presync != nil
      && presynced(headers, hashes, isFull: isFull, index, &shared)
    {
      return nil
    }
    guard let (branch, known) = place(first, hashes, index, shared) else {
      unconnected(index, headers.count, wasAsked: wasAsked, &shared)
      return nil
    }
    shared.peers[index].isOffChain = false
    if known > 0, let height = shared.chain.height(of: hashes[known - 1]) {
      raise(index, to: height, &shared)
    }
    if known == headers.count { return nil }
    shared.peers[index].branch = nil
    return grow(
      branch, by: headers[known...], hashes[known...], isFull: isFull, index, &shared)
  }

  /// The headers' hashes; nil if the headers are not linked.
  static func linkedHashes(_ headers: [BlockHeader]) -> [Bytes32]? {
    var hashes: [Bytes32] = []
    hashes.reserveCapacity(headers.count)
    for index in headers.indices {
      if index > 0 && headers[index].previous != hashes[index - 1] { return nil }
      hashes.append(headers[index].hash)
    }
    return hashes
  }

  /// The branch that the headers continue, and how many of them are already on the best chain.
  private func place(
    _ first: BlockHeader, _ hashes: [Bytes32], _ index: Int, _ shared: Shared
  ) -> (HeaderBranch, known: Int)? {
    if let branch = shared.peers[index].branch, branch.tipHash == first.previous {
      return (branch, 0)
    }
    let chain = shared.chain
    var forkHeight: UInt32
    if let parent = chain.height(of: first.previous) {
      forkHeight = parent
    } else if hashes[0] == chain.hash(at: chain.baseHeight) {
      // The base itself: its parent is not kept.
      forkHeight = chain.baseHeight
      return skipKnown(hashes, from: 1, forkHeight: &forkHeight, chain)
    } else {
      return nil
    }
    return skipKnown(hashes, from: 0, forkHeight: &forkHeight, chain)
  }

  private func skipKnown(
    _ hashes: [Bytes32], from start: Int, forkHeight: inout UInt32, _ chain: HeaderChain
  ) -> (HeaderBranch, known: Int) {
    var known = start
    while known < hashes.count && chain.hash(at: forkHeight + 1) == hashes[known] {
      forkHeight += 1
      known += 1
    }
    return (HeaderBranch(forkHeight: forkHeight), known)
  }

  /// Headers whose parent is unknown: announced ahead of ours, or from a chain that forks below the
  /// window.
  private func unconnected(
    _ index: Int, _ count: Int, wasAsked: Bool, _ shared: inout Shared
  ) {
    let isAnnouncement = !wasAsked && count <= HeaderSync.announcedHeaders
    shared.note(index, weight: isAnnouncement ? 1 : HeaderSync.unconnectedWeight)
    if wasAsked && shared.chain.baseHeight > 0 {
      shared.peers[index].isOffChain = true
      shared.peers[index].isExhausted = true
    } else {
      shared.peers[index].branch = nil
      shared.peers[index].isExhausted = false
    }
  }

  private mutating func grow(
    _ start: HeaderBranch, by headers: ArraySlice<BlockHeader>, _ hashes: ArraySlice<Bytes32>,
    isFull: Bool, _ index: Int, _ shared: inout Shared
  ) -> Change? {
    for hash in hashes where refusedHashes.contains(hash) {
      shared.punish(index, .invalidSignetSolution(.invalid("built on a block refused before")))
      return nil
    }
    if breaksPin(hashes, firstHeight: start.tipHeight + 1, shared) {
      shared.punish(index, .invalidHeader(HeaderSync.pinBroken))
      return nil
    }
    var branch = start
    let refusal = branch.extend(
      headers, hashes: hashes, on: shared.chain, network: shared.network,
      unixSeconds: shared.unixSeconds)
    switch refusal {
    case .invalid(let error):
      shared.punish(index, .invalidHeader(error))
      return nil
    case .fromFuture:
      sawFuture = true
      shared.peers[index].isExhausted = true
      if branch.records.isEmpty { return nil }
    case nil: sawFuture = false
    }
    if branch.work > shared.chain.work(above: branch.forkHeight) {
      if shared.network.signetChallenge == nil {
        if !mayAdopt(branch, isFull: isFull, index, &shared) { return nil }
        return adopt(branch, index, &shared)
      }
      if branch.records.count <= shared.configuration.windowHeaders + PeerMessage.maxHeaders {
        shared.peers[index].branch = branch
      }
      return nil
    }
    keep(branch, isFull: isFull, index, &shared)
    return nil
  }

  /// A branch with less work is kept only while its peer continues it, within limits.
  private func keep(
    _ branch: HeaderBranch, isFull: Bool, _ index: Int, _ shared: inout Shared
  ) {
    if !isFull { return }
    var growing = 0
    for peer in shared.peers where peer.branch != nil { growing += 1 }
    if branch.records.count > shared.configuration.windowHeaders {
      shared.peers[index].isOffChain = true
      shared.peers[index].isExhausted = true
    } else if growing < HeaderSync.maxGrowingBranches {
      shared.peers[index].branch = branch
    } else {
      shared.peers[index].isExhausted = true
    }
  }

  // MARK: Following

  /// The branch becomes the best chain.
  func adopt(_ branch: HeaderBranch, _ index: Int, _ shared: inout Shared) -> Change {
    let change = Change(
      forkHeight: branch.forkHeight, oldTipHeight: shared.chain.tipHeight,
      oldTipHash: shared.chain.tipHash)
    shared.chain.truncate(to: branch.forkHeight)
    let workBefore = shared.chain.work
    let stored = branch.headers(forkHash: shared.chain.tipHash)
    shared.chain.append(branch.records)
    shared.peers[index].branch = nil
    shared.outbox.push(
      .storeHeaders(fromHeight: branch.forkHeight + 1, stored, workBefore: workBefore))
    settleBranches(forkHeight: branch.forkHeight, &shared)
    raise(index, to: shared.chain.tipHeight, &shared)
    return change
  }

  /// Updates, after a chain change, the height shared with each peer and the branches that became
  /// part of the chain.
  private func settleBranches(forkHeight: UInt32, _ shared: inout Shared) {
    for index in shared.peers.indices {
      if let common = shared.peers[index].commonHeight, common > forkHeight {
        shared.peers[index].commonHeight = forkHeight
      }
      if let presync = shared.peers[index].presync, presync.anchorHeight > forkHeight {
        shared.peers[index].presync = nil
      }
      guard let branch = shared.peers[index].branch, let tipHash = branch.tipHash else { continue }
      if shared.chain.hash(at: branch.tipHeight) == tipHash {
        shared.peers[index].branch = nil
        raise(index, to: branch.tipHeight, &shared)
      } else if branch.forkHeight > forkHeight
        || branch.work <= shared.chain.work(above: branch.forkHeight)
      {
        shared.peers[index].branch = nil
        shared.peers[index].isExhausted = false
      }
    }
  }

  // MARK: Time

  func deadlineMs(_ shared: Shared) -> UInt64 {
    var deadline = UInt64.max
    for peer in shared.peers where peer.isReady {
      if let sentMs = peer.headerRequestMs {
        deadline = min(deadline, peer.lateAtMs(since: sentMs))
      } else if peer.isExhausted {
        deadline = min(deadline, peer.lastHeadersMs + pollMs(peer, shared))
      } else if peer.headerStalls > 0 {
        deadline = min(deadline, retryAtMs(peer))
      } else if peer.nextHeadersMs > shared.nowMs {
        deadline = min(deadline, peer.nextHeadersMs)
      }
    }
    return deadline
  }
}
