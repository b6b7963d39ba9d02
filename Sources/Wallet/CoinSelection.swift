import Bitcoin
import Bytes

/// Which coins pay for a transaction. All coins are the wallet's own taproot outputs, spent by
/// their key.
struct CoinSelection: Equatable {
  var coins: [WalletCoin]
  /// What goes back to the wallet; nil where nothing worth an output is left.
  var changeSat: UInt64?
  var feeSat: UInt64

  /// Weight of an input: 36 bytes of output point, 1 of empty script, 4 of sequence, and a witness
  /// of one signature of 64 bytes.
  static let inputWeight: UInt64 = 41 * 4 + 66
  /// Weight of a P2TR output.
  static let changeWeight: UInt64 = 43 * 4
  /// More would come near the 400,000 units that peers relay.
  static let maxInputs = 1000
  /// Steps of the search for an exact match before it gives up.
  private static let maxSteps = 100_000

  /// What decides over a selection.
  struct Request {
    /// What the outputs pay.
    var paidSat: UInt64
    /// Weight of the transaction without inputs and change; witness marker included.
    var baseWeight: UInt64
    /// 1 to 10,000.
    var feeRateSatPerVb: UInt64

    /// The fee for a number of inputs, rounded up to whole virtual bytes.
    func feeSat(inputs: Int, hasChange: Bool) -> UInt64 {
      // Beyond 252 entries the count takes two bytes more.
      let counts: UInt64 = inputs > 252 ? 8 : 0
      let weight =
        baseWeight + counts + UInt64(inputs) * CoinSelection.inputWeight
        + (hasChange ? CoinSelection.changeWeight : 0)
      return (weight + 3) / 4 * feeRateSatPerVb
    }
  }

  /// Tries to match the amount without change, then takes the largest coins first.
  static func choose(
    _ candidates: [WalletCoin], _ request: Request
  ) throws(WalletError) -> CoinSelection {
    // Largest first, and by output point among equals, so that the choice is repeatable.
    let sorted = candidates.sorted { left, right in
      if left.amountSat != right.amountSat { return left.amountSat > right.amountSat }
      if left.outPoint.txid != right.outPoint.txid {
        return left.outPoint.txid < right.outPoint.txid
      }
      return left.outPoint.index < right.outPoint.index
    }
    if let exact = exact(sorted, request) { return exact }
    return try largestFirst(sorted, request)
  }

  private static func largestFirst(
    _ sorted: [WalletCoin], _ request: Request
  ) throws(WalletError) -> CoinSelection {
    var taken: [WalletCoin] = []
    var sum: UInt64 = 0
    for coin in sorted {
      taken.append(coin)
      sum += coin.amountSat
      if taken.count > maxInputs { throw .tooManyInputs(limit: maxInputs) }
      let feeSat = request.feeSat(inputs: taken.count, hasChange: false)
      if sum < request.paidSat + feeSat { continue }
      let withChange = request.paidSat + request.feeSat(inputs: taken.count, hasChange: true)
      if sum >= withChange + Amount.dustSat {
        return CoinSelection(
          coins: taken, changeSat: sum - withChange, feeSat: withChange - request.paidSat)
      }
      return CoinSelection(coins: taken, changeSat: nil, feeSat: sum - request.paidSat)
    }
    throw .insufficientFunds(
      neededSat: request.paidSat + request.feeSat(inputs: max(taken.count, 1), hasChange: false),
      spendableSat: sum)
  }

  /// Branch and bound: the first set whose surplus costs less than making and spending change.
  /// Counts in quarters of a sat, as weights are quarters of virtual bytes.
  private static func exact(_ sorted: [WalletCoin], _ request: Request) -> CoinSelection? {
    let rate = request.feeRateSatPerVb
    // Coins that cost more to spend than they are worth cannot help.
    let coins = sorted.filter { $0.amountSat * 4 > inputWeight * rate }
    let worth = coins.map { $0.amountSat * 4 - inputWeight * rate }
    var left = [UInt64](repeating: 0, count: coins.count + 1)
    for index in coins.indices.reversed() { left[index] = left[index + 1] + worth[index] }
    let least = request.paidSat * 4 + request.baseWeight * rate
    let most = least + (changeWeight + inputWeight) * rate
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
      // Back to the last coin taken, and go on without it.
      guard let last = chosen.popLast() else { return nil }
      sum -= worth[last]
      index = last + 1
    }
    return nil
  }

  private static func finish(_ coins: [WalletCoin], _ request: Request) -> CoinSelection? {
    var sum: UInt64 = 0
    for coin in coins { sum += coin.amountSat }
    let feeSat = request.feeSat(inputs: coins.count, hasChange: false)
    if coins.isEmpty || sum < request.paidSat + feeSat { return nil }
    return CoinSelection(coins: coins, changeSat: nil, feeSat: sum - request.paidSat)
  }
}
