import Bitcoin
import Bytes

extension TransactionInput {
  /// The output script that the input spends, as its witness reveals it; nil where it reveals none.
  ///
  /// Only a P2WSH spend reveals it here: its last witness item is the script that the output
  /// commits to. A taproot key spend (BIP341: one item of 64 or 65 bytes) reveals nothing, and
  /// P2WPKH would need RIPEMD-160, which nothing else here needs. Transaction ids do not commit to
  /// witnesses, so the revealed script may be forged.
  var shownScript: [UInt8]? {
    if !scriptSig.isEmpty { return nil }
    let witness = witness
    guard let last = witness.last, !last.isEmpty, last.count <= Script.maxBytes else { return nil }
    if witness.count == 1 && (last.count == 64 || last.count == 65) { return nil }
    let isPublicKey = last.count == 33 && (last[0] == 2 || last[0] == 3)
    if witness.count == 2 && isPublicKey { return nil }
    // A control block ends a taproot spend by script (BIP341, leaf version 0xc0).
    let isControlBlock = last.count >= 33 && (last.count - 33) % 32 == 0 && last[0] & 0xfe == 0xc0
    return isControlBlock ? nil : Script.p2wsh(witnessScript: last)
  }
}

extension Transaction {
  /// Most scripts watched for one transaction.
  static let maxShownScripts = 16

  /// The output scripts that the inputs' witnesses reveal, without duplicates.
  var shownScripts: [[UInt8]] {
    var scripts: [[UInt8]] = []
    for input in inputs {
      if scripts.count == Transaction.maxShownScripts { break }
      if let script = input.shownScript, !scripts.contains(script) { scripts.append(script) }
    }
    return scripts
  }

  /// The script of the first output that a block filter contains; nil if there is none.
  var firstPaidScript: [UInt8]? {
    for output in outputs
    where !output.scriptPubKey.isEmpty && !Script.isOpReturn(output.scriptPubKey) {
      return output.scriptPubKey
    }
    return nil
  }
}
