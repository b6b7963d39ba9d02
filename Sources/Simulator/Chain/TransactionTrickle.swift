import Bitcoin
import Bytes

/// A node's announcements of transactions to one peer, as in Bitcoin Core: at intervals, without
/// those that the peer knows. A peer can only fetch transactions that existed at its last
/// announcement.
struct TransactionTrickle {
  /// A `feefilter` from this value on, in sat per 1000 virtual bytes, suppresses every
  /// announcement.
  private static let highestSatPerKvB: UInt64 = 1_000_000_000

  /// Whether the peer's `version` asked for transactions. If not, its requests are ignored.
  var isOpen = false
  private var isMuted = false
  private var known: Set<Bytes32> = []
  private var reached: Set<Bytes32> = []

  mutating func received(feeFilter satPerKvB: UInt64) {
    isMuted = satPerKvB >= TransactionTrickle.highestSatPerKvB
  }

  /// The peer announced or sent this transaction.
  mutating func noted(_ hash: Bytes32) { known.insert(hash) }

  /// The peer's next announcement.
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

  /// Whether the peer may fetch a transaction of the mempool.
  func reaches(_ transaction: Transaction) -> Bool { reached.contains(transaction.txid) }
}
