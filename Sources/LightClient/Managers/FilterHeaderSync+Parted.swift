import Bitcoin
import Bytes

/// Peers whose filter headers differ from ours below what is kept, where no block can decide.
///
/// The first peer may have lied there, so neither side is trusted less. Above, blocks can still
/// decide: each filter is compared by its own hash, which does not depend on earlier filters, and
/// the first one that differs starts an ordinary dispute. The filter headers kept here are then
/// local only: they accumulate filters that all peers agree on, on top of an unneeded past.
extension FilterHeaderSync {
  mutating func partBelow(_ index: Int, _ shared: inout Shared) {
    let id = shared.peers[index].id
    disagreements.removeAll { $0.with == id }
    shared.peers[index].partsBelow = true
    shared.peers[index].filterAgreedHeight = nil
  }

  /// The first height at which the peer's filter was not compared with ours.
  private func nextToCompare(_ peer: Peer) -> UInt32 {
    // The header before the lowest filter may be unknown: then that filter cannot be checked.
    let isFirstKnown = chain.previous(of: chain.baseHeight) != nil
    let lowest = chain.baseHeight + (isFirstKnown ? 0 : 1)
    guard let agreed = peer.filterAgreedHeight else { return lowest }
    return max(lowest, agreed + 1)
  }

  /// Whether the peer may extend the filter headers: all kept heights must be compared.
  func mayExtend(_ peer: Peer) -> Bool {
    !peer.partsBelow || nextToCompare(peer) >= chain.nextHeight
  }

  /// Requests the next filter hashes to compare.
  mutating func compareFilters(_ index: Int, _ shared: inout Shared) {
    // One dispute at a time; each range is requested once.
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
