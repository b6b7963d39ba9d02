import Bitcoin
import Bytes

extension TransactionInput {
  /// The output script that the input's witness shows it to spend; nil where it shows none.
  ///
  /// Only a P2WSH spend shows it here: its last witness item is the script that the output commits
  /// to. A taproot output spent by its key (BIP341: one item of 64 or 65 bytes) shows nothing, and
  /// what P2WPKH shows takes RIPEMD-160, which nothing else here needs. Transaction ids do not
  /// commit to witnesses, so that what is shown may be invented.
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
  /// More of them are not watched for one transaction.
  static let maxShownScripts = 16

  /// The output scripts that the inputs' witnesses show, each once.
  var shownScripts: [[UInt8]] {
    var scripts: [[UInt8]] = []
    for input in inputs {
      if scripts.count == Transaction.maxShownScripts { break }
      if let script = input.shownScript, !scripts.contains(script) { scripts.append(script) }
    }
    return scripts
  }

  /// The first output's script by which a filter shows the transaction's block; nil where it pays
  /// to none.
  var firstPaidScript: [UInt8]? {
    for output in outputs
    where !output.scriptPubKey.isEmpty && !Script.isOpReturn(output.scriptPubKey) {
      return output.scriptPubKey
    }
    return nil
  }
}
