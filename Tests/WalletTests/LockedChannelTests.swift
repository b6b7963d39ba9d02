import Bitcoin
import Bytes
import Channel
import Devnet
import TestSupport
import Testing

@testable import Wallet

/// What becomes of the coins in channels: closes and what they return, refunds, reorganisations.
/// Every transaction is judged by libbitcoinkernel.
struct LockedChannelTests: WalletFixtures {
  private func isValid(_ transaction: Transaction, _ spent: [TransactionOutput]) -> Bool {
    KernelScript.verifyAll(
      tx: transaction.bytes(),
      spentOutputs: spent.map {
        SpentOutput(amountSat: $0.amountSat, scriptPubKey: $0.scriptPubKey)
      })
  }

  @Test func fundingLocksCoins() throws {
    var funded = try fundedWallet(channels: 3)
    let spentSat = funded.channels.reduce(0) { $0 + $1.terms.capacitySat }
    let feeSat = try #require(funded.wallet.transaction(funded.funding.txid)?.feeSat)
    let expected = WalletBalance(
      spendableSat: 1_000_000 - spentSat - feeSat, lockedSat: spentSat)
    #expect(funded.wallet.balance == expected)
    #expect(funded.wallet.lockedChannels.allSatisfy { $0.fundingHeight == nil })
    let coin = TransactionOutput(
      amountSat: 1_000_000, scriptPubKey: try funded.wallet.keys.script(KeyPath(.receive, 0)))
    #expect(isValid(funded.funding, [coin]))
    #expect(feeSat == UInt64(funded.funding.virtualSize))
    try connect(&funded.wallet, &funded.chain, [funded.funding])
    #expect(funded.wallet.balance == expected)
    #expect(funded.wallet.lockedChannels.allSatisfy { $0.fundingHeight == 1 })
    #expect(funded.wallet.kinds[funded.funding.txid] == .funding(channels: 3))
    // The light client is told of the channels too.
    let known = Set(funded.wallet.knownOutputs.map(\.outPoint))
    for number in 0..<3 { #expect(known.contains(try funded.outPoint(number))) }
  }

  @Test func aGivenUpFundingLocksNothing() throws {
    var funded = try fundedWallet(channels: 2)
    try funded.wallet.abandon(funded.funding.txid)
    #expect(funded.wallet.balance == WalletBalance(spendableSat: 1_000_000))
    #expect(funded.wallet.channels.isEmpty)
    // A rival of the same words in a block does the same.
    var other = try fundedWallet(channels: 2)
    let rival = try funded.wallet.buildTransaction(
      outputs: [output(900_000)], feeRateSatPerKvB: 1000, random: .zero)
    try connect(&other.wallet, &other.chain, [rival])
    #expect(other.wallet.channels.isEmpty && other.wallet.balance.lockedSat == 0)
  }

  // MARK: Closes

  @Test func closesReturnCoins() throws {
    var funded = try fundedWallet()
    try connect(&funded.wallet, &funded.chain, [funded.funding])
    let before = funded.wallet.balance
    let close = try funded.close(amountSat: 10_000)
    let returned = try #require(
      close.outputs.first { $0.scriptPubKey == funded.channels[0].terms.returnScript })
    // Unconfirmed it proves nothing, and could not be spent.
    _ = try funded.wallet.transactionSeen(close)
    #expect(funded.wallet.balance.incomingSat == returned.amountSat)
    #expect(funded.wallet.balance.lockedSat == 40_000)
    #expect(funded.wallet.balance.spendableSat == before.spendableSat)
    try connect(&funded.wallet, &funded.chain, [close])
    let after = WalletBalance(spendableSat: before.spendableSat + returned.amountSat)
    #expect(funded.wallet.balance == after)
    #expect(funded.wallet.lockedChannels.isEmpty)
    let spend = try #require(funded.wallet.channels.first?.spend)
    #expect(spend == LockedChannel.Spend(kind: .close, txid: close.txid, height: 2))
    #expect(funded.wallet.kinds[close.txid] == .close)
    // The chain is left: locked again, and the close may come again.
    funded.wallet.blockDisconnected(height: 2)
    #expect(funded.wallet.balance.lockedSat == 40_000)
    #expect(funded.wallet.balance.spendableSat == before.spendableSat)
    try connect(&funded.wallet, &funded.chain, [close])
    #expect(funded.wallet.balance == after)
  }

  /// Coins of both kinds in one transaction: the relative lock is in the sequence of its input, and
  /// the transaction has version 2.
  @Test func returnedCoinsAreSpentBesideOthers() throws {
    var random = SeededGenerator(seed: 61)
    var funded = try fundedWallet(channels: 6, coinsSat: 300_000)
    var closes: [Transaction] = []
    for number in 0..<6 {
      closes.append(
        try funded.close(number, amountSat: UInt64(random.int(330...30_000)), rung: number % 3))
    }
    try connect(&funded.wallet, &funded.chain, [funded.funding])
    for (number, close) in closes.enumerated() {
      let spent = [funded.channels[number].output]
      #expect(isValid(close, spent))
      try connect(&funded.wallet, &funded.chain, [close])
    }
    let copy = try Wallet(
      document: funded.wallet.encode(), keys: funded.wallet.keys, network: .regtest)
    #expect(copy.balance == funded.wallet.balance)
    for (wallet, isSweep) in [(funded.wallet, false), (funded.wallet, true), (copy, true)] {
      var wallet = wallet
      let sum = wallet.balance.spendableSat
      let transaction =
        isSweep
        ? try wallet.buildSweep(to: foreignScript(1), feeRateSatPerKvB: 1000, random: .zero)
        : try wallet.buildTransaction(
          outputs: [output(sum - 3_000)], feeRateSatPerKvB: 1000, random: .zero)
      let spent = try transaction.inputs.map { input in
        let coin = try #require(wallet.book.coins[input.previous])
        #expect(input.sequence == (coin.path.chain == .closeReturn ? 1 : 0xffff_fffd))
        return TransactionOutput(
          amountSat: coin.amountSat, scriptPubKey: try wallet.keys.script(coin.path))
      }
      #expect(transaction.version == 2 && transaction.inputs.count == 7)
      #expect(isValid(transaction, spent))
      // Signatures are a byte shorter at times, so that the fee may be above the rate, never below.
      let feeSat = try #require(wallet.transaction(transaction.txid)?.feeSat)
      #expect(feeSat >= UInt64(transaction.virtualSize))
      #expect(isSweep ? feeSat <= UInt64(transaction.virtualSize) + 6 : true)
      var early = transaction
      early.inputs[transaction.inputs.firstIndex { $0.sequence == 1 } ?? 0].sequence = 0
      #expect(!isValid(early, spent))
    }
  }

  // MARK: Refunds

  private func takeDue(
    _ wallet: inout Wallet, _ held: [OutPoint: Transaction] = [:]
  ) throws -> [WalletDeed] {
    try wallet.takeDue(heldCloses: held, feeRateSatPerKvB: 1000, random: { Bytes32.zero })
  }

  @Test func expiredChannelsAreTakenBack() throws {
    var funded = try fundedWallet(channels: 2)
    try connect(&funded.wallet, &funded.chain, [funded.funding])
    while funded.chain.blocks.count < 50 {
      #expect(try takeDue(&funded.wallet).isEmpty)
      try connect(&funded.wallet, &funded.chain)
    }
    // Scanned up to 49: the next block is of height 50, and a lock of 50 needs 51.
    #expect(funded.wallet.scannedHeight == 49)
    #expect(try takeDue(&funded.wallet).isEmpty)
    try connect(&funded.wallet, &funded.chain)
    let spendableSat = funded.wallet.balance.spendableSat
    let deeds = try takeDue(&funded.wallet)
    #expect(deeds.count == 2)
    for deed in deeds {
      guard case .refund(let outPoint, let capacitySat) = deed.kind else {
        Issue.record("not a refund")
        continue
      }
      let channel = try #require(funded.wallet.channel(outPoint))
      #expect(capacitySat == channel.capacitySat && channel.spend?.kind == .refund)
      #expect(deed.transaction.lockTime == 50)
      let spent = TransactionOutput(
        amountSat: capacitySat, scriptPubKey: channel.scriptPubKey)
      #expect(isValid(deed.transaction, [spent]))
      #expect(funded.wallet.kinds[deed.transaction.txid] == .refund)
      #expect(funded.wallet.transaction(deed.transaction.txid)?.feeSat != nil)
    }
    // Once, and the coins can be spent on.
    #expect(try takeDue(&funded.wallet).isEmpty)
    let backSat = deeds.reduce(0) { $0 + ($1.transaction.totalOutputSat ?? 0) }
    #expect(funded.wallet.balance == WalletBalance(spendableSat: spendableSat + backSat))
    #expect(funded.wallet.pendingTransactions.count == 2)
    // A close that was faster wins, and what it returns counts in place of the refund.
    let close = try funded.close(0)
    try connect(&funded.wallet, &funded.chain, [close, deeds[1].transaction])
    #expect(funded.wallet.pendingTransactions.isEmpty)
    #expect(funded.wallet.balance.lockedSat == 0 && funded.wallet.balance.incomingSat == 0)
    #expect(Set(funded.wallet.channels.compactMap(\.spend?.kind)) == [.close, .refund])
    funded.wallet.blockDisconnected(height: 51)
    // The own refund waits for a block again, the other's close is unproven.
    #expect(funded.wallet.lockedChannels.count == 1)
    #expect(funded.wallet.pendingTransactions == [deeds[1].transaction])
  }

  /// With the provider's signature in hand the close is sent, before and after the expiry.
  @Test func heldClosesAreSentNotRefunds() throws {
    var funded = try fundedWallet(channels: 2)
    try connect(&funded.wallet, &funded.chain, [funded.funding])
    let close = try funded.close(0, rung: 0)
    let higher = try funded.close(0, rung: 2)
    let (first, second) = (try funded.outPoint(0), try funded.outPoint(1))
    #expect(try takeDue(&funded.wallet, [first: close]).map(\.transaction) == [close])
    #expect(try takeDue(&funded.wallet, [first: close]).isEmpty)
    // A higher rung replaces it, a lower one does not.
    #expect(try takeDue(&funded.wallet, [first: higher]).map(\.transaction) == [higher])
    #expect(try takeDue(&funded.wallet, [first: close]).isEmpty)
    #expect(funded.wallet.pendingTransactions == [higher])
    // What is no close of this channel is not sent.
    #expect(try takeDue(&funded.wallet, [second: close]).isEmpty)
    while funded.chain.blocks.count < 60 { try connect(&funded.wallet, &funded.chain) }
    let late = try takeDue(&funded.wallet, [first: higher])
    #expect(late.count == 1)
    #expect(late.first?.transaction.inputs[0].previous == second)
  }

  /// A channel that holds less than its refund costs now is taken at the least rate.
  @Test func poorChannelsAreTakenAtTheLeastRate() throws {
    var funded = try fundedWallet()
    try connect(&funded.wallet, &funded.chain, [funded.funding])
    while funded.chain.blocks.count < 60 { try connect(&funded.wallet, &funded.chain) }
    let deeds = try funded.wallet.takeDue(
      heldCloses: [:], feeRateSatPerKvB: 400_000, random: { Bytes32.zero })
    #expect(deeds.count == 1)
    let feeSat = try #require(funded.wallet.transaction(deeds[0].transaction.txid)?.feeSat)
    #expect(feeSat >= UInt64(deeds[0].transaction.virtualSize) / 10 && feeSat < 20)
  }
}
