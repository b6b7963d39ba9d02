import Bitcoin
import Bytes
import Crypto

/// Fetches unconfirmed transactions that peers announce, at a limited rate, and selects those that
/// touch a watched script. Nothing about them is proven.
///
/// BIP144, BIP339 (`getdata` by witness id).
struct MempoolWatch {
  /// Most hashes kept, so that a transaction is fetched from one peer only.
  static let maxRemembered = 4096
  static let maxRequested = 256
  static let requestMs: UInt64 = 30_000

  private var remembered: [Bytes32] = []
  private var rememberedSet = Set<Bytes32>()
  private var oldest = 0
  private var requested: [(hash: Bytes32, from: PeerId, sentMs: UInt64)] = []
  /// Transactions that may still be requested in the current second.
  private var credit: Int = 0
  private var creditMs: UInt64 = 0

  /// Peers announced transactions. Those not yet fetched are requested in one message.
  mutating func announced(_ hashes: [InventoryVector], _ index: Int, _ shared: inout Shared) {
    if !shared.watchesMempool { return }
    refill(shared)
    var wanted: [InventoryVector] = []
    for item in hashes {
      if credit == 0 || requested.count >= MempoolWatch.maxRequested { break }
      if rememberedSet.contains(item.hash) { continue }
      if requested.contains(where: { $0.hash == item.hash }) { continue }
      credit -= 1
      requested.append((item.hash, shared.peers[index].id, shared.nowMs))
      let kind =
        item.kind == InventoryVector.Kind.witnessId
        ? InventoryVector.Kind.witnessId : InventoryVector.Kind.witnessTransaction
      wanted.append(InventoryVector(kind: kind, hash: item.hash))
    }
    if !wanted.isEmpty { shared.send(.getData(wanted), to: index) }
  }

  private mutating func refill(_ shared: Shared) {
    let perSecond = max(1, shared.configuration.mempoolPerSecond)
    if shared.nowMs >= creditMs + 1000 {
      credit = perSecond
      creditMs = shared.nowMs
    }
    requested.removeAll { shared.nowMs >= $0.sentMs + MempoolWatch.requestMs }
  }

  /// A transaction arrived. True if it was requested, is new, and touches one of the scripts.
  mutating func received(
    _ transaction: Transaction, _ index: Int, _ scan: FilterScan, _ shared: inout Shared
  ) -> Bool {
    let txid = transaction.txid
    let wtxid = transaction.wtxid
    let id = shared.peers[index].id
    let before = requested.count
    requested.removeAll { $0.from == id && ($0.hash == txid || $0.hash == wtxid) }
    if requested.count == before {
      shared.note(index)
      return false
    }
    if rememberedSet.contains(txid) { return false }
    remember(txid)
    if wtxid != txid { remember(wtxid) }
    for output in transaction.outputs where scan.isWatched(output.scriptPubKey) { return true }
    for input in transaction.inputs {
      // A P2WSH spend reveals the script that the spent output commits to.
      guard input.scriptSig.isEmpty, let last = input.witness.last else { continue }
      if scan.isWatched(Script.p2wsh(witnessScript: last)) { return true }
    }
    return false
  }

  /// A peer no longer has what it announced: confirmed or evicted. True if it was asked for it.
  mutating func notFound(_ hash: Bytes32, _ id: PeerId) -> Bool {
    let before = requested.count
    requested.removeAll { $0.from == id && $0.hash == hash }
    return requested.count < before
  }

  private mutating func remember(_ hash: Bytes32) {
    if !rememberedSet.insert(hash).inserted { return }
    if remembered.count < MempoolWatch.maxRemembered {
      remembered.append(hash)
      return
    }
    rememberedSet.remove(remembered[oldest])
    remembered[oldest] = hash
    oldest = (oldest + 1) % MempoolWatch.maxRemembered
  }

  mutating func peerGone(_ id: PeerId) { requested.removeAll { $0.from == id } }

  /// After a reorganisation a transaction may be unconfirmed again.
  mutating func forgetAll() {
    remembered = []
    rememberedSet = []
    oldest = 0
  }
}
