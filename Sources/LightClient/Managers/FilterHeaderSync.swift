import Bitcoin
import Bytes

/// Follows the chain of filter headers, and checks every peer that serves filters against it. Each
/// filter header commits to all before it, so one answer covers all earlier ones.
///
/// BIP157 (`getcfheaders`). Where two peers differ, bisection finds the first height at which they
/// do, and a ``FilterDispute`` decides it.
struct FilterHeaderSync {
  static let retryMs: UInt64 = 30_000
  /// Most requests kept, void ones included.
  static let maxRequests = 64
  static let maxUndecided = 64
  /// After this time without filters, distrusted peers are tried again.
  static let starvedMs: UInt64 = 30_000

  /// A request to one peer.
  struct Request {
    let from: PeerId
    let startHeight: UInt32
    let stopHeight: UInt32
    let stopHash: Bytes32
    let sentMs: UInt64
    let isProbe: Bool
    /// `getcfcheckpt`, not `getcfheaders`.
    var asksCheckpoints = false
    /// The answer no longer matters or is no longer waited for; it may still arrive.
    var isVoid = false

    var count: Int { Int(stopHeight - startHeight) + 1 }
  }

  /// A peer whose filter headers differ from ours somewhere above `agreedHeight` (nil: possibly
  /// from the start) and at or below `differentHeight`.
  struct Disagreement {
    let with: PeerId
    var agreedHeight: UInt32?
    var differentHeight: UInt32
    var wereCheckpointsAsked = false
  }

  /// What the caller must do after a change of filter headers.
  enum Change {
    case none
    /// Filter headers from this height on were false: results derived from them are void.
    case falseFrom(UInt32)
    /// Two filters of this block contradict each other and both may be right: fetch the block, and,
    /// the first time, all blocks after it.
    case lookAt(UInt32, isNew: Bool)
  }

  var chain: FilterHeaderChain
  var dispute: FilterDispute?
  var requests: [Request] = []
  var disagreements: [Disagreement] = []
  /// Since when no trusted peer, but a distrusted one, could serve the filter of the tip.
  var starvedSinceMs: UInt64?
  /// Blocks whose dispute ended without a verdict.
  var undecided: [Bytes32] = []

  init(chain: FilterHeaderChain) { self.chain = chain }

  /// Whether every peer that serves filters confirmed the newest filter header that it has.
  func isCrossChecked(_ shared: Shared) -> Bool {
    if dispute != nil || !disagreements.isEmpty { return false }
    for request in requests where request.isProbe && !request.isVoid { return false }
    return true
  }

  // MARK: Requests

  mutating func pump(_ shared: inout Shared) {
    expire(&shared)
    reconsider(&shared)
    dispute?.pump(&shared)
    fetch(&shared)
    for index in shared.peers.indices { probe(index, &shared) }
  }

  /// Distrust is not a verdict: it ends when no trusted peer is left.
  mutating func reconsider(_ shared: inout Shared) {
    var isServed = false
    var isAnyDistrusted = false
    for peer in shared.peers where peer.isReady {
      if peer.isFilterDistrusted { isAnyDistrusted = true }
      if peer.servesFilters && peer.has(shared.chain.tipHeight) { isServed = true }
    }
    if isServed || !isAnyDistrusted {
      starvedSinceMs = nil
    } else if let sinceMs = starvedSinceMs {
      if shared.nowMs < sinceMs + FilterHeaderSync.starvedMs { return }
      starvedSinceMs = nil
      for index in shared.peers.indices { shared.peers[index].isFilterDistrusted = false }
    } else {
      starvedSinceMs = shared.nowMs
    }
  }

  /// Whether a peer that sent our filter header at `height` has the tip.
  func isSupported(_ height: UInt32, _ shared: Shared) -> Bool {
    for peer in shared.peers where peer.isReady && peer.servesFilters {
      guard let agreed = peer.filterAgreedHeight, agreed >= height else { continue }
      if peer.has(shared.chain.tipHeight) { return true }
    }
    return false
  }

  mutating func expire(_ shared: inout Shared) {
    requests.removeAll { shared.readyIndex(of: $0.from) == nil }
    for position in requests.indices where !requests[position].isVoid {
      let request = requests[position]
      guard let index = shared.readyIndex(of: request.from),
        shared.peers[index].isLate(since: request.sentMs, nowMs: shared.nowMs)
      else { continue }
      shared.peers[index].stalls += 1
      shared.peers[index].filterRetryMs =
        shared.nowMs + min(8, shared.peers[index].stalls)
        * shared.peers[index].retryDelayMs(since: request.sentMs, usualMs: FilterHeaderSync.retryMs)
      if !request.isProbe && shared.peers[index].passedOver(since: request.sentMs) {
        shared.peers[index].passedOverHeight = request.stopHeight
      }
      requests[position].isVoid = true
    }
    if requests.count > FilterHeaderSync.maxRequests,
      let oldest = requests.firstIndex(where: { $0.isVoid })
    {
      requests.remove(at: oldest)
    }
    disagreements.removeAll { shared.readyIndex(of: $0.with) == nil }
  }

  func isAsked(_ id: PeerId) -> Bool {
    for request in requests where request.from == id && !request.isVoid { return true }
    return false
  }

  func isUsable(_ peer: Peer, _ shared: Shared) -> Bool {
    peer.isReady && peer.servesFilters && shared.nowMs >= peer.filterRetryMs && !isAsked(peer.id)
      && !disagreements.contains { $0.with == peer.id }
  }

  /// Requests the next range from one peer.
  mutating func fetch(_ shared: inout Shared) {
    if chain.nextHeight > shared.chain.tipHeight || dispute != nil { return }
    for request in requests where !request.isProbe && !request.isVoid { return }
    var best: Int?
    for index in shared.peers.indices {
      let peer = shared.peers[index]
      if !isUsable(peer, shared) || !peer.has(chain.nextHeight) || !mayExtend(peer) { continue }
      if let known = best {
        let rival = shared.peers[known]
        if (rival.commonHeight ?? 0) >= (peer.commonHeight ?? 0) && rival.stalls <= peer.stalls {
          continue
        }
        if rival.stalls < peer.stalls { continue }
      }
      best = index
    }
    guard let index = best, let common = shared.peers[index].commonHeight else { return }
    var last = chain.nextHeight + UInt32(FilterHeadersMessage.maxHashes - 1)
    // The newest block's filter may not be built yet; a request for it would be skipped again.
    if let height = shared.peers[index].passedOverHeight, height >= chain.nextHeight {
      last = min(last, height)
    }
    ask(
      index, from: chain.nextHeight, to: min(common, min(shared.chain.tipHeight, last)),
      isProbe: false, &shared)
  }

  mutating func ask(
    _ index: Int, from start: UInt32, to stop: UInt32, isProbe: Bool, _ shared: inout Shared
  ) {
    guard let stopHash = shared.chain.hash(at: stop) else { return }
    requests.append(
      Request(
        from: shared.peers[index].id, startHeight: start, stopHeight: stop, stopHash: stopHash,
        sentMs: shared.nowMs, isProbe: isProbe))
    shared.ask(
      .getFilterHeaders(FilterRangeRequest(startHeight: start, stopHash: stopHash)), of: index)
  }

  /// Requests one filter header from a peer: the newest that both should have, or, where that
  /// differed, the one in the middle of the range in which the difference begins.
  mutating func probe(_ index: Int, _ shared: inout Shared) {
    let peer = shared.peers[index]
    if peer.partsBelow {
      compareFilters(index, &shared)
      return
    }
    if let disagreement = disagreements.first(where: { $0.with == peer.id }) {
      if dispute == nil && peer.isReady && !isAsked(peer.id) && shared.nowMs >= peer.filterRetryMs {
        bisect(disagreement, index, &shared)
      }
      return
    }
    guard isUsable(peer, shared), let common = peer.commonHeight,
      chain.nextHeight > chain.baseHeight
    else { return }
    let height = min(common, chain.nextHeight - 1)
    if height < chain.baseHeight { return }
    if let agreed = peer.filterAgreedHeight, agreed >= height { return }
    // A peer that agreed lately is about to be asked for the next range anyway.
    ask(index, from: height, to: height, isProbe: true, &shared)
  }

  mutating func bisect(
    _ disagreement: Disagreement, _ index: Int, _ shared: inout Shared
  ) {
    let lowest = max(chain.baseHeight, disagreement.agreedHeight.map { $0 + 1 } ?? 0)
    if disagreement.differentHeight < chain.baseHeight {
      partBelow(index, &shared)
      return
    }
    if disagreement.differentHeight < lowest {
      distrust(index, &shared)
      return
    }
    if askForCheckpoints(disagreement, lowest: lowest, index, &shared) { return }
    let middle = lowest + (disagreement.differentHeight - lowest) / 2
    ask(index, from: middle, to: middle, isProbe: true, &shared)
  }

  // MARK: Answers

  mutating func received(
    _ message: FilterHeadersMessage, _ index: Int, _ shared: inout Shared
  ) {
    guard let request = takeRequest(message, shared.peers[index].id) else {
      shared.note(index)
      return
    }
    if request.isVoid { return }
    shared.peers[index].passedOverHeight = nil
    if message.filterType != 0 || message.filterHashes.count != request.count {
      shared.punish(index, .filterHeadersMalformed)
      return
    }
    // The chain may have changed since the request.
    if shared.chain.hash(at: request.stopHeight) != request.stopHash { return }
    if shared.peers[index].partsBelow && request.isProbe {
      receivedFilterHashes(message, from: request.startHeight, index, &shared)
    } else if request.isProbe {
      receivedProbe(message, request.stopHeight, index, &shared)
    } else if request.startHeight == chain.nextHeight {
      receivedRange(message, index, &shared)
    }
  }

  /// The request that a message answers. If several are for the same block, the one that fits.
  mutating func takeRequest(_ message: FilterHeadersMessage, _ id: PeerId) -> Request? {
    var best: Int?
    for index in requests.indices {
      let request = requests[index]
      if request.from != id || request.stopHash != message.stopHash || request.asksCheckpoints {
        continue
      }
      let fits = request.count == message.filterHashes.count
      if best == nil || (fits && !request.isVoid) { best = index }
      if fits && !request.isVoid { break }
    }
    guard let best else { return nil }
    return requests.remove(at: best)
  }

  mutating func receivedRange(
    _ message: FilterHeadersMessage, _ index: Int, _ shared: inout Shared
  ) {
    let start = chain.nextHeight
    if start == 0 && !message.previousHeader.isZero {
      shared.punish(index, .filterHeadersMalformed)
      return
    }
    if chain.previous(of: start) == nil { chain.begin(after: message.previousHeader) }
    guard var header = chain.previous(of: start),
      header == message.previousHeader || shared.peers[index].partsBelow
    else {
      // It differs below the range.
      disagree(index, differentHeight: start - 1, &shared)
      return
    }
    var fresh: [Bytes32] = []
    fresh.reserveCapacity(message.filterHashes.count)
    for hash in message.filterHashes {
      header = BlockFilter.header(filterHash: hash, previous: header)
      chain.append(header)
      fresh.append(header)
    }
    shared.peers[index].filterAgreedHeight = chain.nextHeight - 1
    shared.outbox.push(.storeFilterHeaders(fromHeight: start, fresh))
  }

  mutating func receivedProbe(
    _ message: FilterHeadersMessage, _ height: UInt32, _ index: Int, _ shared: inout Shared
  ) {
    guard let ours = chain.header(at: height) else { return }
    let hash = message.filterHashes[0]
    let id = shared.peers[index].id
    if BlockFilter.header(filterHash: hash, previous: message.previousHeader) == ours {
      shared.peers[index].filterAgreedHeight = max(
        height, shared.peers[index].filterAgreedHeight ?? 0)
      if let position = disagreements.firstIndex(where: { $0.with == id }) {
        disagreements[position].agreedHeight = height
      }
      return
    }
    let previous = chain.previous(of: height)
    if previous == message.previousHeader {
      begin(
        height, claimed: hash, previous: message.previousHeader, challenger: index, &shared)
    } else if height == 0 {
      shared.punish(index, .filterHeadersMalformed)
    } else if height == chain.baseHeight {
      partBelow(index, &shared)
    } else {
      disagree(index, differentHeight: height - 1, &shared)
    }
  }

  mutating func disagree(_ index: Int, differentHeight: UInt32, _ shared: inout Shared) {
    let id = shared.peers[index].id
    if let position = disagreements.firstIndex(where: { $0.with == id }) {
      disagreements[position].differentHeight = differentHeight
    } else {
      disagreements.append(
        Disagreement(
          with: id, agreedHeight: shared.peers[index].filterAgreedHeight,
          differentHeight: differentHeight))
    }
  }
}
