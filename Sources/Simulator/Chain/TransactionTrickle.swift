import Bitcoin
import Bytes

/// What a node tells one peer of transactions, as Bitcoin Core does: in turns, and not of what the
/// peer knows. It gives the peer nothing that its last turn did not reach.
struct TransactionTrickle {
  /// A `feefilter` from here on, in sat per 1000 virtual bytes, keeps every announcement away.
  private static let highestSatPerKvB: UInt64 = 1_000_000_000

  /// Whether the peer's `version` asked for transactions. Who does not is never answered.
  var isOpen = false
  private var isMuted = false
  private var known: Set<Bytes32> = []
  private var reached: Set<Bytes32> = []

  mutating func received(feeFilter satPerKvB: UInt64) {
    isMuted = satPerKvB >= TransactionTrickle.highestSatPerKvB
  }

  /// The peer announced or brought this transaction.
  mutating func noted(_ hash: Bytes32) { known.insert(hash) }

  /// The peer's turn: what is announced to it.
  mutating func turn(_ mempool: [Transaction]) -> [InventoryVector] {
    if !isOpen { return [] }
    var items: [InventoryVector] = []
    for transaction in mempool where reached.insert(transaction.txid).inserted {
      let wtxid = transaction.wtxid
      if isMuted || known.contains(wtxid) || known.contains(transaction.txid) { continue }
      items.append(InventoryVector(kind: InventoryVector.Kind.witnessId, hash: wtxid))
    }
    return items
  }

  /// Whether the peer may have a transaction of the mempool.
  func reaches(_ transaction: Transaction) -> Bool { reached.contains(transaction.txid) }
}
