import Bitcoin
import Bytes
import Channel

/// The selection of coins that pay for a transaction.
struct CoinSelection: Equatable {
  var coins: [WalletCoin]
  /// The change, in sat; nil if the rest is too small for an output.
  var changeSat: UInt64?
  var feeSat: UInt64

  /// Weight of a P2TR output.
  static let changeWeight: UInt64 = 43 * 4
  /// More inputs would exceed the 400,000 weight units that peers relay.
  static let maxInputs = 1000
  /// Steps of the search for an exact match before it stops.
  private static let maxSteps = 100_000

  /// The largest weight of an input: 36 bytes of output point, 1 of empty script, 4 of sequence,
  /// and the witness.
  static func inputWeight(_ chain: KeyPath.Chain) -> UInt64 {
    // A count, and one signature of 64 bytes with its length.
    if chain != .closeReturn { return 41 * 4 + 66 }
    // A count, a signature of at most 72 bytes with its hash type, the script of 38 bytes.
    return 41 * 4 + 1 + 73 + 39
  }

  /// The parameters of a selection.
  struct Request {
    /// The sum of the outputs.
    var paidSat: UInt64
    /// Weight of the transaction without inputs and change; witness marker included.
    var baseWeight: UInt64
    /// ``FeeRate/minSatPerKvB`` to ``FeeRate/maxSatPerKvB``.
    var feeRateSatPerKvB: UInt64
    /// Make change wherever there is enough for it, even if the amount could be matched: a child
    /// can only speed up the transaction by spending an own output.
    var wantsChange = false

    func feeSat(_ coins: [WalletCoin], hasChange: Bool) -> UInt64 {
      // Beyond 252 entries the count takes two bytes more.
      var weight = baseWeight + (coins.count > 252 ? 8 : 0)
      for coin in coins { weight += CoinSelection.inputWeight(coin.path.chain) }
      if hasChange { weight += CoinSelection.changeWeight }
      return FeeRate.feeSat(weight: weight, rateSatPerKvB: feeRateSatPerKvB)
    }
  }

  /// Tries to match the amount without change, then takes the largest coins first.
  static func choose(
    _ candidates: [WalletCoin], _ request: Request
  ) throws(WalletError) -> CoinSelection {
    // A damaged file may state impossible amounts.
    var sum: UInt64 = 0
    for coin in candidates {
      sum += min(coin.amountSat, Amount.maxSat)
      if sum > Amount.maxSat { throw .amountTooLarge }
    }
    // Largest first, and by output point among equals, so that the choice is repeatable.
    let sorted = candidates.sorted { left, right in
      if left.amountSat != right.amountSat { return left.amountSat > right.amountSat }
      if left.outPoint.txid != right.outPoint.txid {
        return left.outPoint.txid < right.outPoint.txid
      }
      return left.outPoint.index < right.outPoint.index
    }
    if !request.wantsChange, let exact = exact(sorted, request) { return exact }
    return try largestFirst(sorted, request)
  }

  private static func largestFirst(
    _ sorted: [WalletCoin], _ request: Request
  ) throws(WalletError) -> CoinSelection {
    var taken: [WalletCoin] = []
    var sum: UInt64 = 0
    var withoutChange: CoinSelection?
    for coin in sorted {
      taken.append(coin)
      sum += coin.amountSat
      if taken.count > maxInputs { break }
      let withChange = request.paidSat + request.feeSat(taken, hasChange: true)
      if sum >= withChange + Amount.dustSat {
        return CoinSelection(
          coins: taken, changeSat: sum - withChange, feeSat: withChange - request.paidSat)
      }
      if withoutChange == nil, let found = finish(taken, request) {
        withoutChange = found
        if !request.wantsChange { return found }
      }
    }
    if let withoutChange { return withoutChange }
    if taken.count > maxInputs { throw .tooManyInputs(limit: maxInputs) }
    throw .insufficientFunds(
      neededSat: request.paidSat + request.feeSat(leastCoins(taken), hasChange: false),
      spendableSat: sum)
  }

  /// An estimate of the needed amount requires at least one input.
  private static func leastCoins(_ coins: [WalletCoin]) -> [WalletCoin] {
    if !coins.isEmpty { return coins }
    return [
      WalletCoin(
        outPoint: .coinbase, amountSat: 0, path: KeyPath(.receive, 0), isCoinbase: false)
    ]
  }

  /// Branch and bound: the first set whose surplus costs less than making and spending change.
  /// Counts in 1/4000 sat, because weights are quarters of virtual bytes and rates are per
  /// thousand.
  private static func exact(_ sorted: [WalletCoin], _ request: Request) -> CoinSelection? {
    let rate = request.feeRateSatPerKvB
    let unit: UInt64 = 4000
    // Skip coins that cost more to spend than they are worth.
    let coins = sorted.filter { $0.amountSat * unit > inputWeight($0.path.chain) * rate }
    let worth = coins.map { $0.amountSat * unit - inputWeight($0.path.chain) * rate }
    var left = [UInt64](repeating: 0, count: coins.count + 1)
    for index in coins.indices.reversed() { left[index] = left[index + 1] + worth[index] }
    let least = request.paidSat * unit + request.baseWeight * rate
    let most = least + (changeWeight + inputWeight(.change)) * rate
    var chosen: [Int] = []
    var sum: UInt64 = 0
    var index = 0
    for _ in 0..<maxSteps {
      if sum >= least && sum <= most {
        if let found = finish(chosen.map { coins[$0] }, request) { return found }
      }
      let isHopeless =
        sum > most || chosen.count >= maxInputs || index == coins.count
        || sum + left[index] < least
      if !isHopeless {
        chosen.append(index)
        sum += worth[index]
        index += 1
        continue
      }
      // Backtrack to the last coin taken, and continue without it.
      guard let last = chosen.popLast() else { return nil }
      sum -= worth[last]
      index = last + 1
    }
    return nil
  }

  /// Without change: the surplus is fee.
  private static func finish(_ coins: [WalletCoin], _ request: Request) -> CoinSelection? {
    var sum: UInt64 = 0
    for coin in coins { sum += coin.amountSat }
    let feeSat = request.feeSat(coins, hasChange: false)
    if coins.isEmpty || sum < request.paidSat + feeSat { return nil }
    return CoinSelection(coins: coins, changeSat: nil, feeSat: sum - request.paidSat)
  }
}
