import Bitcoin
import Bytes
import Devnet
import TestSupport
import Testing

@testable import Wallet

/// Payments, each judged by libbitcoinkernel.
struct WalletSpendingTests: WalletFixtures {
  private func spentOutputs(_ wallet: Wallet, _ transaction: Transaction) throws -> [SpentOutput] {
    try transaction.inputs.map { input in
      let coin = try #require(wallet.book.coins[input.previous])
      return SpentOutput(
        amountSat: coin.amountSat, scriptPubKey: try #require(wallet.script(coin.path)))
    }
  }

  /// Every transaction that the wallet makes, for many coins, rates and outputs, is judged by
  /// libbitcoinkernel; so is every tampered one.
  @Test func libbitcoinkernelAcceptsWhatIsSigned() throws {
    var random = SeededGenerator(seed: 341)
    var wallet = try makeWallet()
    var chain = FakeChain()
    for index in 0..<30 {
      let script = index % 3 == 0 ? try wallet.freshReceiveScript() : wallet.receiveScript
      let amount = UInt64(random.int(1000...200_000))
      try connect(&wallet, &chain, [chain.payment(amount, to: script)])
    }
    var built = 0
    for round in 0..<25 {
      let before = wallet.balance.spendableSat
      let outputs = (0..<random.int(1...4)).map {
        output(UInt64(random.int(330...60_000)), UInt8($0))
      }
      let rate = UInt64(random.int(1...300) * 100)
      var trial = wallet
      guard
        let transaction = try? trial.buildTransaction(
          outputs: outputs, feeRateSatPerKvB: rate, random: random.bytes32())
      else { continue }
      built += 1
      let spent = try spentOutputs(trial, transaction)
      #expect(KernelScript.verifyAll(tx: transaction.bytes(), spentOutputs: spent))
      var tampered = transaction
      tampered.outputs[0].amountSat += 1
      #expect(!KernelScript.verifyAll(tx: tampered.bytes(), spentOutputs: spent))
      tampered = transaction
      tampered.inputs[0].witness[0][round % 64] ^= 1
      #expect(!KernelScript.verifyAll(tx: tampered.bytes(), spentOutputs: spent))

      let feeSat = try #require(trial.transaction(transaction.txid)?.feeSat)
      let paidSat = outputs.reduce(0) { $0 + $1.amountSat }
      let least = FeeRate.feeSat(
        virtualBytes: UInt64(transaction.virtualSize), rateSatPerKvB: rate)
      #expect(feeSat >= least)
      #expect(trial.balance.spendableSat == before - paidSat - feeSat)
      for wanted in outputs { #expect(transaction.outputs.contains(wanted)) }
      #expect(transaction.inputs.allSatisfy { $0.scriptSig.isEmpty && $0.witness.count == 1 })
      // A change output makes the fee exact, to the sat.
      if transaction.outputs.count > outputs.count {
        #expect(feeSat == least)
      }
      wallet = trial
    }
    #expect(built >= 15)
  }

  @Test func theSameCoinIsNotSpentTwice() throws {
    var wallet = try makeWallet()
    var chain = FakeChain()
    try connect(&wallet, &chain, [chain.payment(100_000, to: wallet.receiveScript)])
    let first = try wallet.buildTransaction(
      outputs: [output(10_000)], feeRateSatPerKvB: 1000, random: .zero)
    // The second one spends the first one's change.
    let second = try wallet.buildTransaction(
      outputs: [output(10_000, 2)], feeRateSatPerKvB: 1000, random: .zero)
    #expect(second.spends(first.txid))
    #expect(wallet.pendingTransactions == [first, second])
    #expect(throws: WalletError.self) {
      try wallet.buildTransaction(
        outputs: [output(10_000, 3)], feeRateSatPerKvB: 1000, random: .zero,
        includesUnconfirmed: false)
    }
    // Giving up the first gives up the second, and all is as before.
    try wallet.abandon(first.txid)
    #expect(wallet.pendingTransactions.isEmpty)
    #expect(wallet.balance == WalletBalance(spendableSat: 100_000))
    #expect(throws: WalletError.notPending) { try wallet.abandon(first.txid) }
  }

  @Test func absurdPaymentsAreRefused() throws {
    var wallet = try makeWallet()
    var chain = FakeChain()
    try connect(&wallet, &chain, [chain.payment(100_000, to: wallet.receiveScript)])
    func error(_ outputs: [TransactionOutput], rate: UInt64 = 1000) -> WalletError? {
      do throws(WalletError) {
        _ = try wallet.buildTransaction(outputs: outputs, feeRateSatPerKvB: rate, random: .zero)
        return nil
      } catch {
        return error
      }
    }
    #expect(error([]) == .noOutputs)
    #expect(error([output(329)]) == .dustOutput(index: 0, amountSat: 329, leastSat: 330))
    #expect(error([output(UInt64.max)]) == .amountTooLarge)
    #expect(error([output(Amount.maxSat), output(Amount.maxSat)]) == .amountTooLarge)
    #expect(error([output(1000)], rate: 99) == .feeRate(satPerKvB: 99))
    #expect(error([output(1000)], rate: 10_000_001) == .feeRate(satPerKvB: 10_000_001))
    #expect(
      error([output(100_000)]) == .insufficientFunds(neededSat: 100_111, spendableSat: 100_000))
    // Data outputs carry nothing, and may.
    let data = TransactionOutput(amountSat: 0, scriptPubKey: Script.opReturn([1, 2, 3]))
    #expect(error([data]) == nil)
  }

  @Test func sweepsEverything() throws {
    var wallet = try makeWallet()
    var chain = FakeChain()
    for amount: UInt64 in [100_000, 5_000, 700] {
      try connect(&wallet, &chain, [chain.payment(amount, to: wallet.receiveScript)])
    }
    let swept = try wallet.buildSweep(to: foreignScript(9), feeRateSatPerKvB: 3000, random: .zero)
    #expect(swept.inputs.count == 3)
    #expect(swept.outputs[0].amountSat == 105_700 - 3 * UInt64(swept.virtualSize))
    let spent = try spentOutputs(wallet, swept)
    #expect(KernelScript.verifyAll(tx: swept.bytes(), spentOutputs: spent))
    #expect(wallet.balance == WalletBalance())
    #expect(throws: WalletError.self) {
      try wallet.buildSweep(to: foreignScript(9), feeRateSatPerKvB: 3000, random: .zero)
    }
  }
}
