import Bytes
import Crypto

/// BIP325: the proof that a block was made by a network's signers.
///
/// The signers sign a transaction that never exists, which commits to the block's version, parent,
/// time and transactions; the signature stands in the coinbase, next to the witness commitment.
public struct SignetSolution: Equatable, Sendable {
  /// What a solution stands behind, in the output that commits to the witnesses.
  public static let marker: [UInt8] = [0xec, 0xc7, 0xda, 0xa2]
  private static let commitmentStart: [UInt8] = [0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed]
  private static let commitmentBytes = 38
  private static let maxWitnessItems: UInt64 = 100

  /// What satisfies the challenge: both empty where the block carries no solution.
  let scriptSig: [UInt8]
  let witness: [[UInt8]]
  /// The transaction that spends the challenge, with neither.
  let toSign: Transaction

  /// Throws unless solutions to this challenge can be checked here: one key, some of several keys
  /// (at most 16), the hash of either as P2WSH, or anyone (`OP_TRUE`, for tests). What a P2WSH
  /// challenge hides shows only in a block.
  public static func checkChallenge(_ challenge: [UInt8]) throws(BitcoinError) {
    _ = try SignetChallenge(challenge)
  }

  /// Whether the challenge is the hash of a script, which a network file must then show.
  public static func hidesScript(_ challenge: [UInt8]) -> Bool {
    guard let form = try? SignetChallenge(challenge), case .hidden = form else { return false }
    return true
  }

  /// Throws unless `script` is what the P2WSH `challenge` hides, and solutions to it can be checked.
  public static func checkChallenge(
    _ challenge: [UInt8], hidden script: [UInt8]
  ) throws(BitcoinError) {
    try SignetChallenge(challenge).check(hidden: script)
  }

  /// Throws unless the block's transactions are those of its header and it carries a solution that
  /// satisfies `challenge`. The genesis block carries none: do not ask for it.
  public static func verify(block: Block, challenge: [UInt8]) throws(BitcoinError) {
    let form = try SignetChallenge(challenge)
    // The signature covers the transactions, not the header's root: the two must agree.
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

  /// The transaction that the signers of a block sign: the spend of an output that asks for
  /// `challenge`, of a transaction that commits to the block.
  ///
  /// - Parameters:
  ///   - header: the block's; its root, target and nonce do not matter.
  ///   - root: the merkle root of the block's transactions, whose coinbase has the marker pushed
  ///     behind its witness commitment, and nothing else of the solution.
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

  /// The last output that commits to the witnesses (BIP141).
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

  /// The solution, empty where there is none, and the output's script with the solution cut away
  /// behind its marker, which is what was signed.
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
