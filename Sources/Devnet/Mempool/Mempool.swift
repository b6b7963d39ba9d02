import Bitcoin
import Bytes

/// The unconfirmed transactions. libbitcoinkernel verifies scripts, ``RelayPolicy`` checks policy;
/// finality, double spends and replacement are checked here.
///
/// A transaction replaces conflicting ones if it pays more (Bitcoin Core 28 and later do this
/// whether or not the first one signals it).
public final class Mempool {
  public struct Entry: Sendable {
    public let transaction: Transaction
    public let txid: Bytes32
    public let wtxid: Bytes32
    public let feeSat: UInt64
    public let virtualSize: Int
    /// Ascending, so that sorting by it puts parents before children.
    let sequence: UInt64

    /// Sat per 1000 virtual bytes, rounded down.
    public var feeRateSatPerKvB: UInt64 { feeSat * 1000 / UInt64(virtualSize) }
  }

  public struct Acceptance: Sendable {
    public let entry: Entry
    /// The transactions that it replaced, with descendants.
    public let replaced: [Bytes32]
  }

  public static let maxTransactions = 5000
  public static let maxVirtualBytes = 20_000_000
  /// The most transactions that one may replace, with descendants.
  public static let maxReplaced = 100

  public var policy: RelayPolicy
  private let chain: Chain
  private var entries: [Bytes32: Entry] = [:]
  private var txidOfWitnessId: [Bytes32: Bytes32] = [:]
  private var spenders: [OutPoint: Bytes32] = [:]
  private var nextSequence: UInt64 = 0
  private var virtualBytes = 0

  public init(chain: Chain, policy: RelayPolicy = RelayPolicy()) {
    self.chain = chain
    self.policy = policy
  }

  // MARK: Reading

  public var count: Int { entries.count }

  /// Parents before children.
  public var sorted: [Entry] { entries.values.sorted { $0.sequence < $1.sequence } }

  public func entry(txid: Bytes32) -> Entry? { entries[txid] }

  public func entry(wtxid: Bytes32) -> Entry? {
    txidOfWitnessId[wtxid].flatMap { entries[$0] }
  }

  public func isSpent(_ point: OutPoint) -> Bool { spenders[point] != nil }

  /// An output in the chain or in the mempool that a new transaction could spend. A transaction in
  /// the mempool may spend it already.
  public func coin(_ point: OutPoint) -> Coin? {
    if let parent = entries[point.txid]?.transaction {
      guard point.index < parent.outputs.count else { return nil }
      return Coin(
        output: parent.outputs[Int(point.index)], height: nil, isCoinbase: false)
    }
    return chain.coins[point]
  }

  // MARK: Accepting

  /// Accepts a transaction, or throws the reason for refusal.
  @discardableResult
  public func accept(_ transaction: Transaction) throws(TransactionRejection) -> Acceptance {
    try accept(transaction, isReturning: false)
  }

  /// `isReturning` is for transactions from a disconnected block: they need not pay the minimum fee
  /// again.
  private func accept(
    _ transaction: Transaction, isReturning: Bool
  ) throws(TransactionRejection) -> Acceptance {
    try policy.check(transaction)
    let txid = transaction.txid
    if entries[txid] != nil || chain.height(ofTransaction: txid) != nil { throw .alreadyKnown }
    let spent = try spentCoins(transaction)
    let nextHeight = chain.height + 1
    try Finality.check(transaction, spent: spent, chain: chain)
    for (index, coin) in spent.enumerated() where !coin.isMature(at: nextHeight) {
      throw .immatureCoinbase(transaction.inputs[index].previous)
    }
    let outputs = spent.map(\.output)
    try policy.checkInputs(transaction, spent: outputs)
    let feeSat = try fee(transaction, spent: outputs)
    let size = transaction.virtualSize
    let needed = RelayPolicy.feeSat(
      virtualSize: size, satPerKvB: policy.minimumFeeSatPerKvB)
    if feeSat < needed && !isReturning { throw .feeTooLow(feeSat: feeSat, neededSat: needed) }
    let replaced = try replacements(transaction, feeSat: feeSat, virtualSize: size)
    if replaced.isEmpty
      && (count >= Mempool.maxTransactions || virtualBytes + size > Mempool.maxVirtualBytes)
    {
      throw .mempoolFull
    }
    try checkScripts(transaction, spent: outputs)
    for other in replaced { remove(other) }
    let entry = Entry(
      transaction: transaction, txid: txid, wtxid: transaction.wtxid, feeSat: feeSat,
      virtualSize: size, sequence: nextSequence)
    insert(entry)
    return Acceptance(entry: entry, replaced: replaced)
  }

  private func spentCoins(_ transaction: Transaction) throws(TransactionRejection) -> [Coin] {
    var coins: [Coin] = []
    for input in transaction.inputs {
      guard let coin = coin(input.previous) else { throw .missingInput(input.previous) }
      coins.append(coin)
    }
    return coins
  }

  private func fee(
    _ transaction: Transaction, spent: [TransactionOutput]
  ) throws(TransactionRejection) -> UInt64 {
    guard let paid = transaction.totalOutputSat else { throw .amountOutOfRange }
    let given = spent.reduce(0) { $0 + $1.amountSat }
    if given < paid { throw .outputsAboveInputs }
    return given - paid
  }

  private func checkScripts(
    _ transaction: Transaction, spent: [TransactionOutput]
  ) throws(TransactionRejection) {
    let bytes = transaction.bytes()
    let outputs = spent.map {
      SpentOutput(amountSat: $0.amountSat, scriptPubKey: $0.scriptPubKey)
    }
    for (index, output) in outputs.enumerated() {
      let good = KernelScript.verify(
        scriptPubKey: output.scriptPubKey, amountSat: output.amountSat, tx: bytes,
        inputIndex: index, spentOutputs: outputs)
      if !good { throw .scriptFailed(input: index) }
    }
  }

  // MARK: Replacing

  /// The transactions that this one would replace, with descendants; empty without a conflict.
  private func replacements(
    _ transaction: Transaction, feeSat: UInt64, virtualSize: Int
  ) throws(TransactionRejection) -> [Bytes32] {
    var direct: [Bytes32] = []
    for input in transaction.inputs {
      if let other = spenders[input.previous], !direct.contains(other) { direct.append(other) }
    }
    guard let first = direct.first else { return [] }
    let all = withDescendants(direct)
    if all.count > Mempool.maxReplaced { throw .tooManyReplaced(count: all.count) }
    if transaction.inputs.contains(where: { all.contains($0.previous.txid) }) {
      throw .spendsWhatItReplaces
    }
    let replacedFees = all.reduce(UInt64(0)) { $0 + (entries[$1]?.feeSat ?? 0) }
    var needed =
      replacedFees
      + RelayPolicy.feeSat(virtualSize: virtualSize, satPerKvB: policy.incrementalFeeSatPerKvB)
    // It must also have a higher fee rate than each conflicting transaction.
    for other in direct {
      guard let entry = entries[other] else { continue }
      needed = max(needed, entry.feeSat * UInt64(virtualSize) / UInt64(entry.virtualSize) + 1)
    }
    if feeSat < needed { throw .doubleSpend(of: first, feeSat: feeSat, neededSat: needed) }
    return all
  }

  /// The given entries and their descendants, parents before children.
  private func withDescendants(_ roots: [Bytes32]) -> [Bytes32] {
    var found = roots
    var index = 0
    while index < found.count {
      if let entry = entries[found[index]] {
        for output in entry.transaction.outputs.indices {
          let point = OutPoint(txid: entry.txid, index: UInt32(output))
          if let child = spenders[point], !found.contains(child) { found.append(child) }
        }
      }
      index += 1
    }
    return found
  }

  private func insert(_ entry: Entry) {
    entries[entry.txid] = entry
    txidOfWitnessId[entry.wtxid] = entry.txid
    for input in entry.transaction.inputs { spenders[input.previous] = entry.txid }
    virtualBytes += entry.virtualSize
    nextSequence += 1
  }

  /// Removes a transaction and its descendants.
  func evict(_ txid: Bytes32) {
    if entries[txid] == nil { return }
    for other in withDescendants([txid]) { remove(other) }
  }

  private func remove(_ txid: Bytes32) {
    guard let entry = entries.removeValue(forKey: txid) else { return }
    txidOfWitnessId[entry.wtxid] = nil
    for input in entry.transaction.inputs where spenders[input.previous] == txid {
      spenders[input.previous] = nil
    }
    virtualBytes -= entry.virtualSize
  }

  // MARK: Following the chain

  /// Updates the mempool after a change of the best chain. Transactions of disconnected blocks
  /// return, before those that were already waiting; confirmed, conflicting and invalid ones are
  /// removed.
  public func follow(_ change: ChainChange) {
    if change.disconnected.isEmpty {
      for connected in change.connected { confirm(connected.block) }
      return
    }
    var candidates: [Transaction] = []
    for left in change.disconnected.reversed() {
      candidates += left.block.transactions.dropFirst()
    }
    candidates += sorted.map(\.transaction)
    entries = [:]
    txidOfWitnessId = [:]
    spenders = [:]
    virtualBytes = 0
    for transaction in candidates { _ = try? accept(transaction, isReturning: true) }
  }

  private func confirm(_ block: Block) {
    for transaction in block.transactions.dropFirst() {
      remove(transaction.txid)
      for input in transaction.inputs {
        guard let loser = spenders[input.previous] else { continue }
        for other in withDescendants([loser]) { remove(other) }
      }
    }
  }

  // MARK: Making blocks

  /// The transactions for a new block, parents before children: those that fit and pay
  /// `minimumFeeSatPerKvB`, alone or together with a descendant. The fee rate is computed with all
  /// ancestors that are not selected yet, as in Bitcoin Core.
  public func selection(
    maxWeight: Int, minimumFeeSatPerKvB: UInt64 = 0
  ) -> (transactions: [Transaction], feesSat: UInt64) {
    var chosen: [Transaction] = []
    var ids: Set<Bytes32> = []
    var feesSat: UInt64 = 0
    var weight = 0
    for entry in sorted where !ids.contains(entry.txid) {
      let package = withAncestors(entry, without: ids)
      let packageFeeSat = package.reduce(0) { $0 + $1.feeSat }
      let size = package.reduce(0) { $0 + $1.virtualSize }
      let packageWeight = package.reduce(0) { $0 + $1.transaction.weight }
      if packageFeeSat * 1000 / UInt64(size) < minimumFeeSatPerKvB { continue }
      if weight + packageWeight > maxWeight { continue }
      for member in package {
        chosen.append(member.transaction)
        ids.insert(member.txid)
      }
      weight += packageWeight
      feesSat += packageFeeSat
    }
    return (chosen, feesSat)
  }

  /// An entry after its ancestors in the mempool, parents before children.
  private func withAncestors(_ entry: Entry, without known: Set<Bytes32>) -> [Entry] {
    var found: [Bytes32: Entry] = [entry.txid: entry]
    var queue = [entry]
    while let next = queue.popLast() {
      for input in next.transaction.inputs {
        guard let parent = entries[input.previous.txid], found[parent.txid] == nil,
          !known.contains(parent.txid)
        else { continue }
        found[parent.txid] = parent
        queue.append(parent)
      }
    }
    return found.values.sorted { $0.sequence < $1.sequence }
  }
}
