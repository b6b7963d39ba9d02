import Bitcoin
import Bytes
import Crypto

extension Wallet {
  /// Builds and signs a payment, and remembers it: its coins are taken, its change can be spent.
  /// Relay it, store the wallet, or give it up with ``abandon(_:)``. All inputs are segwit, so its
  /// id is final.
  ///
  /// - Parameters:
  ///   - outputs: what is paid, in any number; the change stands at a place that `random` picks.
  ///   - feeRateSatPerVb: 1 to ``maxFeeRateSatPerVb``.
  ///   - random: 32 fresh random bytes. Signatures do not depend on them being good.
  ///   - includesUnconfirmed: whether the wallet's own unconfirmed change may be spent.
  public mutating func buildTransaction(
    outputs: [TransactionOutput], feeRateSatPerVb: UInt64, random: Bytes32,
    includesUnconfirmed: Bool = true
  ) throws(WalletError) -> Transaction {
    let paidSat = try Wallet.check(outputs, feeRateSatPerVb: feeRateSatPerVb)
    let candidates = coins.values.filter {
      isSpendable($0) && (includesUnconfirmed || $0.height != nil)
    }
    var transaction = Transaction(inputs: [], outputs: outputs)
    // The marker and the flag of a witness are two units; the change may lengthen the count.
    let baseWeight = UInt64(transaction.bytes().count * 4 + 2 + (outputs.count == 252 ? 8 : 0))
    let selection = try CoinSelection.choose(
      candidates,
      CoinSelection.Request(
        paidSat: paidSat, baseWeight: baseWeight, feeRateSatPerVb: feeRateSatPerVb))
    if let changeSat = selection.changeSat {
      let path = KeyPath(.change, takeFresh(.change))
      _ = try extend()
      let place = Int(random[0]) % (outputs.count + 1)
      transaction.outputs.insert(
        TransactionOutput(amountSat: changeSat, scriptPubKey: script(path)), at: place)
    }
    transaction.inputs = selection.coins.map { TransactionInput(previous: $0.outPoint) }
    try sign(&transaction, selection.coins, random: random)
    note(transaction, txid: transaction.txid, height: nil, isOwn: true)
    return transaction
  }

  /// Everything that can be spent, less the fee, to one script.
  public mutating func buildSweep(
    to script: [UInt8], feeRateSatPerVb: UInt64, random: Bytes32
  ) throws(WalletError) -> Transaction {
    let candidates = unspentCoins.filter { isSpendable($0) }
    var sum: UInt64 = 0
    for coin in candidates { sum += coin.amountSat }
    if candidates.count > CoinSelection.maxInputs {
      throw .tooManyInputs(limit: CoinSelection.maxInputs)
    }
    var transaction = Transaction(
      inputs: [], outputs: [TransactionOutput(amountSat: sum, scriptPubKey: script)])
    let request = CoinSelection.Request(
      paidSat: 0, baseWeight: UInt64(transaction.bytes().count * 4 + 2),
      feeRateSatPerVb: feeRateSatPerVb)
    try Wallet.checkFeeRate(feeRateSatPerVb)
    let feeSat = request.feeSat(inputs: candidates.count, hasChange: false)
    if sum < feeSat + Amount.dustSat {
      throw .insufficientFunds(neededSat: feeSat + Amount.dustSat, spendableSat: sum)
    }
    transaction.outputs[0].amountSat = sum - feeSat
    _ = try Wallet.check(transaction.outputs, feeRateSatPerVb: feeRateSatPerVb)
    transaction.inputs = candidates.map { TransactionInput(previous: $0.outPoint) }
    try sign(&transaction, candidates, random: random)
    note(transaction, txid: transaction.txid, height: nil, isOwn: true)
    return transaction
  }

  private func sign(
    _ transaction: inout Transaction, _ spent: [WalletCoin], random: Bytes32
  ) throws(WalletError) {
    let spentOutputs = spent.map {
      TransactionOutput(amountSat: $0.amountSat, scriptPubKey: script($0.path))
    }
    for (index, coin) in spent.enumerated() {
      let digest = Sighash.taprootKeyPath(
        transaction, inputIndex: index, spentOutputs: spentOutputs)
      let auxiliary = Sha256.tagged("zennet/aux", random.array + digest.array)
      let signature = try keys.sign(digest, path: coin.path, auxiliary: auxiliary)
      transaction.inputs[index].witness = [signature]
    }
  }

  // MARK: Checks

  private static func checkFeeRate(_ satPerVb: UInt64) throws(WalletError) {
    if satPerVb < 1 || satPerVb > maxFeeRateSatPerVb { throw .feeRate(satPerVb: satPerVb) }
  }

  /// The sum of the outputs.
  private static func check(
    _ outputs: [TransactionOutput], feeRateSatPerVb: UInt64
  ) throws(WalletError) -> UInt64 {
    try checkFeeRate(feeRateSatPerVb)
    if outputs.isEmpty { throw .noOutputs }
    var paidSat: UInt64 = 0
    for (index, output) in outputs.enumerated() {
      let leastSat = leastSat(output.scriptPubKey)
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

  /// What peers relay at least: three times the cost of the output and its spending at 1 sat/vB
  /// (Bitcoin Core's `GetDustThreshold` at its default rate).
  private static func leastSat(_ script: [UInt8]) -> UInt64 {
    if Script.isOpReturn(script) { return 0 }
    let size = 8 + (script.count < 253 ? 1 : 3) + script.count
    return UInt64(size + (Script.isWitnessProgram(script) ? 67 : 148)) * 3
  }
}
