import Bitcoin
import Bytes

/// A dispute: two peers differ about the filter of one block, while their filter headers before it
/// are the same. Each must send its filter; the block shows which of them is impossible.
///
/// The scripts that a block spends are not in the block, so a filter cannot always be proven right.
/// But a filter that leaves out a certain output or spend, or holds more elements than the block
/// has scripts, is wrong (``FilterJudge``).
///
/// A skipped request (``Peer/passedOver(since:)``) proves nothing about a filter: it is repeated. A
/// peer that has not answered for ``limitMs`` is no longer waited for.
struct FilterDispute {
  static let limitMs: UInt64 = 60_000
  /// A dispute that is not settled in this time is dropped, and may start again.
  static let totalMs: UInt64 = 600_000
  /// How long to wait for the outputs that the scan of the blocks below may reveal.
  static let learningMs: UInt64 = 300_000

  enum Verdict: Equatable {
    case challengerLied
    case challengerSilent
    case oursFalse
    /// A peer with our filter header sent a filter that does not match it.
    case supporterContradicted(PeerId)
    /// No peer with our filter header is left to send its filter.
    case oursUnsupported
    case undecided
    case dropped
  }

  private enum Exhibit {
    case wanted
    case asked(PeerId, firstMs: UInt64, sentMs: UInt64)
    case given([UInt8], by: PeerId)
    case refused
  }

  let height: UInt32
  let blockHash: Bytes32
  /// The filter header before `height`, which both sides share.
  let previous: Bytes32
  /// The filter header that we hold for `height`.
  let ours: Bytes32
  let challenger: PeerId
  /// The filter hash that the challenger sent.
  let claimed: Bytes32
  private var block: Block?
  private var theirFilter = Exhibit.wanted
  private var ourFilter = Exhibit.wanted
  private var silent: [PeerId] = []
  private var beganMs: UInt64?
  /// The block alone does not decide: the scan of the blocks below may reveal more outputs.
  private var isLearning = false

  init(
    height: UInt32, blockHash: Bytes32, previous: Bytes32, ours: Bytes32, challenger: PeerId,
    claimed: Bytes32
  ) {
    self.height = height
    self.blockHash = blockHash
    self.previous = previous
    self.ours = ours
    self.challenger = challenger
    self.claimed = claimed
  }

  var needsBlock: Bool { block == nil }

  mutating func received(_ block: Block) {
    if block.hash == blockHash { self.block = block }
  }

  mutating func received(_ message: FilterMessage, from id: PeerId) -> Bool {
    if message.blockHash != blockHash { return false }
    if case .asked(let asked, _, _) = theirFilter, asked == id {
      theirFilter = .given(message.filter, by: id)
      return true
    }
    if case .asked(let asked, _, _) = ourFilter, asked == id {
      ourFilter = .given(message.filter, by: id)
      return true
    }
    return false
  }

  /// Another supporter must send the filter.
  mutating func supporterFailed() {
    if case .given(_, let id) = ourFilter { silent.append(id) }
    ourFilter = .wanted
  }

  /// Whether `scan` may still reveal outputs that the block spends. If so, the dispute is judged
  /// again only after that.
  mutating func waits(for scan: FilterScan, _ shared: Shared) -> Bool {
    isLearning = mayLearn(from: scan, shared)
    return isLearning
  }

  private func mayLearn(from scan: FilterScan, _ shared: Shared) -> Bool {
    let endMs = (beganMs ?? shared.nowMs) + FilterDispute.learningMs
    return !scan.isIdle && (scan.scannedHeight ?? 0) + 1 < height && shared.nowMs < endMs
  }

  // MARK: Collecting

  mutating func pump(_ shared: inout Shared) {
    if beganMs == nil { beganMs = shared.nowMs }
    if case .asked(let id, let firstMs, _) = theirFilter, isLate(id, firstMs, shared) {
      theirFilter = .refused
    }
    if case .asked(let id, let firstMs, _) = ourFilter, isLate(id, firstMs, shared) {
      silent.append(id)
      ourFilter = .wanted
    }
    theirFilter = putAgain(theirFilter, &shared)
    ourFilter = putAgain(ourFilter, &shared)
    if case .wanted = theirFilter, let index = shared.readyIndex(of: challenger) {
      theirFilter = ask(index, &shared)
    }
    if case .wanted = ourFilter {
      guard let index = supporter(shared) else {
        ourFilter = .refused
        return
      }
      ourFilter = ask(index, &shared)
    }
  }

  private func ask(_ index: Int, _ shared: inout Shared, firstMs: UInt64? = nil) -> Exhibit {
    shared.ask(
      .getFilters(FilterRangeRequest(startHeight: height, stopHash: blockHash)), of: index)
    return .asked(
      shared.peers[index].id, firstMs: firstMs ?? shared.nowMs, sentMs: shared.nowMs)
  }

  private func putAgain(_ exhibit: Exhibit, _ shared: inout Shared) -> Exhibit {
    guard case .asked(let id, let firstMs, let sentMs) = exhibit,
      let index = shared.readyIndex(of: id), shared.peers[index].passedOver(since: sentMs),
      shared.nowMs >= sentMs + Limits.passedOverRetryMs
    else { return exhibit }
    return ask(index, &shared, firstMs: firstMs)
  }

  private func isLate(_ id: PeerId, _ firstMs: UInt64, _ shared: Shared) -> Bool {
    shared.readyIndex(of: id) == nil || shared.nowMs >= firstMs + FilterDispute.limitMs
  }

  /// A peer that sent the filter header that we hold.
  private func supporter(_ shared: Shared) -> Int? {
    for index in shared.peers.indices {
      let peer = shared.peers[index]
      guard peer.isReady, peer.servesFilters, peer.id != challenger, !silent.contains(peer.id),
        let agreed = peer.filterAgreedHeight, agreed >= height
      else { continue }
      return index
    }
    return nil
  }

  // MARK: Judging

  /// Nil while data is missing.
  func verdict(_ scan: FilterScan, _ coins: KnownCoins, _ shared: Shared) -> Verdict? {
    if shared.readyIndex(of: challenger) == nil { return .dropped }
    if isLearning && mayLearn(from: scan, shared) { return nil }
    if let beganMs, shared.nowMs >= beganMs + FilterDispute.totalMs { return .dropped }
    let theirs: [UInt8]
    switch theirFilter {
    case .refused: return .challengerSilent
    case .wanted, .asked: return nil
    case .given(let bytes, _): theirs = bytes
    }
    let theirFilter = BlockFilter(encoded: theirs, blockHash: blockHash)
    if theirFilter.hash != claimed { return .challengerLied }
    guard let block else { return nil }
    if !FilterJudge.isPossible(theirFilter, of: block, coins: coins) { return .challengerLied }
    switch ourFilter {
    case .wanted, .asked: return nil
    case .refused: return .oursUnsupported
    case .given(let bytes, let id):
      let filter = BlockFilter(encoded: bytes, blockHash: blockHash)
      if filter.header(previous: previous) != ours { return .supporterContradicted(id) }
      return FilterJudge.isPossible(filter, of: block, coins: coins) ? .undecided : .oursFalse
    }
  }

  func deadlineMs(_ shared: Shared) -> UInt64 {
    var deadline = (beganMs ?? shared.nowMs) + FilterDispute.totalMs
    if isLearning { deadline = (beganMs ?? shared.nowMs) + FilterDispute.learningMs }
    return min(deadline, min(deadlineMs(theirFilter, shared), deadlineMs(ourFilter, shared)))
  }

  private func deadlineMs(_ exhibit: Exhibit, _ shared: Shared) -> UInt64 {
    guard case .asked(let id, let firstMs, let sentMs) = exhibit else { return UInt64.max }
    let endMs = firstMs + FilterDispute.limitMs
    guard let index = shared.readyIndex(of: id), shared.peers[index].passedOver(since: sentMs)
    else { return endMs }
    return min(endMs, sentMs + Limits.passedOverRetryMs)
  }
}
