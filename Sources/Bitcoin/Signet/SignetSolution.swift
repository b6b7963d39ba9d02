import Bytes
import Crypto

/// BIP325: the proof that the network's signers made a block.
///
/// The signers sign a virtual transaction that commits to the block's version, parent, time and
/// transactions. The signature is in the coinbase, after the witness commitment.
public struct SignetSolution: Equatable, Sendable {
  /// The bytes before a solution in the output that holds the witness commitment.
  public static let marker: [UInt8] = [0xec, 0xc7, 0xda, 0xa2]
  private static let commitmentStart: [UInt8] = [0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed]
  private static let commitmentBytes = 38
  private static let maxWitnessItems: UInt64 = 100

  /// What satisfies the challenge; both are empty if the block has no solution.
  let scriptSig: [UInt8]
  let witness: [[UInt8]]
  /// The transaction that spends the challenge, without both.
  let toSign: Transaction

  /// Throws unless solutions to this challenge can be checked here: one key, m of n keys (n at most
  /// 16), either of these as P2WSH, or anyone (`OP_TRUE`, for tests). A P2WSH challenge's script is
  /// revealed only in blocks.
  public static func checkChallenge(_ challenge: [UInt8]) throws(BitcoinError) {
    _ = try SignetChallenge(challenge)
  }

  /// Whether the challenge is a hash of a script, which a network file must then contain.
  public static func hidesScript(_ challenge: [UInt8]) -> Bool {
    guard let form = try? SignetChallenge(challenge), case .hidden = form else { return false }
    return true
  }

  /// Throws unless `script` is the script of the P2WSH `challenge`, and solutions to it can be
  /// checked.
  public static func checkChallenge(
    _ challenge: [UInt8], hidden script: [UInt8]
  ) throws(BitcoinError) {
    try SignetChallenge(challenge).check(hidden: script)
  }

  /// Throws unless the block's transactions match its header and it has a solution that satisfies
  /// `challenge`. Not for the genesis block, which has none.
  public static func verify(block: Block, challenge: [UInt8]) throws(BitcoinError) {
    let form = try SignetChallenge(challenge)
    // The signature covers the transactions, not the header's root: check that they match.
    if !block.hasValidMerkleRoot {
      throw BitcoinError.invalid("a block's transactions are not those of its header")
    }
    let solution = try SignetSolution(block: block, challenge: challenge)
    if !(try form.isSatisfied(by: solution)) {
      throw BitcoinError.invalid("a block is not signed by the network's signers")
    }
  }

  init(block: Block, challenge: [UInt8]) throws(BitcoinError) {
    guard var coinbase = block.transactions.first,
      let index = SignetSolution.commitmentIndex(coinbase)
    else { throw BitcoinError.invalid("a block without a witness commitment has no solution") }
    let (solution, cleared) = SignetSolution.cut(coinbase.outputs[index].scriptPubKey)
    coinbase.outputs[index].scriptPubKey = cleared
    (scriptSig, witness) = try SignetSolution.decode(solution)
    var ids: [Bytes32] = [coinbase.txid]
    for transaction in block.transactions.dropFirst() { ids.append(transaction.txid) }
    toSign = SignetSolution.toSign(
      block.header, root: MerkleTree.root(ids).root, challenge: challenge)
  }

  /// The transaction that the signers of a block sign: it spends an output with `challenge`, of a
  /// transaction that commits to the block.
  ///
  /// - Parameters:
  ///   - header: the block's header; its root, target and nonce are not used.
  ///   - root: the merkle root of the block's transactions; their coinbase has the marker after its
  ///     witness commitment, and no solution.
  public static func toSign(
    _ header: BlockHeader, root: Bytes32, challenge: [UInt8]
  ) -> Transaction {
    var data = ByteWriter(reserving: 72)
    data.u32le(UInt32(bitPattern: header.version))
    data.append(header.previous)
    data.append(root)
    data.u32le(header.time)
    let toSpend = Transaction(
      version: 0,
      inputs: [
        TransactionInput(
          previous: OutPoint.coinbase, scriptSig: [Script.OpCode.zero] + Script.push(data.bytes),
          sequence: 0)
      ], outputs: [TransactionOutput(amountSat: 0, scriptPubKey: challenge)])
    return Transaction(
      version: 0,
      inputs: [
        TransactionInput(previous: OutPoint(txid: toSpend.txid, index: 0), sequence: 0)
      ], outputs: [TransactionOutput(amountSat: 0, scriptPubKey: [Script.OpCode.return])])
  }

  /// The last output with a witness commitment (BIP141).
  private static func commitmentIndex(_ coinbase: Transaction) -> Int? {
    var found: Int?
    for (index, output) in coinbase.outputs.enumerated() {
      let script = output.scriptPubKey
      if script.count >= commitmentBytes
        && Array(script[0..<commitmentStart.count]) == commitmentStart
      {
        found = index
      }
    }
    return found
  }

  /// The solution (empty if there is none), and the output's script with the solution removed after
  /// its marker, as it was signed.
  private static func cut(_ script: [UInt8]) -> (solution: [UInt8], cleared: [UInt8]) {
    var solution: [UInt8] = []
    var cleared: [UInt8] = []
    var reader = ScriptReader(script)
    while let step = reader.next() {
      guard let data = step.data, !data.isEmpty else {
        cleared.append(step.opCode)
        continue
      }
      if solution.isEmpty && data.count > marker.count && Array(data[0..<marker.count]) == marker {
        solution = Array(data[marker.count...])
        cleared.append(contentsOf: Script.push(marker))
      } else {
        cleared.append(contentsOf: Script.push(data))
      }
    }
    return solution.isEmpty ? ([], script) : (solution, cleared)
  }

  private static func decode(
    _ solution: [UInt8]
  ) throws(BitcoinError) -> (scriptSig: [UInt8], witness: [[UInt8]]) {
    if solution.isEmpty { return ([], []) }
    var reader = ByteReader(solution)
    return try decoding { () throws(BytesError) in
      let scriptSig = try reader.lengthPrefixed(limit: Script.maxBytes)
      let count = try reader.compactSize(limit: maxWitnessItems)
      var witness: [[UInt8]] = []
      for _ in 0..<count { witness.append(try reader.lengthPrefixed(limit: Script.maxBytes)) }
      try reader.finish()
      return (scriptSig, witness)
    }
  }
}
