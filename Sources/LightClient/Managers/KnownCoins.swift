import Bitcoin
import Bytes

/// Outputs that pay to watched scripts, as blocks showed them. Their transactions' ids commit to
/// them, so that what an input spends that names one of them is beyond doubt, on whatever branch:
/// a filter that hides the end of a channel whose funding was seen is provably false.
struct KnownCoins {
  /// The newest are kept. Without one of them less is certain, and more blocks are looked at.
  static let maxCoins = 256
  /// Anybody may pay to a beacon or to an address: that pushes out nothing but its like.
  static let maxCoinsOfScript = 64

  private var coins: [(outPoint: OutPoint, script: [UInt8])] = []

  func script(of outPoint: OutPoint) -> [UInt8]? {
    for coin in coins where coin.outPoint == outPoint { return coin.script }
    return nil
  }

  mutating func add(_ outPoint: OutPoint, _ script: [UInt8]) {
    if self.script(of: outPoint) != nil { return }
    var alike = 0
    for coin in coins where coin.script == script { alike += 1 }
    if alike >= KnownCoins.maxCoinsOfScript {
      if let oldest = coins.firstIndex(where: { $0.script == script }) { coins.remove(at: oldest) }
    } else if coins.count >= KnownCoins.maxCoins {
      coins.removeFirst()
    }
    coins.append((outPoint, script))
  }

  /// A block was handed out that may pay to what `scan` watches. What is watched only for a
  /// transaction that is relayed, which a stranger may have made, pushes out nothing.
  mutating func connected(_ block: Block, _ scan: FilterScan, except markers: [[UInt8]]) {
    for transaction in block.transactions {
      for (index, output) in transaction.outputs.enumerated()
      where scan.isWatched(output.scriptPubKey) && !markers.contains(output.scriptPubKey) {
        add(OutPoint(txid: transaction.txid, index: UInt32(index)), output.scriptPubKey)
      }
    }
  }
}
