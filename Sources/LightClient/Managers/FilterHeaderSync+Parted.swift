import Bitcoin
import Bytes

/// Peers whose filter headers part from ours below what is kept, where no block decides any more.
///
/// Whoever was heard first may have lied there, so neither side is trusted less. What matters is what
/// can still be held against blocks: above, each filter is compared by its own hash, which does not
/// depend on the past, and the first one that differs is a dispute like any other. Filter headers here
/// are then ours alone: a sum over filters that all peers agree on, on top of a past that nobody needs.
extension FilterHeaderSync {
  mutating func partBelow(_ index: Int, _ shared: inout Shared) {
    let id = shared.peers[index].id
    disagreements.removeAll { $0.with == id }
    shared.peers[index].partsBelow = true
    shared.peers[index].filterAgreedHeight = nil
  }

  /// The first height at which the peer's filter was not held against ours.
  private func nextToCompare(_ peer: Peer) -> UInt32 {
    // Below the lowest there may be nothing that it rests on: then nobody's filter of it is believed.
    let isFirstKnown = chain.previous(of: chain.baseHeight) != nil
    let lowest = chain.baseHeight + (isFirstKnown ? 0 : 1)
    guard let agreed = peer.filterAgreedHeight else { return lowest }
    return max(lowest, agreed + 1)
  }

  /// Whether the peer may add to the filter headers: its own past must not matter any more.
  func mayExtend(_ peer: Peer) -> Bool {
    !peer.partsBelow || nextToCompare(peer) >= chain.nextHeight
  }

  /// Asks for the next filter hashes that are still to be compared.
  mutating func compareFilters(_ index: Int, _ shared: inout Shared) {
    // One dispute at a time, and what is compared is asked for once.
    if dispute != nil { return }
    let peer = shared.peers[index]
    disagreements.removeAll { $0.with == peer.id }
    guard isUsable(peer, shared), let common = peer.commonHeight else { return }
    let start = nextToCompare(peer)
    let most = UInt32(FilterHeadersMessage.maxHashes)
    let stop = min(common, min(chain.nextHeight, start + most) - 1)
    if stop < start { return }
    ask(index, from: start, to: stop, isProbe: true, &shared)
  }

  mutating func receivedFilterHashes(
    _ message: FilterHeadersMessage, from start: UInt32, _ index: Int, _ shared: inout Shared
  ) {
    var height = start
    for hash in message.filterHashes {
      guard let previous = chain.previous(of: height), let ours = chain.header(at: height) else {
        return
      }
      if BlockFilter.header(filterHash: hash, previous: previous) != ours {
        begin(height, claimed: hash, previous: previous, challenger: index, &shared)
        return
      }
      shared.peers[index].filterAgreedHeight = max(
        height, shared.peers[index].filterAgreedHeight ?? 0)
      height += 1
    }
  }
}
