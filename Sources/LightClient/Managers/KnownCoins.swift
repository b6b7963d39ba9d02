import Bitcoin
import Bytes

/// Outputs that pay to watched scripts, as seen in blocks. Their transactions' ids commit to them,
/// so the script of an input that spends one of them is certain, on any branch: a filter that hides
/// the end of a channel whose funding was seen is provably false.
struct KnownCoins {
  /// The newest are kept. A missing one means less certainty, and more blocks to fetch.
  static let maxCoins = 256
  /// Limit per script: anyone may pay to a beacon or an address, and must not displace other
  /// scripts' outputs.
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

  /// Adds the outputs of a matched block that pay to scripts that `scan` watches. Scripts in
  /// `markers` (watched for a relayed transaction, which another party may have made) are left out.
  mutating func connected(_ block: Block, _ scan: FilterScan, except markers: [[UInt8]]) {
    for transaction in block.transactions {
      for (index, output) in transaction.outputs.enumerated()
      where scan.isWatched(output.scriptPubKey) && !markers.contains(output.scriptPubKey) {
        add(OutPoint(txid: transaction.txid, index: UInt32(index)), output.scriptPubKey)
      }
    }
  }
}
