import Bitcoin
import Bytes

/// A synthetic regtest chain of any length, generated deterministically from its options, for
/// measurements with a realistic number of blocks and realistic filter sizes.
///
/// Every block satisfies all of Bitcoin Core's rules. Coinbases claim almost nothing: payments to
/// the watched script use the first block's coins, because regtest's subsidy falls to zero after
/// about 5,000 blocks. A block is determined by its height and the previous payment.
public final class MadeChain {
  public struct Options: Equatable, Sendable {
    /// Blocks above the genesis block.
    public var blocks: UInt32
    /// Outputs per block that its filter contains. 0 makes the smallest possible filter.
    public var outputs = 0
    /// Every this many blocks there is also an output for `script`; 0: never.
    public var paidEvery: UInt32 = 0
    public var script: [UInt8] = []

    public init(blocks: UInt32) { self.blocks = blocks }
  }

  public let options: Options
  public let network = Network.regtest
  /// By height from the genesis block on, 80 bytes each.
  public private(set) var headerBytes: [UInt8] = []
  public private(set) var hashes: [Bytes32] = []
  /// BIP157's filter headers, by height.
  public private(set) var filterHeaders: [Bytes32] = []
  /// By height; empty if all but the first are the same.
  private var filters: [[UInt8]] = []
  /// Their hashes, which a node also has in its index.
  private var filterHashes: [Bytes32] = []
  private let genesisFilter: BlockFilter
  private var heights: [Bytes32: UInt32] = [:]
  /// The payments (not coinbases), by height.
  private var payments: [UInt32: Transaction] = [:]
  /// The output that the next payment spends, and its amount.
  private var purse = (coin: OutPoint.coinbase, amountSat: 49 * Amount.satPerCoin)

  /// An anyone-can-spend script: needs neither a signature nor a witness commitment.
  private static let anybody: [UInt8] = [0x51]
  private static let paymentSat: UInt64 = 1000
  /// Below this height no coinbase is spendable: the payment is an output of the block's coinbase.
  private static let maturity: UInt32 = 100

  /// The script of the only output of Bitcoin's genesis block, which other networks share.
  private static let genesisScript =
    "4104678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38c4f35504e5"
    + "1ec112de5c384df7ba0b8d578a4c702b6bf11d5fac"
  /// The filter of a block without filterable scripts: no elements.
  private static let emptyFilter: [UInt8] = [0]
  /// The newest block's time, for any length: the chain must not reach into the future.
  private static let endSeconds: UInt32 = 1_760_000_000

  /// Generates the chain: about a million blocks in a few seconds.
  public init(_ options: Options) {
    self.options = options
    let genesis = Transaction(
      inputs: [TransactionInput(previous: .coinbase, scriptSig: [])],
      outputs: [
        TransactionOutput(amountSat: 0, scriptPubKey: Hex.decode(MadeChain.genesisScript) ?? [])
      ])
    genesisFilter = BlockFilter.build(
      block: Block(header: network.genesis, transactions: [genesis]), spentScripts: [])
    let count = Int(options.blocks) + 1
    headerBytes.reserveCapacity(count * BlockHeader.byteCount)
    hashes.reserveCapacity(count)
    filterHeaders.reserveCapacity(count)
    heights.reserveCapacity(count)
    append(network.genesis, genesisFilter)
    guard let target = Target(bits: network.powLimitBits) else { preconditionFailure("a target") }
    let spacing = min(600, (MadeChain.endSeconds - network.genesis.time) / max(1, options.blocks))
    for height in 1..<max(1, UInt32(count)) {
      let transactions = makeTransactions(height)
      var header = BlockHeader(
        version: 0x2000_0000, previous: hashes[Int(height) - 1],
        merkleRoot: MerkleTree.root(transactions.map { $0.txid }).root,
        time: network.genesis.time + height * spacing, bits: network.powLimitBits, nonce: 0)
      // On regtest every second hash meets the target.
      while !target.isMet(by: header.hash) { header.nonce += 1 }
      append(header, filter(header, transactions))
    }
  }

  public var tipHeight: UInt32 { UInt32(hashes.count) - 1 }
  public var tipHash: Bytes32 { hashes[hashes.count - 1] }

  public func height(of hash: Bytes32) -> UInt32? { heights[hash] }

  private func append(_ header: BlockHeader, _ filter: BlockFilter) {
    heights[filter.blockHash] = UInt32(hashes.count)
    hashes.append(filter.blockHash)
    headerBytes += header.bytes
    let hash = filter.hash
    filterHeaders.append(
      BlockFilter.header(filterHash: hash, previous: filterHeaders.last ?? .zero))
    if isFiltered || filterHashes.count < 2 { filterHashes.append(hash) }
    if isFiltered { filters.append(filter.encoded) }
  }

  private var isFiltered: Bool { options.outputs > 0 || options.paidEvery > 0 }

  private func filter(_ header: BlockHeader, _ transactions: [Transaction]) -> BlockFilter {
    isFiltered
      ? BlockFilter.build(
        block: Block(header: header, transactions: transactions),
        spentScripts: transactions.count == 1 ? [] : [MadeChain.anybody])
      : BlockFilter(encoded: MadeChain.emptyFilter, blockHash: header.hash)
  }

  public func filter(at height: UInt32) -> [UInt8] {
    if isFiltered { return filters[Int(height)] }
    return height == 0 ? genesisFilter.encoded : MadeChain.emptyFilter
  }

  /// The hash of the filter, as in BIP157's `cfheaders`.
  public func filterHash(at height: UInt32) -> Bytes32 {
    filterHashes[isFiltered ? Int(height) : min(1, Int(height))]
  }

  /// The whole block at a height above 0.
  public func block(at height: UInt32) -> Block {
    let start = Int(height) * BlockHeader.byteCount
    var reader = ByteReader(headerBytes, range: start..<(start + BlockHeader.byteCount))
    guard let header = try? BlockHeader.decode(&reader) else { preconditionFailure("a header") }
    let payment = payments[height]
    return Block(header: header, transactions: [coinbase(height)] + (payment.map { [$0] } ?? []))
  }

  private func isPaid(_ height: UInt32) -> Bool {
    options.paidEvery > 0 && height % options.paidEvery == 0
  }

  /// Call it in the order of heights, because each payment spends the rest of the previous one.
  private func makeTransactions(_ height: UInt32) -> [Transaction] {
    let coinbase = coinbase(height)
    if height == 1 { purse.coin = OutPoint(txid: coinbase.txid, index: 0) }
    if !isPaid(height) || height <= MadeChain.maturity { return [coinbase] }
    purse.amountSat -= MadeChain.paymentSat
    let payment = Transaction(
      inputs: [TransactionInput(previous: purse.coin)],
      outputs: [
        TransactionOutput(amountSat: purse.amountSat, scriptPubKey: MadeChain.anybody),
        TransactionOutput(amountSat: MadeChain.paymentSat, scriptPubKey: options.script),
      ])
    purse.coin = OutPoint(txid: payment.txid, index: 0)
    payments[height] = payment
    return [coinbase, payment]
  }

  private func coinbase(_ height: UInt32) -> Transaction {
    var outputs: [TransactionOutput] = []
    if height == 1 && options.paidEvery > 0 {
      outputs.append(
        TransactionOutput(amountSat: 49 * Amount.satPerCoin, scriptPubKey: MadeChain.anybody))
    }
    for index in 0..<options.outputs {
      outputs.append(
        TransactionOutput(amountSat: 0, scriptPubKey: MadeChain.script(height, UInt32(index))))
    }
    if isPaid(height) && height <= MadeChain.maturity {
      outputs.append(
        TransactionOutput(amountSat: MadeChain.paymentSat, scriptPubKey: options.script))
    }
    // A coinbase needs an output; the filter leaves this one out.
    if outputs.isEmpty { outputs.append(TransactionOutput(amountSat: 0, scriptPubKey: [0x6a])) }
    // BIP34: the height comes first. A coinbase's script has at least two bytes.
    let script = Script.number(Int64(height)) + [0x00]
    return Transaction(
      inputs: [TransactionInput(previous: .coinbase, scriptSig: script, sequence: 0xffff_ffff)],
      outputs: outputs)
  }

  /// A P2WPKH script without a known key, different for every height and index.
  private static func script(_ height: UInt32, _ index: UInt32) -> [UInt8] {
    var script: [UInt8] = [0x00, 0x14]
    script.reserveCapacity(22)
    var numbers = SeededNumbers(UInt64(height) << 32 | UInt64(index))
    while script.count < 22 {
      let value = numbers.next()
      for shift in 0..<8 where script.count < 22 {
        script.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * shift)))
      }
    }
    return script
  }
}
