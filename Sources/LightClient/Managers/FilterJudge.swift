import Bitcoin

/// Holds a filter against its block (BIP158).
enum FilterJudge {
  /// False when the filter is provably not the block's: an output's script is missing, or there are
  /// more elements than the block can have. A block that spends nothing has only one filter.
  static func isPossible(_ filter: BlockFilter, of block: Block) -> Bool {
    var paid = Set<[UInt8]>()
    var shown: [[UInt8]] = []
    var spentCount = 0
    for transaction in block.transactions {
      for output in transaction.outputs
      where !output.scriptPubKey.isEmpty && !Script.isOpReturn(output.scriptPubKey) {
        if paid.insert(output.scriptPubKey).inserted { shown.append(output.scriptPubKey) }
      }
      if !transaction.isCoinbase { spentCount += transaction.inputs.count }
    }
    if spentCount == 0 { return filter == BlockFilter.build(block: block, spentScripts: []) }
    do {
      let count = try filter.validate()
      if count < shown.count || count > shown.count + spentCount { return false }
      for script in shown where try !filter.matches(anyOf: [script]) { return false }
    } catch {
      return false
    }
    return true
  }

  /// Whether the filter has every spent script that the block shows beyond doubt: a P2WSH spend shows
  /// the script that it hashes. All of Zennet's channels are of this form, so that a filter which
  /// hides the end of a channel is found out by its block.
  static func hasShownSpends(_ filter: BlockFilter, of block: Block) -> Bool {
    for transaction in block.transactions where !transaction.isCoinbase {
      for input in transaction.inputs {
        guard let script = witnessScript(of: input) else { continue }
        let spent = Script.p2wsh(witnessScript: script)
        do { if try !filter.matches(anyOf: [spent]) { return false } } catch { return false }
      }
    }
    return true
  }

  /// The last witness element where it can only be a P2WSH's script: no key of P2WPKH, no signature,
  /// annex or control block of taproot (BIP141, BIP341).
  private static func witnessScript(of input: TransactionInput) -> [UInt8]? {
    guard input.scriptSig.isEmpty, input.witness.count > 1, let last = input.witness.last,
      !last.isEmpty, last[0] != 0x50
    else { return nil }
    let isKey = input.witness.count == 2 && (last.count == 33 || last.count == 65)
    let isControlBlock = last.count >= 33 && (last.count - 33) % 32 == 0
    return isKey || isControlBlock ? nil : last
  }
}
