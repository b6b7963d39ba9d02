import Bitcoin
import Bytes
import LightClient
import TestSupport

/// A model of the chain: which outputs exist, who spends them, which blocks there are. Signatures and
/// scripts are not judged (libbitcoinkernel judges every kind of transaction beside `Channel` and
/// `Wallet`); amounts, lock times and relative locks are.
public final class MarketChain {
  struct Coin {
    var output: TransactionOutput
    /// Nil while unconfirmed.
    var height: UInt32?
  }

  private(set) var blocks: [Block] = []
  private(set) var mempool: [Transaction] = []
  /// Outputs that no block spends, and those of the mempool.
  private var coins: [OutPoint: Coin] = [:]
  /// What each block spent, to undo it.
  private var undo: [[(OutPoint, Coin)]] = []
  private var random: SeededGenerator
  /// Which confirmed transaction spends an output.
  private(set) var spentBy: [OutPoint: Transaction] = [:]

  init(seed: UInt64) {
    random = SeededGenerator(seed: seed)
    mine()
  }

  var tipHeight: UInt32 { UInt32(blocks.count - 1) }

  func hash(_ height: UInt32) -> Bytes32? {
    height < blocks.count ? blocks[Int(height)].hash : nil
  }

  // MARK: Transactions

  /// Nil where the mempool takes it, or has it, or a block does; else why not.
  @discardableResult
  func submit(_ transaction: Transaction) -> String? {
    let txid = transaction.txid
    if mempool.contains(where: { $0.txid == txid }) || isConfirmed(txid) { return nil }
    if let problem = problem(transaction) { return problem }
    let rivals = mempool.filter { other in
      other.inputs.contains { input in
        transaction.inputs.contains { $0.previous == input.previous }
      }
    }
    let feeSat = feeSat(transaction) ?? 0
    for rival in rivals {
      let signals = rival.inputs.contains { $0.sequence < 0xffff_fffe }
      if !signals || feeSat <= self.feeSat(rival) ?? .max { return "a conflict in the mempool" }
    }
    for rival in rivals { drop(rival.txid) }
    add(transaction, height: nil)
    mempool.append(transaction)
    return nil
  }

  private func problem(_ transaction: Transaction) -> String? {
    if transaction.inputs.isEmpty { return "no inputs" }
    for input in transaction.inputs {
      guard let coin = coins[input.previous] else { return "an input is missing or spent" }
      if input.sequence & (1 << 31) == 0 && transaction.version >= 2 {
        guard let height = coin.height,
          UInt32(blocks.count) >= height + (input.sequence & 0xffff)
        else { return "a relative lock" }
      }
    }
    let isFinal = transaction.inputs.allSatisfy { $0.sequence == .max }
    if !isFinal && transaction.lockTime >= UInt32(blocks.count) { return "not final" }
    if feeSat(transaction) == nil { return "more is paid than there is" }
    for output in transaction.outputs
    where output.amountSat < Amount.dustSat && !Script.isOpReturn(output.scriptPubKey) {
      return "dust"
    }
    return nil
  }

  func feeSat(_ transaction: Transaction) -> UInt64? {
    var sum: UInt64 = 0
    for input in transaction.inputs {
      guard let coin = coins[input.previous] ?? spentCoin(input.previous) else { return nil }
      sum += coin.output.amountSat
    }
    guard let paid = transaction.totalOutputSat, paid <= sum else { return nil }
    return sum - paid
  }

  private func spentCoin(_ outPoint: OutPoint) -> Coin? {
    for spent in undo.reversed() {
      for (other, coin) in spent where other == outPoint { return coin }
    }
    return nil
  }

  func isConfirmed(_ txid: Bytes32) -> Bool { height(of: txid) != nil }

  private var heights: [Bytes32: UInt32] = [:]
  func height(of txid: Bytes32) -> UInt32? { heights[txid] }

  /// Confirmed or waiting.
  func isKnown(_ txid: Bytes32) -> Bool {
    isConfirmed(txid) || mempool.contains { $0.txid == txid }
  }

  private func add(_ transaction: Transaction, height: UInt32?) {
    let txid = transaction.txid
    for (index, output) in transaction.outputs.enumerated()
    where !Script.isOpReturn(output.scriptPubKey) {
      coins[OutPoint(txid: txid, index: UInt32(index))] = Coin(output: output, height: height)
    }
  }

  /// Takes a transaction and all that spend it out of the mempool.
  private func drop(_ txid: Bytes32) {
    mempool.removeAll { $0.txid == txid }
    for outPoint in coins.keys where outPoint.txid == txid { coins[outPoint] = nil }
    for child in mempool where child.inputs.contains(where: { $0.previous.txid == txid }) {
      drop(child.txid)
    }
  }

  // MARK: Blocks

  /// - Parameter excluding: transactions that stay in the mempool, and their children.
  func mine(excluding: Set<Bytes32> = []) {
    let height = UInt32(blocks.count)
    let coinbase = Transaction(
      inputs: [TransactionInput(previous: .coinbase, scriptSig: random.bytes(8))],
      outputs: [TransactionOutput(amountSat: 50 * Amount.satPerCoin, scriptPubKey: [0x51])])
    var taken: [Transaction] = []
    var left = mempool
    var spent: [(OutPoint, Coin)] = []
    var spentHere = Set<OutPoint>()
    var progress = true
    while progress {
      progress = false
      for transaction in left {
        let txid = transaction.txid
        if excluding.contains(txid) { continue }
        let ready = transaction.inputs.allSatisfy { input in
          guard let coin = coins[input.previous], coin.height != nil else { return false }
          return !spentHere.contains(input.previous)
        }
        if !ready { continue }
        for input in transaction.inputs {
          if let coin = coins.removeValue(forKey: input.previous) {
            spent.append((input.previous, coin))
          }
          spentHere.insert(input.previous)
          spentBy[input.previous] = transaction
        }
        add(transaction, height: height)
        heights[txid] = height
        taken.append(transaction)
        left.removeAll { $0.txid == txid }
        progress = true
      }
    }
    mempool = left
    add(coinbase, height: height)
    heights[coinbase.txid] = height
    let all = [coinbase] + taken
    undo.append(spent)
    blocks.append(
      Block(
        header: BlockHeader(
          version: 4, previous: blocks.last?.hash ?? .zero,
          merkleRoot: MerkleTree.root(all.map(\.txid)).root, time: height,
          bits: 0x207f_ffff, nonce: random.next32()), transactions: all))
  }

  /// The last `depth` blocks leave the chain. Their transactions wait again, but for `lost`.
  func disconnect(_ depth: Int, losing lost: Set<Bytes32> = []) {
    var back: [Transaction] = []
    for _ in 0..<min(depth, blocks.count - 1) {
      let block = blocks.removeLast()
      for transaction in block.transactions {
        heights[transaction.txid] = nil
        for index in transaction.outputs.indices {
          coins[OutPoint(txid: transaction.txid, index: UInt32(index))] = nil
        }
        for input in transaction.inputs { spentBy[input.previous] = nil }
      }
      for (outPoint, coin) in undo.removeLast() { coins[outPoint] = coin }
      back = Array(block.transactions.dropFirst()) + back
    }
    let waiting = back + mempool
    mempool = []
    for transaction in waiting where !lost.contains(transaction.txid) {
      // Its outputs are made again where its inputs are still there.
      submit(transaction)
    }
  }

  /// A payment out of nowhere, in the next block.
  func give(_ amountSat: UInt64, to script: [UInt8]) {
    let outPoint = OutPoint(txid: random.bytes32(), index: 0)
    coins[outPoint] = Coin(
      output: TransactionOutput(amountSat: amountSat, scriptPubKey: [0x51]), height: 0)
    submit(
      Transaction(
        inputs: [TransactionInput(previous: outPoint, witness: [random.bytes(64)])],
        outputs: [TransactionOutput(amountSat: amountSat, scriptPubKey: script)]))
    mine()
  }

  /// Spends an input of a waiting transaction elsewhere: the next block has this one instead.
  func doubleSpend(_ txid: Bytes32) -> Bool {
    guard let victim = mempool.first(where: { $0.txid == txid }),
      let input = victim.inputs.first, let coin = coins[input.previous], coin.height != nil
    else { return false }
    drop(txid)
    return submit(
      Transaction(
        inputs: [TransactionInput(previous: input.previous, witness: [random.bytes(64)])],
        outputs: [
          TransactionOutput(amountSat: coin.output.amountSat - 1000, scriptPubKey: [0x51])
        ])) == nil
  }

  // MARK: Filters

  /// Whether a block touches one of these scripts: pays it, or spends an output of it.
  func matches(_ height: UInt32, _ scripts: Set<[UInt8]>) -> Bool {
    let block = blocks[Int(height)]
    for transaction in block.transactions {
      for output in transaction.outputs where scripts.contains(output.scriptPubKey) { return true }
    }
    for (_, coin) in undo[Int(height)] where scripts.contains(coin.output.scriptPubKey) {
      return true
    }
    return false
  }
}

extension SeededGenerator {
  mutating func next32() -> UInt32 { UInt32(truncatingIfNeeded: next() >> 16) }
}
