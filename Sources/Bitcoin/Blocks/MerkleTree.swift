import Bytes
import Crypto

/// Bitcoin's merkle tree over transaction ids.
public enum MerkleTree {
  /// The root, and whether two equal neighbours were hashed together at some level. Such a list can
  /// be extended without changing the root (CVE-2012-2459), so its block is refused.
  public static func root(_ leaves: [Bytes32]) -> (root: Bytes32, isMalleated: Bool) {
    if leaves.isEmpty { return (.zero, false) }
    var level = leaves
    var isMalleated = false
    while level.count > 1 {
      var next: [Bytes32] = []
      next.reserveCapacity((level.count + 1) / 2)
      var index = 0
      while index < level.count {
        let left = level[index]
        let hasRight = index + 1 < level.count
        let right = hasRight ? level[index + 1] : left
        if hasRight && left == right { isMalleated = true }
        var pair: [UInt8] = []
        pair.reserveCapacity(64)
        left.append(to: &pair)
        right.append(to: &pair)
        next.append(Sha256.double(pair))
        index += 2
      }
      level = next
    }
    return (level[0], isMalleated)
  }
}

extension Block {
  /// True if the header commits to exactly these transactions. A transaction of 64 bytes without
  /// witness could be taken for an inner node, so it is refused too.
  public var hasValidMerkleRoot: Bool {
    if transactions.isEmpty { return false }
    var ids: [Bytes32] = []
    ids.reserveCapacity(transactions.count)
    for transaction in transactions {
      let bytes = transaction.bytes(witness: false)
      if bytes.count == 64 { return false }
      ids.append(Sha256.double(bytes))
    }
    let (root, isMalleated) = MerkleTree.root(ids)
    return root == header.merkleRoot && !isMalleated
  }
}
