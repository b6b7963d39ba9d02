import Bitcoin
import Bytes

/// A transaction before its coins are selected.
struct TransactionDraft {
  /// A funding of more channels would exceed the 400,000 weight units that peers relay.
  static let maxChannels = 500

  var outputs: [TransactionOutput]
  /// The content of an additional backup output; without entries there is none.
  var backup: [ChannelBackup.Entry] = []
  var feeRateSatPerKvB: UInt64
  var wantsChange = false
  var includesUnconfirmed = true

  /// The paid outputs, then a placeholder for the backup.
  var allOutputs: [TransactionOutput] {
    if backup.isEmpty { return outputs }
    let data = [UInt8](repeating: 0, count: backup.count * ChannelBackup.bytesPerChannel)
    return outputs + [TransactionOutput(amountSat: 0, scriptPubKey: Script.opReturn(data))]
  }

  /// Uses confirmed coins if they suffice: unconfirmed ones would delay the transaction.
  func select(
    confirmed: [WalletCoin], unconfirmed: [WalletCoin]
  ) throws(WalletError) -> CoinSelection {
    try FeeRate.check(feeRateSatPerKvB)
    let paidSat = try check()
    let all = allOutputs
    // The witness marker and flag are two units; the change may lengthen the count.
    let bytes = Transaction(inputs: [], outputs: all).bytes().count
    let request = CoinSelection.Request(
      paidSat: paidSat, baseWeight: UInt64(bytes * 4 + 2 + (all.count == 252 ? 8 : 0)),
      feeRateSatPerKvB: feeRateSatPerKvB, wantsChange: wantsChange)
    if !includesUnconfirmed || unconfirmed.isEmpty {
      return try CoinSelection.choose(confirmed, request)
    }
    if let chosen = try? CoinSelection.choose(confirmed, request),
      chosen.changeSat != nil || !wantsChange
    {
      return chosen
    }
    return try CoinSelection.choose(confirmed + unconfirmed, request)
  }

  /// Replaces the placeholder by the encrypted backup; all other outputs, and the first input, are
  /// final.
  func encrypt(_ outputs: inout [TransactionOutput], firstInput: OutPoint, secret: Bytes32) {
    let empty = allOutputs[allOutputs.count - 1]
    guard let place = outputs.firstIndex(of: empty) else { return }
    var others = outputs
    others.remove(at: place)
    let key = ChannelBackup.key(secret: secret, firstInput: firstInput, outputs: others)
    outputs[place].scriptPubKey = Script.opReturn(ChannelBackup.encode(backup, key: key))
  }

  /// The full amount of `coins`, less the fee.
  static func sweep(
    _ coins: [WalletCoin], to script: [UInt8], feeRateSatPerKvB: UInt64
  ) throws(WalletError) -> TransactionDraft {
    try FeeRate.check(feeRateSatPerKvB)
    if coins.count > CoinSelection.maxInputs {
      throw .tooManyInputs(limit: CoinSelection.maxInputs)
    }
    var sum: UInt64 = 0
    for coin in coins {
      sum += min(coin.amountSat, Amount.maxSat)
      if sum > Amount.maxSat { throw .amountTooLarge }
    }
    var draft = TransactionDraft(
      outputs: [TransactionOutput(amountSat: sum, scriptPubKey: script)],
      feeRateSatPerKvB: feeRateSatPerKvB)
    let bytes = Transaction(inputs: [], outputs: draft.outputs).bytes().count
    let request = CoinSelection.Request(
      paidSat: 0, baseWeight: UInt64(bytes * 4 + 2), feeRateSatPerKvB: feeRateSatPerKvB)
    let feeSat = request.feeSat(coins, hasChange: false)
    if sum < feeSat + Amount.dustSat {
      throw .insufficientFunds(neededSat: feeSat + Amount.dustSat, spendableSat: sum)
    }
    draft.outputs[0].amountSat = sum - feeSat
    _ = try draft.check()
    return draft
  }

  // MARK: Checks

  /// The sum of the outputs.
  private func check() throws(WalletError) -> UInt64 {
    if outputs.isEmpty { throw .noOutputs }
    var paidSat: UInt64 = 0
    for (index, output) in outputs.enumerated() {
      let leastSat = TransactionDraft.leastSat(output.scriptPubKey)
      if output.amountSat < leastSat {
        throw .dustOutput(index: index, amountSat: output.amountSat, leastSat: leastSat)
      }
      if output.amountSat > Amount.maxSat || paidSat + output.amountSat > Amount.maxSat {
        throw .amountTooLarge
      }
      paidSat += output.amountSat
    }
    return paidSat
  }

  /// The least amount that peers relay: three times the cost of the output and its spending at 1
  /// sat/vB (Bitcoin Core's `GetDustThreshold` at its default rate).
  private static func leastSat(_ script: [UInt8]) -> UInt64 {
    if Script.isOpReturn(script) { return 0 }
    let size = 8 + (script.count < 253 ? 1 : 3) + script.count
    return UInt64(size + (Script.isWitnessProgram(script) ? 67 : 148)) * 3
  }
}
