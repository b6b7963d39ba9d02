import Bitcoin
import Bytes

/// The wallet's unconfirmed transactions as miners evaluate them: each with its unconfirmed
/// ancestors.
struct PendingPackages {
  /// Nodes accept chains of at most 25 unconfirmed transactions.
  static let maxAncestors = 24

  struct Member {
    var txid: Bytes32
    var feeSat: UInt64
    var virtualBytes: UInt64
    /// The sum of its outputs.
    var paidSat: UInt64
    var parents: Set<Bytes32>
    var seenHeight: UInt32
  }

  private(set) var members: [Bytes32: Member] = [:]

  /// Transactions that the wallet made and whose fee is known.
  init(_ entries: some Sequence<WalletTransaction>) {
    var transactions: [Bytes32: Transaction] = [:]
    for entry in entries where entry.isOwn && entry.height == nil {
      guard let transaction = entry.transaction, let feeSat = entry.feeSat else { continue }
      transactions[entry.txid] = transaction
      members[entry.txid] = Member(
        txid: entry.txid, feeSat: feeSat, virtualBytes: UInt64(transaction.virtualSize),
        paidSat: transaction.totalOutputSat ?? 0, parents: [], seenHeight: entry.seenHeight)
    }
    for (txid, transaction) in transactions {
      for input in transaction.inputs where members[input.previous.txid] != nil {
        members[txid]?.parents.insert(input.previous.txid)
      }
    }
  }

  /// A transaction and its unconfirmed ancestors.
  struct Package {
    var count = 0
    var feeSat: UInt64 = 0
    var virtualBytes: UInt64 = 0
    var paidSat: UInt64 = 0

    var rateSatPerKvB: UInt64 { virtualBytes == 0 ? 0 : feeSat * 1000 / virtualBytes }
  }

  func ancestry(of txid: Bytes32) -> Set<Bytes32> {
    var found = Set<Bytes32>()
    var open = [txid]
    while let next = open.popLast() {
      guard let member = members[next], found.insert(next).inserted else { continue }
      open += member.parents
    }
    return found
  }

  func package(of txid: Bytes32) -> Package {
    var package = Package()
    for txid in ancestry(of: txid) {
      guard let member = members[txid] else { continue }
      package.count += 1
      package.feeSat += member.feeSat
      package.virtualBytes += member.virtualBytes
      package.paidSat = max(package.paidSat, member.paidSat)
    }
    return package
  }

  /// The transaction and its descendants.
  func descendants(of txid: Bytes32) -> [Bytes32] {
    members.keys.filter { ancestry(of: $0).contains(txid) }.sorted()
  }

  /// The fee rate at which a miner selects the transaction: the best of any descendant's package.
  func rateSatPerKvB(of txid: Bytes32) -> UInt64 {
    descendants(of: txid).map { package(of: $0).rateSatPerKvB }.max() ?? 0
  }

  /// Stuck transactions at a current rate of `rateSatPerKvB`, parents first.
  func stuck(scannedHeight: UInt32, rateSatPerKvB wanted: UInt64) -> [Bytes32] {
    var stuck: [(txid: Bytes32, depth: Int)] = []
    for member in members.values {
      let patientUntil = UInt64(member.seenHeight) + UInt64(Patience.blocks)
      if UInt64(scannedHeight) < patientUntil { continue }
      let rate = rateSatPerKvB(of: member.txid)
      if rate * Patience.ratePart >= wanted * (Patience.ratePart - 1) { continue }
      stuck.append((member.txid, ancestry(of: member.txid).count))
    }
    stuck.sort { $0.depth == $1.depth ? $0.txid < $1.txid : $0.depth < $1.depth }
    return stuck.map(\.txid)
  }

  /// When a transaction counts as stuck.
  enum Patience {
    /// Blocks mined without it.
    static let blocks: UInt32 = 2
    /// Its rate is below four fifths of the current rate.
    static let ratePart: UInt64 = 5
  }
}
