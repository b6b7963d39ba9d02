import Bitcoin
import Bytes
import LightClient

/// What a participant's light client reports: the events of its watched scripts, in the order of blocks.
struct ChainFeed {
  private(set) var watched = Set<[UInt8]>()
  /// The blocks that were reported, by height.
  private var reported: [Bytes32] = []
  /// Transactions that are announced again until a block has them.
  private(set) var broadcast: [Bytes32: Transaction] = [:]
  private var pending: [LightClientEvent] = []

  init() {}

  /// Heights that were reported already are looked through again for the new script.
  mutating func watch(_ script: [UInt8], fromHeight: UInt32, _ chain: MarketChain) {
    if !watched.insert(script).inserted { return }
    for height in Int(fromHeight)..<max(Int(fromHeight), reported.count)
    where height < chain.blocks.count && chain.matches(UInt32(height), [script]) {
      pending.append(.blockMatched(height: UInt32(height), block: chain.blocks[height]))
    }
  }

  mutating func unwatch(_ script: [UInt8]) { watched.remove(script) }

  mutating func add(_ transaction: Transaction) { broadcast[transaction.txid] = transaction }
  mutating func forget(_ txid: Bytes32) { broadcast[txid] = nil }

  mutating func queue(_ event: LightClientEvent) { pending.append(event) }

  /// The next event; nil where the participant is level with the chain.
  mutating func next(_ chain: MarketChain) -> LightClientEvent? {
    if !pending.isEmpty { return pending.removeFirst() }
    var common = min(reported.count, chain.blocks.count)
    while common > 0 && reported[common - 1] != chain.blocks[common - 1].hash { common -= 1 }
    if common < reported.count {
      let from = UInt32(reported.count - 1)
      reported.removeSubrange(common...)
      return .blocksDisconnected(fromHeight: from, toHeight: UInt32(common) - 1)
    }
    guard reported.count < chain.blocks.count else { return nil }
    let height = UInt32(reported.count)
    let block = chain.blocks[Int(height)]
    reported.append(block.hash)
    if chain.matches(height, watched) {
      pending.append(.blockMatched(height: height, block: block))
    }
    for (txid, transaction) in broadcast.sorted(by: { $0.key < $1.key }) {
      if block.transactions.contains(where: { $0.txid == txid }) {
        pending.append(.transactionConfirmed(txid: txid, height: height))
      } else if let rival = rival(of: transaction, in: block) {
        pending.append(.transactionConflicted(txid: txid, by: rival, height: height))
      }
    }
    pending.append(.blockScanned(height: height))
    if reported.count == chain.blocks.count { pending.append(.synced(height: height)) }
    return .tipChanged(height: height, hash: block.hash)
  }

  private func rival(of transaction: Transaction, in block: Block) -> Bytes32? {
    for other in block.transactions {
      for input in other.inputs
      where transaction.inputs.contains(where: { $0.previous == input.previous }) {
        return other.txid == transaction.txid ? nil : other.txid
      }
    }
    return nil
  }
}
