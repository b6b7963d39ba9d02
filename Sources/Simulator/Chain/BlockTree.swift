import Bitcoin
import Bytes
import Crypto

/// Every block of a simulation, on all branches, with its filter. Blocks satisfy the header rules;
/// scripts and amounts are not checked.
public final class BlockTree {
  public struct Entry {
    public let block: Block
    public let hash: Bytes32
    public let height: UInt32
    public let work: ChainWork
    public let filter: BlockFilter
    public let filterHeader: Bytes32
  }

  public let network: Network
  public private(set) var entries: [Bytes32: Entry] = [:]
  private var scripts: [OutPoint: [UInt8]] = [:]
  private var extraNonce: UInt64 = 0

  /// The coinbase that quotes The Times: the only transaction of most networks' genesis block.
  private static let genesisCoinbase =
    "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff4d04ffff00"
    + "1d0104455468652054696d65732030332f4a616e2f32303039204368616e63656c6c6f72206f6e206272696e6b"
    + "206f66207365636f6e64206261696c6f757420666f722062616e6b73ffffffff0100f2052a0100000043410467"
    + "8afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38c4f35504e51ec1"
    + "12de5c384df7ba0b8d578a4c702b6bf11d5fac00000000"

  /// Starts with the network's genesis block, whose coinbase must be the one that quotes The Times.
  public init(network: Network) {
    self.network = network
    guard let bytes = Hex.decode(BlockTree.genesisCoinbase),
      let coinbase = try? Transaction.decode(bytes)
    else { preconditionFailure("the genesis coinbase does not decode") }
    let block = Block(header: network.genesis, transactions: [coinbase])
    precondition(block.hasValidMerkleRoot)
    let filter = BlockFilter.build(block: block, spentScripts: [])
    let hash = block.hash
    entries[hash] = Entry(
      block: block, hash: hash, height: 0, work: ChainWork(bits: network.genesis.bits),
      filter: filter, filterHeader: filter.header(previous: .zero))
  }

  public var genesisHash: Bytes32 { network.genesis.hash }

  public func entry(_ hash: Bytes32) -> Entry {
    guard let entry = entries[hash] else { preconditionFailure("no such block") }
    return entry
  }

  /// Mines a block on `parent`, ten minutes after it or at `time`, with the required difficulty or
  /// `bits`. `sign` may change the coinbase before the proof of work (signets).
  @discardableResult
  public func mine(
    on parent: Bytes32, transactions: [Transaction] = [], script: [UInt8] = [0x51],
    time: UInt32? = nil, bits: UInt32? = nil, sign: ((Block) -> Transaction)? = nil
  ) -> Bytes32 {
    let before = entry(parent)
    let height = before.height + 1
    let time = time ?? before.block.header.time + 600
    extraNonce += 1
    var block = Block(
      header: BlockHeader(
        version: 0x2000_0000, previous: parent, merkleRoot: .zero, time: time,
        bits: bits ?? requiredBits(after: parent, time: time), nonce: 0),
      transactions: [coinbase(height, script, transactions)] + transactions)
    if let sign { block.transactions[0] = sign(block) }
    block.header.merkleRoot = MerkleTree.root(block.transactions.map { $0.txid }).root
    work(&block.header)
    insert(block, before, height)
    return block.hash
  }

  private func coinbase(
    _ height: UInt32, _ script: [UInt8], _ transactions: [Transaction]
  ) -> Transaction {
    var tag = ByteWriter()
    tag.u8(8)
    tag.u64le(extraNonce)
    tag.u32le(height)
    var transaction = Transaction(
      inputs: [TransactionInput(previous: .coinbase, scriptSig: tag.bytes)],
      outputs: [TransactionOutput(amountSat: 50 * Amount.satPerCoin, scriptPubKey: script)])
    transaction.inputs[0].witness = [[UInt8](repeating: 0, count: 32)]
    let leaves = [Bytes32.zero] + transactions.map { $0.wtxid }
    let root = MerkleTree.root(leaves).root
    let commitment = Sha256.double(root.array + [UInt8](repeating: 0, count: 32))
    transaction.outputs.append(
      TransactionOutput(
        amountSat: 0, scriptPubKey: [0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed] + commitment.array))
    return transaction
  }

  /// A branch as the header rules read it.
  public func context(of tip: Bytes32) -> HeaderContext {
    func header(_ height: UInt32) -> BlockHeader {
      var entry = self.entry(tip)
      while entry.height > height { entry = self.entry(entry.block.header.previous) }
      return entry.block.header
    }
    return HeaderContext(
      parentHeight: entry(tip).height, time: { header($0).time }, bits: { header($0).bits })
  }

  private func requiredBits(after parent: Bytes32, time: UInt32) -> UInt32 {
    if network.rules == .regtest { return network.powLimitBits }
    guard
      let bits = try? HeaderRules.requiredBits(
        time: time, context: context(of: parent), network: network)
    else { preconditionFailure("the whole branch is known") }
    return bits
  }

  private func work(_ header: inout BlockHeader) {
    guard let target = Target(bits: header.bits) else { preconditionFailure("bits") }
    while !target.isMet(by: header.hash) { header.nonce += 1 }
  }

  private func insert(_ block: Block, _ before: Entry, _ height: UInt32) {
    var spent: [[UInt8]] = []
    for transaction in block.transactions {
      if !transaction.isCoinbase {
        for input in transaction.inputs { spent.append(scripts[input.previous] ?? []) }
      }
      let txid = transaction.txid
      for (index, output) in transaction.outputs.enumerated() {
        scripts[OutPoint(txid: txid, index: UInt32(index))] = output.scriptPubKey
      }
    }
    let filter = BlockFilter.build(block: block, spentScripts: spent)
    let hash = block.hash
    entries[hash] = Entry(
      block: block, hash: hash, height: height,
      work: before.work + ChainWork(bits: block.header.bits), filter: filter,
      filterHeader: filter.header(previous: before.filterHeader))
  }

  /// The script of an output of a transaction in any block.
  public func script(of outpoint: OutPoint) -> [UInt8]? { scripts[outpoint] }

  /// The hashes from the genesis block to `tip`.
  public func chain(to tip: Bytes32) -> [Bytes32] {
    var hashes: [Bytes32] = []
    var hash = tip
    while true {
      hashes.append(hash)
      let entry = entry(hash)
      if entry.height == 0 { break }
      hash = entry.block.header.previous
    }
    return hashes.reversed()
  }
}
