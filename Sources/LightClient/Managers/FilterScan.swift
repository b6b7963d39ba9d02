import Bitcoin
import Bytes

/// Matches filters against the watched scripts, and hands out the blocks that match, in order.
///
/// BIP157 (`getcfilters`), BIP158. A peer is never asked for the filter of a block that it has not
/// announced: Bitcoin Core disconnects for that.
struct FilterScan {
  /// Matches that may wait for their blocks before no more filters are asked for.
  static let maxPending = 512
  /// Requests on their way to the one peer that serves filters at the moment.
  static let maxRequests = 2
  static let retryMs: UInt64 = 10_000
  /// The newest blocks that are looked at, each of them, when peers differ about filters in a way
  /// that no block decides.
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

  /// Scripts that are looked for from `nextHeight` on.
  private var due: [[UInt8]] = []
  /// Scripts that join at a height above `nextHeight`.
  private var later: [(script: [UInt8], fromHeight: UInt32)] = []
  /// The next height whose filter is to be matched; nothing below it is left to do for any script.
  private(set) var nextHeight: UInt32
  /// The next height whose filter the requests on their way will bring.
  private var requestedHeight: UInt32
  private var requests: [Request] = []
  private var pending: [Match] = []
  /// Blocks that are fetched whatever their filter says.
  private var forced: [UInt32] = []
  private var retryAtMs: UInt64 = 0
  /// From here on every block is looked at: peers differ about filters and either may be right.
  private var lookFrom: UInt32?
  /// Since doubt ended last, blocks from here on were passed over where their filter said so.
  private var trustedFrom: UInt32 = 0

  init(nextHeight: UInt32) {
    self.nextHeight = nextHeight
    self.requestedHeight = nextHeight
  }

  var isIdle: Bool { due.isEmpty && later.isEmpty && forced.isEmpty }

  /// Everything up to here was matched and told. A height before the first is the first, less one.
  var scannedHeight: UInt32? {
    let next = min(nextHeight, pending.first?.height ?? nextHeight)
    return next == 0 ? nil : next - 1
  }

  // MARK: Scripts

  func isWatched(_ script: [UInt8]) -> Bool {
    due.contains(script) || later.contains { $0.script == script }
  }

  /// Looks for the script from `fromHeight` on, and goes on looking at the heights that are still to
  /// come for it from before.
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

  /// Has the block of this height looked at whatever its filter says.
  mutating func force(_ height: UInt32, chain: HeaderChain) {
    if height >= nextHeight {
      if !forced.contains(height) { forced.append(height) }
    } else if let hash = chain.hash(at: height) {
      insert(Match(height: height, hash: hash, block: nil))
    }
  }

  /// While peers differ about filters in a way that blocks do not decide, nobody's filter is trusted
  /// to say that a recent block is without interest: all are looked at, from `height` on, also those
  /// that were passed over since the last such time, or, for a block that is in doubt for the first
  /// time, all of them.
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

  /// Everything from `height` on is scanned again, for all scripts.
  mutating func restart(from height: UInt32) {
    // Scripts that wait for others to catch up have been looked for below their height, too.
    for index in later.indices { later[index].fromHeight = min(later[index].fromHeight, height) }
    // Filters on their way answer to filter headers that may be other ones now: whoever sends them
    // vouched for the former ones.
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

  /// Where nothing is looked for, nothing need be fetched.
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

  /// The peer that has the next requests: the one that has them already, or the one that stalled
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

  /// Only who told the same filter headers is asked for the filters: then one that does not fit is
  /// its own contradiction.
  private func vouches(_ peer: Peer) -> Bool {
    guard peer.servesFilters, let vouched = peer.vouchedHeight else { return false }
    return vouched >= requestedHeight
  }

  /// A filter came. What was not asked for, or is no longer wanted, is passed over. Returns the
  /// height of a filter that is not the one its sender had vouched for; the sender is punished.
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
      // The lowest that is kept, after a restart or at a checkpoint: what its filter header rests on
      // is gone, so the block itself is looked at.
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
      // A filter that its header commits to and that does not decode hides something: look.
      do { isMatch = try filter.matches(anyOf: due) } catch { isMatch = true }
    }
    if isMatch { insert(Match(height: nextHeight, hash: filter.blockHash, block: nil)) }
  }

  // MARK: Blocks

  /// The blocks to fetch next: the first that are waited for.
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
