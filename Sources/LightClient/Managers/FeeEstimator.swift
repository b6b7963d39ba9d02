import Bitcoin

/// Estimates fees from blocks that were fetched for other reasons: a block's coinbase takes its
/// subsidy and its fees, so its transactions' mean fee rate is known without their inputs.
///
/// Only blocks that are nearly full count: in others every transaction had room. The median of the
/// last ones is taken, so that one miner alone cannot raise fees.
struct FeeEstimator {
  /// Most blocks kept, and their greatest age in blocks.
  static let maxBlocks = 12
  static let maxAge: UInt32 = 144
  /// With fewer blocks there is no estimate.
  static let minBlocks = 3
  /// Weight from which a block counts as full: three quarters of what is allowed.
  static let fullWeight: UInt64 = 3_000_000
  /// Upper limit of the estimate, sat per 1000 virtual bytes.
  static let maxRate: UInt64 = 1_000_000

  /// By height, the highest last; 0 stands for a block that was not full.
  private var rates: [(height: UInt32, satPerKvB: UInt64)] = []

  /// A whole block of the best chain.
  mutating func connected(_ block: Block, height: UInt32, network: Network) {
    guard let coinbase = block.transactions.first, let paidSat = coinbase.totalOutputSat else {
      return
    }
    var weight: UInt64 = 0
    for transaction in block.transactions.dropFirst() { weight += UInt64(transaction.weight) }
    let subsidySat = network.subsidySat(atHeight: height)
    var rate: UInt64 = 0
    if weight >= FeeEstimator.fullWeight && paidSat > subsidySat {
      rate = min(FeeEstimator.maxRate, (paidSat - subsidySat) * 4000 / weight)
    }
    rates.removeAll { $0.height == height }
    let place = rates.firstIndex { $0.height > height } ?? rates.count
    rates.insert((height, rate), at: place)
    if rates.count > FeeEstimator.maxBlocks { rates.removeFirst() }
  }

  mutating func reorganised(forkHeight: UInt32) { rates.removeAll { $0.height > forkHeight } }

  /// The median rate of the last blocks, in sat per 1000 virtual bytes; 0 without an estimate.
  func rate(tipHeight: UInt32) -> UInt64 {
    var recent: [UInt64] = []
    for item in rates where item.height + FeeEstimator.maxAge > tipHeight {
      recent.append(item.satPerKvB)
    }
    if recent.count < FeeEstimator.minBlocks { return 0 }
    recent.sort()
    return recent[recent.count / 2]
  }
}
