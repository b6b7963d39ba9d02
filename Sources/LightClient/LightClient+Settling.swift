import Bitcoin
import Bytes

/// Reactions to an input: each manager reads the current state and requests what is missing. No
/// pending reaction is kept from one input to the next, so none can be lost.
extension LightClient {
  mutating func settle() {
    // Pumps may close connections, which frees work for other peers; the next round reassigns it.
    for _ in 0..<3 {
      removeClosed()
      pump()
      if !shared.peers.contains(where: { $0.isClosing }) { break }
    }
    removeClosed()
    book.pump(&shared)
    tell()
    dropOld()
    setTimer()
  }

  private mutating func removeClosed() {
    for item in shared.punished {
      let until = book.ban(item.address, shared)
      shared.outbox.push(.peerMisbehaved(item.address, item.what, bannedUntil: until))
    }
    shared.punished = []
    for peer in shared.peers where peer.isClosing {
      book.failed(peer.address, &shared)
      mempool.peerGone(peer.id)
      broadcaster.peerGone(peer.id)
    }
    shared.peers.removeAll { $0.isClosing }
  }

  private mutating func pump() {
    handshake.pump(&shared)
    headers.pump(&shared)
    filterHeaders.pump(&shared)
    switch filterHeaders.settle(scan, coins, &shared) {
    case .none: break
    case .falseFrom(let height):
      scan.restart(from: height)
      filterHeaders.pump(&shared)
    case .lookAt(let height, let isNew):
      scan.force(height, chain: shared.chain)
      let recent = shared.chain.tipHeight - min(shared.chain.tipHeight, FilterScan.doubtBlocks)
      scan.beginDoubt(from: max(height, recent), isNew: isNew)
    }
    if !shared.peers.contains(where: { $0.isReady && $0.isFilterDistrusted }) {
      scan.endDoubt()
    }
    // Deliver arrived blocks first: the code below requests the next ones, and when two blocks
    // arrive together there may be no other input for long.
    deliver()
    scan.pump(filterHeaders.chain, &shared)
    var wanted = headers.tipsToAuthenticate(shared)
    if let block = filterHeaders.wantedBlock { wanted.append(block) }
    wanted += scan.wantedBlocks(shared.configuration.maxBlocksInFlight)
    blocks.fetch(wanted)
    blocks.pump(&shared)
    headers.dropWithheld(blocks, &shared)
    broadcaster.pump(&shared)
  }

  /// Emits the matched blocks that have arrived, in the order of heights.
  private mutating func deliver() {
    while let (height, block) = scan.nextBlock() {
      coins.connected(block, scan, except: markers)
      fees.connected(block, height: height, network: shared.network)
      shared.outbox.push(.blockMatched(height: height, block: block))
      for news in broadcaster.connected(block, height: height) {
        switch news {
        case .confirmed(let txid):
          shared.outbox.push(.transactionConfirmed(txid: txid, height: height))
        case .conflicted(let txid, let other):
          shared.outbox.push(.transactionConflicted(txid: txid, by: other, height: height))
        }
      }
    }
  }

  private mutating func tell() {
    for event in teller.news(
      isSynced: isSynced, scannedHeight: scan.scannedHeight, stall: stallReason(), shared)
    {
      shared.outbox.push(event)
    }
  }

  private func stallReason() -> StallReason? {
    var ready = 0
    var servers = 0
    var offChain = 0
    var level = 0
    var unheard = 0
    for peer in shared.peers where !peer.isClosing {
      if !peer.isReady {
        unheard += 1
        continue
      }
      ready += 1
      if peer.servesFilters { servers += 1 }
      if peer.isOffChain { offChain += 1 }
      if peer.has(shared.chain.tipHeight) { level += 1 }
      if !peer.isExhausted || peer.branch != nil { unheard += 1 }
    }
    if ready == 0 { return .noPeers }
    if headers.lacksWork(shared) && unheard == 0 { return .peersBehind }
    if headers.sawFuture { return .clockBehind }
    if offChain == ready { return .reorganisationTooDeep }
    if servers == 0 { return .noFilters }
    if let height = blocks.unavailableHeight { return .blockUnavailable(height: height) }
    return level == 0 && unheard == 0 ? .peersBehind : nil
  }

  /// Drops headers that are no longer needed.
  private mutating func dropOld() {
    let chain = shared.chain
    let count = chain.count
    if count <= shared.configuration.windowHeaders + Limits.dropHeaders { return }
    var keep = chain.tipHeight - UInt32(shared.configuration.windowHeaders)
    keep = min(keep, scan.scannedHeight ?? 0)
    keep = min(keep, filterHeaders.chain.nextHeight == 0 ? 0 : filterHeaders.chain.nextHeight - 1)
    if keep < chain.baseHeight + UInt32(Limits.dropHeaders) { return }
    drop(below: keep)
  }

  private mutating func drop(below height: UInt32) {
    shared.chain.drop(below: height)
    filterHeaders.drop(below: height)
    for index in shared.peers.indices {
      if let branch = shared.peers[index].branch, branch.forkHeight < height {
        shared.peers[index].branch = nil
        shared.peers[index].isExhausted = false
      }
    }
    shared.outbox.push(
      .dropHeaders(belowHeight: height, workBefore: shared.chain.workBefore))
  }
}
