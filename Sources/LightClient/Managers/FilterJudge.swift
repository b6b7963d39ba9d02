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
}
