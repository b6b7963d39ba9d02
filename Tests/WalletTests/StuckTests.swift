import Bitcoin
import Bytes
import Devnet
import TestSupport
import Testing

@testable import Wallet

/// Transactions that wait because fees rose: children pay for them.
struct StuckTests: WalletFixtures {
  private func takeDue(_ wallet: inout Wallet, rate: UInt64) throws -> [WalletDeed] {
    try wallet.takeDue(heldCloses: [:], feeRateSatPerKvB: rate, random: { Bytes32.zero })
  }

  private func wait(_ funded: inout FundedWallet, blocks: Int) throws {
    for _ in 0..<blocks { try connect(&funded.wallet, &funded.chain) }
  }

  private func rate(_ wallet: Wallet, _ transactions: [Transaction]) throws -> Double {
    var feeSat: UInt64 = 0
    var bytes = 0
    for transaction in transactions {
      feeSat += try #require(wallet.transaction(transaction.txid)?.feeSat)
      bytes += transaction.virtualSize
    }
    return Double(feeSat) * 1000 / Double(bytes)
  }

  @Test func aFundingIsSpedUpByAChild() throws {
    var funded = try fundedWallet(feeRateSatPerKvB: 1000)
    // Not before blocks came without it, nor where the rate hardly rose.
    #expect(try takeDue(&funded.wallet, rate: 5000).isEmpty)
    try wait(&funded, blocks: 1)
    #expect(try takeDue(&funded.wallet, rate: 5000).isEmpty)
    try wait(&funded, blocks: 1)
    #expect(try takeDue(&funded.wallet, rate: 1200).isEmpty)
    let deeds = try takeDue(&funded.wallet, rate: 5000)
    #expect(deeds.count == 1)
    let child = try #require(deeds.first?.transaction)
    #expect(child.spends(funded.funding.txid))
    #expect(child.outputs.count == 1)
    let reached = try rate(funded.wallet, [funded.funding, child])
    #expect(reached >= 5000 && reached < 5100)
    // The funding is as it was, and all its channels with it.
    #expect(funded.wallet.pendingTransactions == [funded.funding, child])
    #expect(funded.wallet.lockedChannels.map(\.outPoint) == [try funded.outPoint()])
    let change = try #require(
      funded.wallet.book.coins[child.inputs[0].previous])
    let spent = SpentOutput(
      amountSat: change.amountSat,
      scriptPubKey: try #require(funded.wallet.script(change.path)))
    #expect(KernelScript.verifyAll(tx: child.bytes(), spentOutputs: [spent]))
    #expect(funded.wallet.kinds[child.txid] == .moved)
    // That was it, until fees rise again: then a grandchild.
    #expect(try takeDue(&funded.wallet, rate: 5000).isEmpty)
    try wait(&funded, blocks: 2)
    #expect(try takeDue(&funded.wallet, rate: 6000).isEmpty)
    let more = try takeDue(&funded.wallet, rate: 9000)
    #expect(more.count == 1 && more[0].transaction.spends(child.txid))
    #expect(try rate(funded.wallet, [funded.funding, child, more[0].transaction]) >= 9000)
  }

  /// A chain of own transactions has one child at its end, which pays for all.
  @Test func oneChildPaysForAllAncestors() throws {
    var funded = try fundedWallet(feeRateSatPerKvB: 1000)
    let paid = try funded.wallet.buildTransaction(
      outputs: [output(10_000)], feeRateSatPerKvB: 500, random: .zero)
    #expect(paid.spends(funded.funding.txid))
    try wait(&funded, blocks: 3)
    let deeds = try takeDue(&funded.wallet, rate: 4000)
    #expect(deeds.count == 1)
    let child = try #require(deeds.first?.transaction)
    #expect(child.spends(paid.txid))
    #expect(try rate(funded.wallet, [funded.funding, paid, child]) >= 4000)
    #expect(Set(funded.wallet.pendingTransactions.map(\.txid)).count == 3)
  }

  /// Where the change is too little, another coin helps.
  @Test func anotherCoinHelps() throws {
    var funded = try fundedWallet(coinsSat: 40_900, feeRateSatPerKvB: 1000)
    let changeSat = funded.wallet.balance.spendableSat
    #expect(changeSat > 330 && changeSat < 1000)
    try connect(
      &funded.wallet, &funded.chain,
      [funded.chain.payment(50_000, to: funded.wallet.receiveScript)])
    try wait(&funded, blocks: 2)
    let deeds = try takeDue(&funded.wallet, rate: 10_000)
    #expect(deeds.first?.transaction.inputs.count == 2)
    let child = try #require(deeds.first?.transaction)
    #expect(try rate(funded.wallet, [funded.funding, child]) >= 10_000)
  }

  /// A child is not worth more than a quarter of what it is for; without own output there is none.
  @Test func someThingsAreLeftToWait() throws {
    var funded = try fundedWallet(feeRateSatPerKvB: 1000)
    try wait(&funded, blocks: 3)
    #expect(try takeDue(&funded.wallet, rate: 9_000_000).isEmpty)
    var swept = try fundedWallet()
    try connect(&swept.wallet, &swept.chain, [swept.funding])
    _ = try swept.wallet.buildSweep(to: foreignScript(1), feeRateSatPerKvB: 100, random: .zero)
    try wait(&swept, blocks: 3)
    #expect(try takeDue(&swept.wallet, rate: 5000).isEmpty)
  }

  /// A payment without change is paid again with one more coin; what others rely on never is.
  @Test func paymentsWithoutChangeAreReplaced() throws {
    var funded = try fundedWallet(coinsSat: 100_000)
    try connect(&funded.wallet, &funded.chain, [funded.funding])
    let swept = try funded.wallet.buildSweep(
      to: foreignScript(1), feeRateSatPerKvB: 200, random: .zero)
    try connect(
      &funded.wallet, &funded.chain,
      [funded.chain.payment(30_000, to: funded.wallet.receiveScript)])
    try wait(&funded, blocks: 2)
    let deeds = try takeDue(&funded.wallet, rate: 5000)
    let replacement = try #require(deeds.first?.transaction)
    #expect(deeds.count == 1)
    guard case .replaced(swept.txid, let feeSat) = deeds[0].kind else {
      Issue.record("not a replacement")
      return
    }
    #expect(replacement.outputs.contains(swept.outputs[0]))
    #expect(Set(swept.inputs.map(\.previous)).isSubset(of: replacement.inputs.map(\.previous)))
    #expect(replacement.inputs.count == swept.inputs.count + 1)
    #expect(try rate(funded.wallet, [replacement]) >= 5000)
    #expect(funded.wallet.transaction(replacement.txid)?.feeSat == feeSat)
    #expect(funded.wallet.pendingTransactions == [replacement])
    let spent = try replacement.inputs.map { input in
      let coin = try #require(funded.wallet.book.coins[input.previous])
      return SpentOutput(
        amountSat: coin.amountSat, scriptPubKey: try #require(funded.wallet.script(coin.path)))
    }
    #expect(KernelScript.verifyAll(tx: replacement.bytes(), spentOutputs: spent))
    // The former one may be faster all the same.
    try connect(&funded.wallet, &funded.chain, [swept])
    #expect(funded.wallet.pendingTransactions.isEmpty)
    #expect(funded.wallet.balance.spendableSat == 30_000)
  }

  /// A funding without change waits: it keeps its id whatever that costs.
  @Test func fundingsAreNeverReplaced() throws {
    var funded = try fundedWallet(coinsSat: 40_250, feeRateSatPerKvB: 1000)
    #expect(funded.wallet.balance.spendableSat == 0)
    try connect(
      &funded.wallet, &funded.chain,
      [funded.chain.payment(50_000, to: funded.wallet.receiveScript)])
    try wait(&funded, blocks: 3)
    #expect(try takeDue(&funded.wallet, rate: 8000).isEmpty)
    #expect(funded.wallet.pendingTransactions == [funded.funding])
  }

  /// A refund is sped up as well; a close cannot be, for what it returns is locked.
  @Test func refundsHaveChildrenAndClosesHaveNot() throws {
    var funded = try fundedWallet(channels: 2)
    try connect(&funded.wallet, &funded.chain, [funded.funding])
    let held = [try funded.outPoint(1): try funded.close(1)]
    while funded.chain.blocks.count < 60 { try connect(&funded.wallet, &funded.chain) }
    let first = try funded.wallet.takeDue(
      heldCloses: held, feeRateSatPerKvB: 500, random: { Bytes32.zero })
    #expect(first.count == 2)
    try wait(&funded, blocks: 3)
    let more = try funded.wallet.takeDue(
      heldCloses: held, feeRateSatPerKvB: 8000, random: { Bytes32.zero })
    #expect(more.count == 1)
    let refund = try #require(
      first.first { if case .refund = $0.kind { true } else { false } }?.transaction)
    #expect(more[0].transaction.spends(refund.txid))
    #expect(try rate(funded.wallet, [refund, more[0].transaction]) >= 8000)
  }
}
