import Bitcoin
import Bytes
import TestSupport
import Testing

@testable import Wallet

/// Watching, balances, reorganisations, conflicts.
struct WalletTests: WalletFixtures {
  // MARK: Watching

  @Test func watchesTheGap() throws {
    var wallet = try makeWallet()
    var chain = FakeChain()
    #expect(wallet.watchedScripts.count == 120)
    #expect(Set(wallet.watchedScripts).count == 120)
    // While the gap is kept, nothing new is to be watched.
    let twentieth = try wallet.keys.script(KeyPath(.receive, 19))
    #expect(try connect(&wallet, &chain, [chain.payment(1000, to: twentieth)]).isEmpty)
    #expect(wallet.receiveScript == (try wallet.keys.script(KeyPath(.receive, 20))))
    // The last watched address is paid: more are watched, and addresses move on.
    let last = try wallet.keys.script(KeyPath(.receive, 39))
    let added = try connect(&wallet, &chain, [chain.payment(1000, to: last)])
    #expect(added.count == 40)
    #expect(wallet.receiveScript == (try wallet.keys.script(KeyPath(.receive, 40))))
    let beyond = try wallet.keys.script(KeyPath(.receive, 79))
    #expect(added.last == NewScript(script: beyond, kind: .address))
    #expect(try wallet.transactionSeen(chain.payment(1000, to: beyond)).count == 40)
    #expect(wallet.receiveScript == (try wallet.keys.script(KeyPath(.receive, 80))))
  }

  @Test func freshAddressesStayWithinTheGap() throws {
    var wallet = try makeWallet()
    var seen: [[UInt8]] = []
    for _ in 0..<20 { seen.append(try wallet.freshReceiveScript()) }
    #expect(Set(seen).count == 20)
    #expect(seen[0] == wallet.receiveScript)
    // A restored wallet would not look further, so the first one comes again.
    #expect(try wallet.freshReceiveScript() == seen[0])
    for script in seen { #expect(wallet.watchedScripts.contains(script)) }
  }

  // MARK: Balances

  @Test func balancesFollowTheChain() throws {
    var wallet = try makeWallet()
    var chain = FakeChain()
    let payment = chain.payment(70_000, to: wallet.receiveScript)
    _ = try wallet.transactionSeen(payment)
    #expect(wallet.balance == WalletBalance(incomingSat: 70_000))
    try connect(&wallet, &chain, [payment])
    #expect(wallet.balance == WalletBalance(spendableSat: 70_000))
    #expect(wallet.history.count == 1)
    #expect(wallet.history[0].height == 0)
    // The same block again, as a rescan gives it.
    _ = try wallet.blockConnected(height: 0, block: chain.blocks[0])
    #expect(wallet.balance == WalletBalance(spendableSat: 70_000))
  }

  /// What a light client is told after a restart: the document keeps it, spent or not.
  @Test func outputsAreKnownByTheirScripts() throws {
    var wallet = try makeWallet()
    var chain = FakeChain()
    let scripts = [wallet.receiveScript, try wallet.freshReceiveScript()]
    var payments: [Transaction] = []
    for script in scripts {
      payments.append(chain.payment(9_000, to: script))
      try connect(&wallet, &chain, [payments[payments.count - 1]])
    }
    let copy = try Wallet(document: wallet.encode(), keys: wallet.keys, network: .regtest)
    for known in [wallet.knownOutputs, copy.knownOutputs] {
      #expect(known.map(\.outPoint.txid) == payments.map(\.txid))
      #expect(known.map(\.script) == scripts)
    }
  }

  @Test func minedCoinsMature() throws {
    var wallet = try makeWallet()
    var chain = FakeChain()
    try connect(&wallet, &chain, minerScript: wallet.receiveScript)
    let coins = 50 * Amount.satPerCoin
    for _ in 1..<99 {
      try connect(&wallet, &chain)
      #expect(wallet.balance == WalletBalance(immatureSat: coins))
    }
    // At height 99 the next block is the hundredth above the coinbase.
    try connect(&wallet, &chain)
    #expect(wallet.balance == WalletBalance(spendableSat: coins))
  }

  // MARK: Reorganisations and conflicts

  @Test func disconnectedBlocksAreUndone() throws {
    var wallet = try makeWallet()
    var chain = FakeChain()
    try connect(&wallet, &chain, [chain.payment(100_000, to: wallet.receiveScript)])
    let before = wallet.encode()
    let paid = try wallet.buildTransaction(
      outputs: [output(30_000)], feeRateSatPerKvB: 2000, random: .zero)
    let built = wallet.balance
    try connect(&wallet, &chain, [paid], minerScript: wallet.receiveScript)
    #expect(wallet.pendingTransactions.isEmpty)
    #expect(wallet.balance.immatureSat == 50 * Amount.satPerCoin)
    wallet.blockDisconnected(height: 1)
    // The payment waits again, the mined coins are gone.
    #expect(wallet.pendingTransactions == [paid])
    #expect(wallet.balance == built)
    #expect(wallet.scannedHeight == 0)
    try wallet.abandon(paid.txid)
    // Addresses stay used; everything else is as before the payment.
    #expect(wallet.balance == WalletBalance(spendableSat: 100_000))
    #expect(wallet.encode().count == before.count)
    // Even the first payment may leave the chain.
    wallet.blockDisconnected(height: 0)
    #expect(wallet.balance == WalletBalance(incomingSat: 100_000))
    #expect(wallet.scannedHeight == nil)
  }

  /// Blocks come from the light client without witnesses; what is relayed again must have them.
  @Test func whatIsRelayedAgainKeepsItsWitnesses() throws {
    var wallet = try makeWallet()
    var chain = FakeChain()
    try connect(&wallet, &chain, [chain.payment(100_000, to: wallet.receiveScript)])
    let paid = try wallet.buildTransaction(
      outputs: [output(30_000)], feeRateSatPerKvB: 2000, random: .zero)
    var stripped = paid
    stripped.inputs[0].witness = []
    try connect(&wallet, &chain, [stripped])
    wallet.blockDisconnected(height: 1)
    #expect(wallet.pendingTransactions == [paid])
  }

  @Test func aConfirmedRivalWins() throws {
    var wallet = try makeWallet()
    var chain = FakeChain()
    try connect(&wallet, &chain, [chain.payment(100_000, to: wallet.receiveScript)])
    var other = wallet
    let mine = try wallet.buildTransaction(
      outputs: [output(10_000)], feeRateSatPerKvB: 1000, random: .zero)
    _ = try wallet.buildTransaction(outputs: [output(5_000)], feeRateSatPerKvB: 1000, random: .zero)
    // The same words on another machine spent the coin first.
    let rival = try other.buildTransaction(
      outputs: [output(60_000, 3)], feeRateSatPerKvB: 9000, random: .zero)
    _ = try wallet.transactionSeen(rival)
    #expect(wallet.pendingTransactions.first == mine)
    try connect(&wallet, &chain, [rival])
    #expect(wallet.pendingTransactions.isEmpty)
    #expect(wallet.history.count == 2)
    try connect(&other, &chain)
    #expect(wallet.balance.totalSat == 100_000 - 60_000 - 9 * UInt64(rival.virtualSize))
  }

  @Test func inventedPaymentsAreBounded() throws {
    var wallet = try makeWallet()
    var chain = FakeChain()
    for _ in 0..<400 {
      _ = try wallet.transactionSeen(chain.payment(1000, to: wallet.receiveScript))
    }
    #expect(wallet.history.count == Wallet.maxIncoming)
    #expect(wallet.balance.spendableSat == 0)
    var absurd = chain.payment(Amount.maxSat, to: wallet.receiveScript)
    absurd.outputs += absurd.outputs
    _ = try wallet.blockConnected(height: 0, block: chain.block([absurd]))
    #expect(wallet.transaction(absurd.txid) == nil)
  }

  /// Anyone can invent a transaction that names the wallet's coins.
  @Test func inventedSpendsFreezeNothing() throws {
    var wallet = try makeWallet()
    var chain = FakeChain()
    try connect(&wallet, &chain, [chain.payment(100_000, to: wallet.receiveScript)])
    let before = wallet.encode()
    let coin = try #require(wallet.unspentCoins.first)
    var invented = chain.payment(90_000, to: wallet.receiveScript)
    invented.inputs[0].previous = coin.outPoint
    #expect(try wallet.transactionSeen(invented).isEmpty)
    #expect(wallet.encode() == before)
  }
}
