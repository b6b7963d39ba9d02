import Bitcoin
import Bytes

/// Holds a filter against its block (BIP158).
///
/// A filter is called impossible only where nothing else can be: what an input spends is certain
/// where the output is in the same block or among ``KnownCoins``, for its transaction's id commits
/// to it. A witness tells nothing of the kind. An output that anyone can spend (P2A, witness
/// versions to come) takes any witness with a miner's help, also one that looks like a P2WSH spend.
enum FilterJudge {
  /// False when the filter is provably not the block's: a script is missing, or there are more
  /// elements than the block can have. Where all that is spent is known there is only one filter.
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

  /// The scripts that the block's inputs spend as far as they are certain, and how many are not.
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
          // An output that there is not cannot be spent: such a block is none.
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
