import Bitcoin
import Bytes
import Crypto

/// Makes regtest blocks: coinbase, merkle root, proof of work (two tries on average).
public enum BlockMaker {
  /// The easiest target, which regtest requires at every height.
  public static let bits = Network.regtest.powLimitBits
  /// Blocks between two halvings of regtest's subsidy.
  public static let halvingBlocks: UInt32 = 150
  /// Block weight reserved for the coinbase and the header.
  public static let reservedWeight = 8000
  public static let maxWeight = 4_000_000

  /// The inputs for a new block.
  public struct Template: Sendable {
    public var previous: Bytes32
    public var height: UInt32
    /// Seconds since 1970; must be above the median time of the eleven previous blocks.
    public var time: UInt32
    /// The output script for subsidy and fees.
    public var payout: [UInt8]
    /// Ordered so that each transaction follows those that it spends. Without the coinbase.
    public var transactions: [Transaction] = []
    public var feesSat: UInt64 = 0
    /// Stored in the coinbase, so that two blocks with the same height and payout differ.
    public var tag: [UInt8] = []

    public init(
      previous: Bytes32, height: UInt32, time: UInt32, payout: [UInt8],
      transactions: [Transaction] = [], feesSat: UInt64 = 0, tag: [UInt8] = []
    ) {
      self.previous = previous
      self.height = height
      self.time = time
      self.payout = payout
      self.transactions = transactions
      self.feesSat = feesSat
      self.tag = tag
    }
  }

  /// 50 coins, halved every 150 blocks.
  public static func subsidySat(height: UInt32) -> UInt64 {
    let halvings = height / halvingBlocks
    return halvings >= 64 ? 0 : (50 * Amount.satPerCoin) >> UInt64(halvings)
  }

  /// A block that satisfies `template` and regtest's proof of work.
  public static func make(_ template: Template) -> Block {
    let transactions = [coinbase(template)] + template.transactions
    let root = MerkleTree.root(transactions.map(\.txid)).root
    var header = BlockHeader(
      version: 0x2000_0000, previous: template.previous, merkleRoot: root, time: template.time,
      bits: bits, nonce: 0)
    while !hasWork(header.hash) { header.nonce += 1 }
    return Block(header: header, transactions: transactions)
  }

  /// Regtest's target is 0x7fffff followed by 29 zero bytes: the hash, read as a little-endian
  /// number, must be at most this.
  private static func hasWork(_ hash: Bytes32) -> Bool {
    if hash[31] != 0x7f { return hash[31] < 0x7f }
    if hash[30] != 0xff || hash[29] != 0xff { return true }
    for index in 0..<29 where hash[index] != 0 { return false }
    return true
  }

  private static func coinbase(_ template: Template) -> Transaction {
    // The height (BIP34), then a tag; a coinbase script has 2 to 100 bytes.
    var script = Script.number(Int64(template.height))
    let tag = Array(template.tag.prefix(64))
    script += [UInt8(max(1, tag.count))] + (tag.isEmpty ? [0] : tag)
    let reward = subsidySat(height: template.height) + template.feesSat
    var outputs = [TransactionOutput(amountSat: reward, scriptPubKey: template.payout)]
    outputs.append(TransactionOutput(amountSat: 0, scriptPubKey: commitment(template)))
    let input = TransactionInput(
      previous: .coinbase, scriptSig: script, sequence: 0xffff_ffff,
      witness: [[UInt8](repeating: 0, count: 32)])
    return Transaction(version: 2, inputs: [input], outputs: outputs)
  }

  /// BIP141's commitment to the witness ids; the coinbase's own id counts as zero.
  private static func commitment(_ template: Template) -> [UInt8] {
    let root = MerkleTree.root([.zero] + template.transactions.map(\.wtxid)).root
    let digest = Sha256.double(root.array + [UInt8](repeating: 0, count: 32))
    return [0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed] + digest.array
  }
}
