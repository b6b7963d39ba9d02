import Bitcoin
import Bytes

/// Branches on a signet (BIP325): the solution of a branch's tip authenticates the branch and all
/// before it.
extension HeaderSync {
  /// The tips whose blocks are needed to check their solutions, with their heights.
  func tipsToAuthenticate(_ shared: Shared) -> [(hash: Bytes32, height: UInt32)] {
    if shared.network.signetChallenge == nil { return [] }
    var tips: [(hash: Bytes32, height: UInt32)] = []
    for peer in shared.peers where peer.isReady {
      guard let branch = peer.branch, let hash = branch.tipHash,
        branch.work > shared.chain.work(above: branch.forkHeight)
      else { continue }
      if !tips.contains(where: { $0.hash == hash }) { tips.append((hash, branch.tipHeight)) }
    }
    return tips
  }

  /// Drops branches whose peer does not deliver the block that would prove them. The peer is asked
  /// for headers again later, because its connection may only be slow.
  func dropWithheld(_ blocks: BlockFetcher, _ shared: inout Shared) {
    if shared.network.signetChallenge == nil { return }
    for index in shared.peers.indices {
      guard let hash = shared.peers[index].branch?.tipHash,
        blocks.hasFailed(hash, shared.peers[index].id)
      else { continue }
      shared.peers[index].branch = nil
      shared.peers[index].isExhausted = true
      shared.peers[index].withheld += 1
    }
  }

  /// A tip's whole block arrived. Its solution decides about every branch that ends in it.
  mutating func receivedTip(_ block: Block, _ shared: inout Shared) -> Change? {
    guard let challenge = shared.network.signetChallenge else { return nil }
    let hash = block.hash
    var refusal: BitcoinError?
    do { try SignetSolution.verify(block: block, challenge: challenge) } catch { refusal = error }
    for index in shared.peers.indices {
      guard let branch = shared.peers[index].branch, branch.tipHash == hash else { continue }
      if let refusal {
        shared.peers[index].branch = nil
        shared.punish(index, .invalidSignetSolution(refusal))
        continue
      }
      if branch.work > shared.chain.work(above: branch.forkHeight) {
        return adopt(branch, index, &shared)
      }
    }
    if refusal != nil {
      refusedHashes.append(hash)
      if refusedHashes.count > HeaderSync.maxRefusedHashes { refusedHashes.removeFirst() }
    }
    return nil
  }
}
