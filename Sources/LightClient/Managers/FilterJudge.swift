import Bitcoin
import Bytes

/// Checks a filter against its block (BIP158).
///
/// A filter is called impossible only where that is proven: a spent script is certain if the output
/// is in the same block or among ``KnownCoins``, because its transaction's id commits to it. A
/// witness proves nothing: an output that anyone can spend (P2A, future witness versions) takes any
/// witness with a miner's help, also one in the form of a P2WSH spend.
enum FilterJudge {
  /// False if the filter is provably not the block's: a script is missing, or there are more
  /// elements than the block can have. If all spent scripts are known, only one filter is right.
  static func isPossible(_ filter: BlockFilter, of block: Block, coins: KnownCoins) -> Bool {
    let (spent, unknownCount) = spentScripts(block, coins)
    if unknownCount == 0 { return filter == BlockFilter.build(block: block, spentScripts: spent) }
    var distinct = Set<[UInt8]>()
    var shown: [[UInt8]] = []
    for transaction in block.transactions {
      for output in transaction.outputs
      where !Script.isOpReturn(output.scriptPubKey) && !output.scriptPubKey.isEmpty {
        if distinct.insert(output.scriptPubKey).inserted { shown.append(output.scriptPubKey) }
      }
    }
    for script in spent where !script.isEmpty && distinct.insert(script).inserted {
      shown.append(script)
    }
    do {
      let count = try filter.validate()
      if count < shown.count || count > shown.count + unknownCount { return false }
      for script in shown where try !filter.matches(anyOf: [script]) { return false }
    } catch {
      return false
    }
    return true
  }

  /// The certain scripts that the block's inputs spend, and the number of unknown ones.
  private static func spentScripts(
    _ block: Block, _ coins: KnownCoins
  ) -> (scripts: [[UInt8]], unknownCount: Int) {
    var places: [Bytes32: Int] = [:]
    for (place, transaction) in block.transactions.enumerated() {
      places[transaction.txid] = place
    }
    var scripts: [[UInt8]] = []
    var unknownCount = 0
    for transaction in block.transactions where !transaction.isCoinbase {
      for input in transaction.inputs {
        if let place = places[input.previous.txid] {
          let outputs = block.transactions[place].outputs
          // A missing output cannot be spent: the block is invalid, and the input is ignored.
          if input.previous.index < UInt32(outputs.count) {
            scripts.append(outputs[Int(input.previous.index)].scriptPubKey)
          }
        } else if let script = coins.script(of: input.previous) {
          scripts.append(script)
        } else {
          unknownCount += 1
        }
      }
    }
    return (scripts, unknownCount)
  }
}
