import Bitcoin
import Bytes
import Host

/// Operations for tests and `zennet devnet …`.
extension DevnetNode {
  private static let initialSpacingSeconds: UInt32 = 600
  /// The faucet's fee rate: 2 sat/vB.
  private static let faucetFeeSatPerKvB: UInt64 = 2000

  // MARK: Blocks

  /// Mines `count` blocks from the mempool and announces them together.
  ///
  /// - Parameters:
  ///   - payout: the output script for subsidy and fees; the faucet's if nil.
  ///   - minimumFeeSatPerKvB: transactions that pay less are left out; simulates higher fees in
  ///     tests.
  /// - Returns: the hashes of the new blocks.
  @discardableResult
  public func mine(
    _ count: UInt32, payout: [UInt8]? = nil, minimumFeeSatPerKvB: UInt64 = 0
  ) throws(DevnetError) -> [Bytes32] {
    var all = ChainChange()
    for _ in 0..<count {
      all.merge(
        try mineOne(
          payout: payout ?? faucet.scriptPubKey, minimumFeeSatPerKvB: minimumFeeSatPerKvB))
    }
    announce(all.connected)
    return all.connected.map(\.hash)
  }

  private func mineOne(
    payout: [UInt8], minimumFeeSatPerKvB: UInt64
  ) throws(DevnetError) -> ChainChange {
    let selection = mempool.selection(
      maxWeight: BlockMaker.maxWeight - BlockMaker.reservedWeight,
      minimumFeeSatPerKvB: minimumFeeSatPerKvB)
    var template = BlockMaker.Template(
      previous: chain.tipHash, height: chain.height + 1, time: nextTime(after: chain.tipHash),
      payout: payout, transactions: selection.transactions, feesSat: selection.feesSat)
    do throws(DevnetError) {
      return try take(BlockMaker.make(template))
    } catch {
      guard case .blockRejected(let reason) = error, !selection.transactions.isEmpty else {
        throw error
      }
      // The mempool accepted transactions that no block may hold together (consensus limits
      // signature operations, this mempool does not). Mine the block without them.
      for transaction in selection.transactions {
        let txid = transaction.txid
        mempool.evict(txid)
        tell(.transactionRejected(txid: txid, reason: "its block was refused: \(reason)"))
      }
      template.transactions = []
      template.feesSat = 0
      return try take(BlockMaker.make(template))
    }
  }

  /// Replaces the last `depth` blocks by `depth + 1` others without transactions; valid
  /// transactions of the old ones return to the mempool.
  ///
  /// - Returns: the new tip.
  @discardableResult
  public func reorganize(depth: UInt32) throws(DevnetError) -> Bytes32 {
    guard depth >= 1, depth <= chain.height, let fork = chain.hash(at: chain.height - depth) else {
      throw DevnetError.badArgument(
        "a depth of \(depth) is not between 1 and the height of \(chain.height)")
    }
    var previous = fork
    var height = chain.height - depth
    var all = ChainChange()
    let tag = Entropy.bytes(16)
    for _ in 0...depth {
      height += 1
      let block = BlockMaker.make(
        BlockMaker.Template(
          previous: previous, height: height, time: nextTime(after: previous),
          payout: faucet.scriptPubKey, tag: tag))
      previous = block.hash
      all.merge(try take(block))
    }
    announce(all.connected)
    return chain.tipHash
  }

  /// Accepts a block made elsewhere, for example by another node of a test.
  public func submit(block: Block) throws(DevnetError) {
    announce(try take(block).connected)
  }

  /// Accepts blocks made elsewhere, and announces them together.
  public func submit(blocks: [Block]) throws(DevnetError) {
    var all = ChainChange()
    for block in blocks { all.merge(try take(block)) }
    announce(all.connected)
  }

  private func take(_ block: Block) throws(DevnetError) -> ChainChange {
    let change = try chain.accept(block.bytes())
    mempool.follow(change)
    for left in change.disconnected {
      tell(.blockDisconnected(hash: left.hash, height: left.height))
    }
    for joined in change.connected {
      tell(
        .blockConnected(
          hash: joined.hash, height: joined.height, transactions: joined.block.transactions.count))
    }
    return change
  }

  /// The current time, or one second above the median time of the last eleven blocks if that is
  /// later.
  private func nextTime(after hash: Bytes32) -> UInt32 {
    max(UInt32(truncatingIfNeeded: Clock.unixSeconds()), medianTimePast(hash) + 1)
  }

  /// The median time of the eleven blocks that end with `hash`, on any branch.
  private func medianTimePast(_ hash: Bytes32) -> UInt32 {
    var times: [UInt32] = []
    var entry = chain.kernel.entry(hash: hash)
    while let current = entry, times.count < 11 {
      times.append(current.time)
      entry = current.height == 0 ? nil : chain.kernel.entry(hash: current.previousHash)
    }
    return times.sorted()[times.count / 2]
  }

  /// Mines a new chain's initial blocks, or those that are missing after an interruption.
  func makeInitialBlocks() throws(DevnetError) {
    let now = UInt32(truncatingIfNeeded: Clock.unixSeconds())
    while chain.height < options.initialBlocks {
      let age = (options.initialBlocks - chain.height) * DevnetNode.initialSpacingSeconds
      let block = BlockMaker.make(
        BlockMaker.Template(
          previous: chain.tipHash, height: chain.height + 1,
          time: max(now - age, medianTimePast(chain.tipHash) + 1), payout: faucet.scriptPubKey))
      // Not announced or reported: no peer is connected yet.
      _ = try chain.accept(block.bytes(), isDurable: chain.height + 1 == options.initialBlocks)
    }
  }

  // MARK: Transactions

  /// Checks a transaction; keeps and announces it if it is valid.
  @discardableResult
  public func submit(_ transaction: Transaction) throws(TransactionRejection) -> Bytes32 {
    do throws(TransactionRejection) {
      let acceptance = try mempool.accept(transaction)
      let entry = acceptance.entry
      tell(
        .transactionAccepted(
          txid: entry.txid, feeSat: entry.feeSat, virtualSize: entry.virtualSize))
      for other in acceptance.replaced {
        tell(.transactionReplaced(txid: other, by: entry.txid))
      }
      announce(entry)
      return entry.txid
    } catch {
      if error != .alreadyKnown {
        tell(.transactionRejected(txid: transaction.txid, reason: error.message))
      }
      throw error
    }
  }

  /// Pays `amountSat` of the faucet's coins to an output script. The transaction waits for a block.
  @discardableResult
  public func give(_ amountSat: UInt64, to scriptPubKey: [UInt8]) throws(DevnetError) -> Bytes32 {
    let gift = try faucet.gift(
      of: amountSat, to: scriptPubKey, feeSatPerKvB: DevnetNode.faucetFeeSatPerKvB, chain: chain,
      mempool: mempool)
    do throws(TransactionRejection) {
      return try submit(gift)
    } catch {
      throw DevnetError.transactionRejected(error)
    }
  }

  /// Same, to a `bcrt1…` address.
  @discardableResult
  public func give(_ amountSat: UInt64, toAddress address: String) throws(DevnetError) -> Bytes32 {
    try give(amountSat, to: try DevnetNode.script(ofAddress: address))
  }

  static func script(ofAddress address: String) throws(DevnetError) -> [UInt8] {
    do throws(BitcoinError) {
      return try Address.scriptPubKey(address, network: .regtest)
    } catch {
      throw DevnetError.badArgument("\(address): \(error.message)")
    }
  }

  /// A transaction in the mempool (no height) or in the best chain.
  public func transaction(_ txid: Bytes32) -> (transaction: Transaction, height: UInt32?)? {
    if let entry = mempool.entry(txid: txid) { return (entry.transaction, nil) }
    guard let confirmed = chain.transaction(txid) else { return nil }
    return (confirmed, chain.height(ofTransaction: txid))
  }

  // MARK: The mempool on disk

  private static let maxMempoolFileBytes = 100_000_000
  private var mempoolPath: String { options.directory + "/mempool.dat" }

  /// Only at an orderly exit, as in Bitcoin Core: wallets rebroadcast their own transactions.
  func saveMempool() {
    var writer = ByteWriter()
    for entry in mempool.sorted { writer.lengthPrefixed(entry.transaction.bytes()) }
    try? Files.writeAtomically(mempoolPath, writer.bytes)
  }

  /// Damaged and invalid transactions are skipped.
  func loadMempool() {
    guard let bytes = try? Files.read(mempoolPath, limit: DevnetNode.maxMempoolFileBytes) else {
      return
    }
    var reader = ByteReader(bytes)
    while !reader.isAtEnd, let item = try? reader.lengthPrefixed(limit: Transaction.maxBytes) {
      if let transaction = try? Transaction.decode(item) { _ = try? mempool.accept(transaction) }
    }
  }
}

extension KernelEntry {
  /// Seconds since 1970.
  var time: UInt32 {
    UInt32(header[68]) | UInt32(header[69]) << 8 | UInt32(header[70]) << 16
      | UInt32(header[71]) << 24
  }
}
