import Bitcoin
import Bytes

/// Until a chain has the network's known work, it is not trusted.
///
/// As Bitcoin Core's headers presync: a peer's headers are first checked without being kept
/// (``HeaderPresync``); once they have the work, they are fetched again and compared with the
/// milestones. Signets need no presync: their signers vouch for each list's last block.
extension HeaderSync {
  /// Whether the best chain still lacks work.
  func lacksWork(_ shared: Shared) -> Bool {
    shared.network.signetChallenge == nil && shared.chain.work < shared.network.minimumChainWork
  }

  /// How many peers are asked at one time: one for the first long download, and one more for every
  /// five minutes that it lasts, so that one slow peer cannot delay it.
  func askedAtOnce(_ shared: Shared) -> Int {
    if hasHeardOne { return Int.max }
    let passedMs = shared.nowMs - (firstAskedMs ?? shared.nowMs)
    return 1 + Int(min(15, passedMs / HeaderSync.patienceMs))
  }

  /// Whether headers at pinned heights differ from the network's pins.
  func breaksPin(
    _ hashes: ArraySlice<Bytes32>, firstHeight: UInt32, _ shared: Shared
  ) -> Bool {
    for pin in shared.network.pins where pin.height >= firstHeight {
      let offset = Int(pin.height - firstHeight)
      if offset < hashes.count && hashes[hashes.startIndex + offset] != pin.hash { return true }
    }
    return false
  }

  /// Whether a branch with more work than the best chain may replace it.
  mutating func mayAdopt(
    _ branch: HeaderBranch, isFull: Bool, _ index: Int, _ shared: inout Shared
  ) -> Bool {
    if !lacksWork(shared) { return true }
    guard let below = shared.chain.work(upTo: branch.forkHeight) else { return false }
    if below + branch.work >= shared.network.minimumChainWork { return true }
    switch verdict(on: branch) {
    case .proven: return true
    case .unknown where isFull && proof.contains(where: { $0.height > branch.tipHeight }):
      // Until the branch reaches the height of a milestone.
      if branch.records.count <= shared.configuration.windowHeaders {
        shared.peers[index].branch = branch
      }
      return false
    case .unknown, .other: break
    }
    // A chain that ends before it has the work is discarded.
    if isFull { beginPresync(branch, index, &shared) }
    return false
  }

  private enum Verdict { case proven, other, unknown }

  private func verdict(on branch: HeaderBranch) -> Verdict {
    var verdict = Verdict.unknown
    for milestone in proof
    where milestone.height > branch.forkHeight && milestone.height <= branch.tipHeight {
      if branch.records[Int(milestone.height - branch.forkHeight) - 1].hash != milestone.hash {
        return .other
      }
      verdict = .proven
    }
    return verdict
  }

  private func beginPresync(_ branch: HeaderBranch, _ index: Int, _ shared: inout Shared) {
    var count = 0
    for peer in shared.peers where peer.presync != nil { count += 1 }
    if count < HeaderSync.maxGrowingBranches {
      shared.peers[index].presync = HeaderPresync(branch, on: shared.chain)
    } else {
      shared.peers[index].isExhausted = true
    }
  }

  /// New blocks that a peer announces while it sends its chain: they are far above the headers sent
  /// so far, and must not restart the download. The request in flight remains valid.
  func announcedMeanwhile(
    _ headers: [BlockHeader], _ index: Int, _ shared: inout Shared
  ) -> Bool {
    let peer = shared.peers[index]
    guard peer.isTelling && peer.headerRequestMs != nil, let first = headers.first,
      headers.count <= HeaderSync.announcedHeaders,
      first.previous != peer.presync?.tipHash && first.previous != peer.branch?.tipHash,
      shared.chain.height(of: first.previous) == nil,
      first.hash != shared.chain.hash(at: shared.chain.baseHeight)
    else { return false }
    shared.note(index)
    return true
  }

  /// The next list of a peer in presync. True if it was one.
  mutating func presynced(
    _ headers: [BlockHeader], _ hashes: [Bytes32], isFull: Bool, _ index: Int,
    _ shared: inout Shared
  ) -> Bool {
    guard var presync = shared.peers[index].presync, headers.first?.previous == presync.tipHash
    else {
      shared.peers[index].presync = nil
      return false
    }
    shared.peers[index].presync = nil
    if breaksPin(hashes[...], firstHeight: presync.tipHeight + 1, shared) {
      shared.punish(index, .invalidHeader(HeaderSync.pinBroken))
      return true
    }
    let refusal = presync.extend(
      headers, hashes: hashes, on: shared.chain, network: shared.network,
      unixSeconds: shared.unixSeconds)
    if case .invalid(let error) = refusal {
      shared.punish(index, .invalidHeader(error))
      return true
    }
    if presync.work >= shared.network.minimumChainWork {
      proof = presync.milestones
      // Fetch them again, to keep. Any peer with the same chain may send it.
      for other in shared.peers.indices { shared.peers[other].isExhausted = false }
      return true
    }
    let anchorTime = shared.chain.time(at: presync.anchorHeight) ?? 0
    if !isFull || refusal != nil
      || !presync.isPlausible(anchorTime: anchorTime, unixSeconds: shared.unixSeconds)
    {
      shared.peers[index].isExhausted = true
      return true
    }
    shared.peers[index].presync = presync
    return true
  }

  static var pinBroken: BitcoinError {
    .invalid("differs from the network's pinned block")
  }
}
