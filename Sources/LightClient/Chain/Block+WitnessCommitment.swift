import Bitcoin
import Bytes
import Crypto

extension Block {
  private static let commitmentPrefix: [UInt8] = [0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed]

  /// BIP141: the last coinbase output of the commitment's form commits to all witnesses. A block
  /// without such an output must have no witnesses. The merkle root leaves them out, so without
  /// this check a peer could change them.
  var hasValidWitnessCommitment: Bool {
    guard let coinbase = transactions.first else { return false }
    var commitment: Bytes32?
    for output in coinbase.outputs
    where output.scriptPubKey.count >= 38
      && Array(output.scriptPubKey[0..<6]) == Block.commitmentPrefix
    {
      commitment = Bytes32(output.scriptPubKey, at: 6)
    }
    guard let commitment else {
      for transaction in transactions where transaction.hasWitness { return false }
      return true
    }
    guard let input = coinbase.inputs.first, input.witness.count == 1,
      input.witness[0].count == 32
    else { return false }
    var ids: [Bytes32] = [.zero]
    ids.reserveCapacity(transactions.count)
    for transaction in transactions.dropFirst() { ids.append(transaction.wtxid) }
    let root = MerkleTree.root(ids).root
    return Sha256.double(root.array + input.witness[0]) == commitment
  }
}
