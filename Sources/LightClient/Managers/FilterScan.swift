import Bitcoin
import Bytes

/// Matches filters against the watched scripts, and returns the matching blocks in order.
///
/// BIP157 (`getcfilters`), BIP158. A filter is requested only from a peer that has announced its
/// block: Bitcoin Core disconnects otherwise.
struct FilterScan {
  /// Most matches that may wait for their blocks before filter requests pause.
  static let maxPending = 512
  /// Most requests in flight to the peer that serves filters at the moment.
  static let maxRequests = 2
  static let retryMs: UInt64 = 10_000
  /// How many of the newest blocks are all fetched when peers differ about filters and no block
  /// decides.
  static let doubtBlocks: UInt32 = 144

  private struct Request {
    let from: PeerId
    let stopHeight: UInt32
    let sentMs: UInt64
  }

  private struct Match {
    let height: UInt32
    let hash: Bytes32
    var block: Block?
  }

  /// Scripts that are searched for from `nextHeight` on.
  private var due: [[UInt8]] = []
  /// Scripts that are added at a height above `nextHeight`.
  private var later: [(script: [UInt8], fromHeight: UInt32)] = []
  /// The next height whose filter is to be matched; all below is done for every script.
  private(set) var nextHeight: UInt32
  /// The next height that the requests in flight do not cover.
  private var requestedHeight: UInt32
  private var requests: [Request] = []
  private var pending: [Match] = []
  /// Blocks that are fetched whether or not their filter matches.
  private var forced: [UInt32] = []
  private var retryAtMs: UInt64 = 0
  /// Every block from here on is fetched: peers differ about filters and either may be right.
  private var lookFrom: UInt32?
  /// Since the last doubt ended, blocks from here on were skipped where their filter did not match.
  private var trustedFrom: UInt32 = 0

  init(nextHeight: UInt32) {
    self.nextHeight = nextHeight
    self.requestedHeight = nextHeight
  }

  var isIdle: Bool { due.isEmpty && later.isEmpty && forced.isEmpty }

  /// Every height up to this one is matched and reported. Never below the first height less one.
  var scannedHeight: UInt32? {
    let next = min(nextHeight, pending.first?.height ?? nextHeight)
    return next == 0 ? nil : next - 1
  }

  // MARK: Scripts

  func isWatched(_ script: [UInt8]) -> Bool {
    due.contains(script) || later.contains { $0.script == script }
  }

  /// Searches for the script from `fromHeight` on; heights still pending for it from an earlier
  /// call are kept.
  mutating func watch(_ script: [UInt8], fromHeight: UInt32, chain: HeaderChain) {
    var from = max(fromHeight, chain.baseHeight)
    if due.contains(script) { from = min(from, nextHeight) }
    for item in later where item.script == script { from = min(from, item.fromHeight) }
    unwatch(script)
    if from > nextHeight {
      later.append((script, from))
    } else if from == nextHeight {
      due.append(script)
    } else {
      for other in due { later.append((other, nextHeight)) }
      due = [script]
      moveBack(to: from)
    }
  }

  mutating func unwatch(_ script: [UInt8]) {
    due.removeAll { $0 == script }
    later.removeAll { $0.script == script }
  }

  /// Fetches the block at this height whether or not its filter matches.
  mutating func force(_ height: UInt32, chain: HeaderChain) {
    if height >= nextHeight {
      if !forced.contains(height) { forced.append(height) }
    } else if let hash = chain.hash(at: height) {
      insert(Match(height: height, hash: hash, block: nil))
    }
  }

  /// Starts a time of doubt: peers differ about filters and no block decides, so recent blocks must
  /// not be skipped because of a filter. All blocks from `height` on are fetched, including those
  /// skipped since the last doubt ended; if the disputed block is new, all of them.
  mutating func beginDoubt(from height: UInt32, isNew: Bool) {
    if lookFrom == nil || isNew { restart(from: isNew ? height : max(height, trustedFrom)) }
    lookFrom = min(lookFrom ?? height, height)
  }

  mutating func endDoubt() {
    if lookFrom == nil { return }
    lookFrom = nil
    trustedFrom = nextHeight
  }

  private mutating func insert(_ match: Match) {
    if pending.contains(where: { $0.height == match.height }) { return }
    let position = pending.firstIndex { $0.height > match.height } ?? pending.count
    pending.insert(match, at: position)
  }

  /// Scans everything from `height` on again, for all scripts.
  mutating func restart(from height: UInt32) {
    // Scripts that wait for others to catch up were searched for below their height, too.
    for index in later.indices { later[index].fromHeight = min(later[index].fromHeight, height) }
    // Filters in flight belong to filter headers that may have changed: the sender vouched for the
    // former ones.
    if height < requestedHeight { moveBack(to: min(height, nextHeight)) }
    join()
  }

  private mutating func moveBack(to height: UInt32) {
    nextHeight = height
    requestedHeight = height
    requests.removeAll()
  }

  private mutating func join() {
    var index = 0
    while index < later.count {
      if later[index].fromHeight <= nextHeight {
        due.append(later.remove(at: index).script)
      } else {
        index += 1
      }
    }
  }

  /// Blocks above `forkHeight` left the best chain.
  mutating func reorganised(forkHeight: UInt32) {
    pending.removeAll { $0.height > forkHeight }
    forced.removeAll { $0 > forkHeight }
    requests.removeAll()
    for index in later.indices {
      later[index].fromHeight = min(later[index].fromHeight, forkHeight + 1)
    }
    nextHeight = min(nextHeight, forkHeight + 1)
    trustedFrom = min(trustedFrom, forkHeight + 1)
    requestedHeight = nextHeight
    join()
  }

  // MARK: Filters

  mutating func pump(_ filterHeaders: FilterHeaderChain, _ shared: inout Shared) {
    skip(shared.chain)
    expire(&shared)
    if isIdle || pending.count >= FilterScan.maxPending || shared.nowMs < retryAtMs { return }
    requestedHeight = max(requestedHeight, nextHeight)
    let end = min(filterHeaders.nextHeight, shared.chain.tipHeight + 1)
    while requests.count < FilterScan.maxRequests && requestedHeight < end {
      guard let index = source(shared), let vouched = shared.peers[index].vouchedHeight else {
        return
      }
      let batch = UInt32(max(1, min(1000, shared.configuration.filterBatch)))
      let stop = min(vouched, min(end - 1, requestedHeight + (batch - 1)))
      guard let stopHash = shared.chain.hash(at: stop) else { return }
      let request = FilterRangeRequest(startHeight: requestedHeight, stopHash: stopHash)
      shared.ask(.getFilters(request), of: index)
      requests.append(
        Request(from: shared.peers[index].id, stopHeight: stop, sentMs: shared.nowMs))
      requestedHeight = stop + 1
    }
  }

  /// Without scripts to search for, nothing is fetched.
  private mutating func skip(_ chain: HeaderChain) {
    if !due.isEmpty || !requests.isEmpty { return }
    var next = chain.tipHeight + 1
    for item in later { next = min(next, item.fromHeight) }
    for height in forced { next = min(next, height) }
    if next > nextHeight {
      nextHeight = next
      requestedHeight = next
    }
    join()
  }

  private mutating func expire(_ shared: inout Shared) {
    for request in requests {
      if let index = shared.readyIndex(of: request.from) {
        if !shared.peers[index].isLate(since: request.sentMs, nowMs: shared.nowMs) { continue }
        shared.peers[index].stalls += 1
        retryAtMs =
          shared.nowMs
          + shared.peers[index].retryDelayMs(since: request.sentMs, usualMs: FilterScan.retryMs)
      }
      moveBack(to: nextHeight)
      return
    }
  }

  /// The peer for the next requests: the one with requests in flight, or the one that stalled
  /// least.
  private func source(_ shared: Shared) -> Int? {
    if let current = requests.first {
      guard let index = shared.readyIndex(of: current.from),
        vouches(shared.peers[index])
      else { return nil }
      return index
    }
    var best: Int?
    for index in shared.peers.indices {
      let peer = shared.peers[index]
      if !peer.isReady || !vouches(peer) { continue }
      if let known = best, shared.peers[known].stalls <= peer.stalls { continue }
      best = index
    }
    return best
  }

  /// Filters are requested only from a peer that sent the same filter headers: a filter that does
  /// not fit then contradicts its own header.
  private func vouches(_ peer: Peer) -> Bool {
    guard peer.servesFilters, let vouched = peer.vouchedHeight else { return false }
    return vouched >= requestedHeight
  }

  /// A filter arrived. One that was not requested, or is no longer needed, is ignored. Returns the
  /// height of a filter that contradicts the sender's filter header; the sender is punished.
  mutating func received(
    _ message: FilterMessage, _ index: Int, _ filterHeaders: FilterHeaderChain,
    _ shared: inout Shared
  ) -> UInt32? {
    guard let request = requests.first, request.from == shared.peers[index].id,
      message.filterType == 0, shared.chain.hash(at: nextHeight) == message.blockHash
    else { return nil }
    guard let header = filterHeaders.header(at: nextHeight) else { return nil }
    let filter = BlockFilter(encoded: message.filter, blockHash: message.blockHash)
    if let previous = filterHeaders.previous(of: nextHeight) {
      if filter.header(previous: previous) != header {
        moveBack(to: nextHeight)
        shared.punish(index, .invalidFilter)
        return nextHeight
      }
      match(filter, shared)
    } else {
      // The lowest kept filter, after a restart or at a checkpoint: the header before it is
      // unknown, so the block itself is fetched.
      insert(Match(height: nextHeight, hash: message.blockHash, block: nil))
    }
    shared.peers[index].stalls = 0
    if nextHeight == request.stopHeight { requests.removeFirst() }
    forced.removeAll { $0 == nextHeight }
    nextHeight += 1
    join()
    return nil
  }

  private mutating func match(_ filter: BlockFilter, _ shared: Shared) {
    var isMatch = forced.contains(nextHeight)
    if let lookFrom, nextHeight >= lookFrom { isMatch = true }
    if !isMatch {
      // A committed filter that does not decode may hide a match: fetch the block.
      do { isMatch = try filter.matches(anyOf: due) } catch { isMatch = true }
    }
    if isMatch { insert(Match(height: nextHeight, hash: filter.blockHash, block: nil)) }
  }

  // MARK: Blocks

  /// The blocks to fetch next: the first that are pending.
  func wantedBlocks(_ count: Int) -> [(hash: Bytes32, height: UInt32)] {
    var list: [(hash: Bytes32, height: UInt32)] = []
    for match in pending.prefix(count) where match.block == nil {
      list.append((match.hash, match.height))
    }
    return list
  }

  mutating func received(_ block: Block) {
    let hash = block.hash
    if let index = pending.firstIndex(where: { $0.hash == hash }) { pending[index].block = block }
  }

  /// The next matched block, in the order of heights.
  mutating func nextBlock() -> (height: UInt32, block: Block)? {
    guard let first = pending.first, let block = first.block else { return nil }
    pending.removeFirst()
    return (first.height, block)
  }

  var isWaitingForBlocks: Bool { !pending.isEmpty }

  func deadlineMs(_ shared: Shared) -> UInt64 {
    var deadline = retryAtMs > shared.nowMs ? retryAtMs : UInt64.max
    for request in requests {
      guard let index = shared.readyIndex(of: request.from) else { continue }
      deadline = min(deadline, shared.peers[index].lateAtMs(since: request.sentMs))
    }
    return deadline
  }
}
