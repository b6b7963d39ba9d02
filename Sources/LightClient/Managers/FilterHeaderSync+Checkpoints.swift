import Bitcoin
import Bytes

/// Where a peer's filter headers differ from ours over a long range, its checkpoints narrow it down
/// to 1,000 blocks with one message instead of many requests.
///
/// BIP157 (`getcfcheckpt`): the filter headers at every multiple of 1,000.
extension FilterHeaderSync {
  static let checkpointInterval: UInt32 = 1000

  /// True if the peer was asked.
  mutating func askForCheckpoints(
    _ disagreement: Disagreement, lowest: UInt32, _ index: Int, _ shared: inout Shared
  ) -> Bool {
    guard !disagreement.wereCheckpointsAsked,
      disagreement.differentHeight - lowest > FilterHeaderSync.checkpointInterval,
      let stopHash = shared.chain.hash(at: disagreement.differentHeight),
      let position = disagreements.firstIndex(where: { $0.with == disagreement.with })
    else { return false }
    disagreements[position].wereCheckpointsAsked = true
    requests.append(
      Request(
        from: shared.peers[index].id, startHeight: 0, stopHeight: disagreement.differentHeight,
        stopHash: stopHash, sentMs: shared.nowMs, isProbe: true, asksCheckpoints: true))
    shared.ask(.getFilterCheckpoints(filterType: 0, stopHash: stopHash), of: index)
    return true
  }

  mutating func received(
    _ message: FilterCheckpointsMessage, _ index: Int, _ shared: inout Shared
  ) {
    let id = shared.peers[index].id
    guard
      let place = requests.firstIndex(where: {
        $0.from == id && $0.asksCheckpoints && $0.stopHash == message.stopHash
      })
    else {
      shared.note(index)
      return
    }
    let request = requests.remove(at: place)
    if request.isVoid || shared.chain.hash(at: request.stopHeight) != request.stopHash { return }
    let count = Int(request.stopHeight / FilterHeaderSync.checkpointInterval)
    if message.filterType != 0 || message.filterHeaders.count != count {
      shared.punish(index, .filterHeadersMalformed)
      return
    }
    guard let position = disagreements.firstIndex(where: { $0.with == id }) else { return }
    var disagreement = disagreements[position]
    var hasParted = false
    for (offset, theirs) in message.filterHeaders.enumerated() {
      let height = UInt32(offset + 1) * FilterHeaderSync.checkpointInterval
      guard let ours = chain.header(at: height), height >= chain.baseHeight else { continue }
      if theirs != ours {
        hasParted = true
        disagreement.differentHeight = min(disagreement.differentHeight, height)
      } else if hasParted {
        // A filter header commits to all before it: once two chains differ, they stay different.
        shared.punish(index, .filterHeadersConflict)
        return
      } else if height <= disagreement.differentHeight {
        disagreement.agreedHeight = max(disagreement.agreedHeight ?? 0, height)
      }
    }
    if let agreed = disagreement.agreedHeight, agreed >= disagreement.differentHeight {
      // It sent different filter headers before.
      shared.punish(index, .filterHeadersConflict)
      return
    }
    disagreements[position] = disagreement
  }
}
