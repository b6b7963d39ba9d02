import Bitcoin
import Bytes

/// Fetches whole blocks, and returns only those that fit their header.
///
/// BIP144 (witness blocks), BIP141 (witness commitment).
struct BlockFetcher {
  static let retryMs: UInt64 = 10_000
  /// BIP159: the newest blocks that a pruned peer serves. Bitcoin Core disconnects on requests
  /// below.
  static let limitedBlocks: UInt32 = 288

  /// A block that a manager needs.
  private struct Want {
    let hash: Bytes32
    let height: UInt32
    var failed: [PeerId] = []
    /// Peers that failed in earlier rounds.
    var silent: [PeerId] = []
    var request: (from: PeerId, sentMs: UInt64)?
    var retryAtMs: UInt64 = 0
    /// All peers that could have it failed at least once.
    var isUnavailable = false
  }

  private var wants: [Want] = []

  /// The lowest height that no peer serves.
  var unavailableHeight: UInt32? {
    var lowest: UInt32?
    for want in wants where want.isUnavailable {
      lowest = min(lowest ?? want.height, want.height)
    }
    return lowest
  }

  /// Fetches exactly these blocks, in this order; requests not in the list are dropped.
  mutating func fetch(_ list: [(hash: Bytes32, height: UInt32)]) {
    if list.isEmpty && wants.isEmpty { return }
    var next: [Want] = []
    for item in list where !next.contains(where: { $0.hash == item.hash }) {
      if let known = wants.first(where: { $0.hash == item.hash }) {
        next.append(known)
      } else {
        next.append(Want(hash: item.hash, height: item.height))
      }
    }
    wants = next
  }

  mutating func pump(_ shared: inout Shared) {
    expire(&shared)
    var inFlight = 0
    for want in wants where want.request != nil { inFlight += 1 }
    for index in wants.indices where wants[index].request == nil {
      if inFlight >= shared.configuration.maxBlocksInFlight { return }
      if shared.nowMs < wants[index].retryAtMs { continue }
      guard let peer = source(wants[index], shared) else {
        if wants[index].failed.isEmpty {
          wants[index].isUnavailable = isPruned(wants[index], shared)
          continue
        }
        if wants[index].silent.count < 64 { wants[index].silent += wants[index].failed }
        wants[index].failed = []
        wants[index].isUnavailable = true
        wants[index].retryAtMs = shared.nowMs + BlockFetcher.retryMs
        continue
      }
      if wants[index].silent.isEmpty { wants[index].isUnavailable = false }
      wants[index].request = (shared.peers[peer].id, shared.nowMs)
      inFlight += 1
      shared.peers[peer].framer.maxPayloadBytes = MessageFrame.maxPayloadBytes
      shared.ask(
        .getData([
          InventoryVector(kind: InventoryVector.Kind.witnessBlock, hash: wants[index].hash)
        ]), of: peer)
    }
  }

  private mutating func expire(_ shared: inout Shared) {
    for index in wants.indices {
      guard let request = wants[index].request else { continue }
      if let peer = shared.readyIndex(of: request.from) {
        if !shared.peers[peer].isLate(since: request.sentMs, nowMs: shared.nowMs) { continue }
        shared.peers[peer].stalls += 1
        wants[index].failed.append(request.from)
      }
      wants[index].request = nil
    }
  }

  /// The ready peer that has the block, has not failed for it, and stalled least.
  private func source(_ want: Want, _ shared: Shared) -> Int? {
    let isOnChain = shared.chain.hash(at: want.height) == want.hash
    var best: Int?
    for index in shared.peers.indices {
      let peer = shared.peers[index]
      if !peer.isReady || !peer.servesBlocks || want.failed.contains(peer.id) { continue }
      let hasIt =
        (isOnChain && peer.has(want.height) && keeps(want.height, peer))
        || peer.branch?.tipHash == want.hash
      if !hasIt { continue }
      if let known = best, load(known, shared) <= load(index, shared) { continue }
      best = index
    }
    return best
  }

  private func keeps(_ height: UInt32, _ peer: Peer) -> Bool {
    peer.offers(VersionMessage.Service.network)
      || height + BlockFetcher.limitedBlocks > max(peer.startHeight, peer.commonHeight ?? 0)
  }

  /// At least one peer has the block's chain, and all those peers have pruned the block.
  private func isPruned(_ want: Want, _ shared: Shared) -> Bool {
    var isPruned = false
    for peer in shared.peers where peer.isReady && peer.servesBlocks && peer.has(want.height) {
      if keeps(want.height, peer) { return false }
      isPruned = true
    }
    return isPruned
  }

  private func load(_ index: Int, _ shared: Shared) -> UInt64 {
    var load = shared.peers[index].stalls * 4
    for want in wants where want.request?.from == shared.peers[index].id { load += 1 }
    return load
  }

  /// A block arrived. Returned only if it was requested and is what its header commits to.
  mutating func received(_ block: Block, _ index: Int, _ shared: inout Shared) -> Block? {
    let hash = block.hash
    guard let position = wants.firstIndex(where: { $0.hash == hash }) else {
      // The first peer may still answer a request that was moved to another one.
      shared.note(index)
      return nil
    }
    if !block.hasValidMerkleRoot || !block.hasValidWitnessCommitment {
      wants[position].failed.append(shared.peers[index].id)
      wants[position].request = nil
      shared.punish(index, .invalidBlock)
      return nil
    }
    wants.remove(at: position)
    return block
  }

  /// The peer does not have the block. True if it was asked for it.
  mutating func notFound(_ hash: Bytes32, _ id: PeerId) -> Bool {
    guard let position = wants.firstIndex(where: { $0.hash == hash }),
      wants[position].request?.from == id
    else { return false }
    wants[position].failed.append(id)
    wants[position].request = nil
    return true
  }

  /// Whether the peer was asked for the block and did not give it.
  func hasFailed(_ hash: Bytes32, _ id: PeerId) -> Bool {
    for want in wants where want.hash == hash {
      return want.failed.contains(id) || want.silent.contains(id)
    }
    return false
  }

  func deadlineMs(_ shared: Shared) -> UInt64 {
    var deadline = UInt64.max
    for want in wants {
      if let request = want.request, let peer = shared.readyIndex(of: request.from) {
        deadline = min(deadline, shared.peers[peer].lateAtMs(since: request.sentMs))
      } else if want.retryAtMs > shared.nowMs {
        deadline = min(deadline, want.retryAtMs)
      }
    }
    return deadline
  }
}
