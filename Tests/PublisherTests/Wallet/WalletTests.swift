import Bitcoin
import Bytes
import Crypto
import Devnet
import TestSupport
import Testing

@testable import Publisher

/// A chain of blocks without work: the wallet leaves that to the light client.
private struct FakeChain {
  var blocks: [Block] = []
  var random = SeededGenerator(seed: 0xfa)

  mutating func block(_ transactions: [Transaction] = [], minerScript: [UInt8] = [0x51]) -> Block {
    let coinbase = Transaction(
      inputs: [TransactionInput(previous: .coinbase, scriptSig: random.bytes(8))],
      outputs: [TransactionOutput(amountSat: 50 * Amount.satPerCoin, scriptPubKey: minerScript)])
    let all = [coinbase] + transactions
    let made = Block(
      header: BlockHeader(
        version: 4, previous: blocks.last?.hash ?? .zero,
        merkleRoot: MerkleTree.root(all.map(\.txid)).root, time: UInt32(blocks.count),
        bits: 0x207f_ffff, nonce: 0), transactions: all)
    blocks.append(made)
    return made
  }

  /// Someone else's payment.
  mutating func payment(_ amountSat: UInt64, to script: [UInt8]) -> Transaction {
    Transaction(
      inputs: [
        TransactionInput(
          previous: OutPoint(txid: random.bytes32(), index: 0), witness: [random.bytes(64)])
      ], outputs: [TransactionOutput(amountSat: amountSat, scriptPubKey: script)])
  }
}

struct WalletTests {
  private func makeWallet(_ network: Network = .regtest) throws -> Wallet {
    let phrase = try Phrase(entropy: [UInt8](repeating: 7, count: 16))
    return try Wallet(
      keys: WalletKeys(phrase: phrase, network: network), network: network, birthHeight: 0)
  }

  /// Gives the wallet a block at the next height.
  @discardableResult
  private func connect(
    _ wallet: inout Wallet, _ chain: inout FakeChain, _ transactions: [Transaction] = [],
    minerScript: [UInt8] = [0x51]
  ) throws -> [[UInt8]] {
    let height = UInt32(chain.blocks.count)
    let block = chain.block(transactions, minerScript: minerScript)
    let added = try wallet.blockConnected(height: height, block: block)
    wallet.blockScanned(height: height, hash: block.hash)
    return added
  }

  private func foreignScript(_ tag: UInt8) -> [UInt8] {
    Script.p2wsh(witnessScript: [tag])
  }

  private func output(_ amountSat: UInt64, _ tag: UInt8 = 1) -> TransactionOutput {
    TransactionOutput(amountSat: amountSat, scriptPubKey: foreignScript(tag))
  }

  // MARK: Watching

  @Test func watchesTheGap() throws {
    var wallet = try makeWallet()
    var chain = FakeChain()
    #expect(wallet.watchedScripts.count == 80)
    #expect(Set(wallet.watchedScripts).count == 80)
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
    #expect(added.last == beyond)
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

  // MARK: Spending

  private func spentOutputs(_ wallet: Wallet, _ transaction: Transaction) throws -> [SpentOutput] {
    try transaction.inputs.map { input in
      let coin = try #require(wallet.coins[input.previous])
      return SpentOutput(amountSat: coin.amountSat, scriptPubKey: wallet.script(coin.path))
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
      let rate = UInt64(random.int(1...30))
      var trial = wallet
      guard
        let transaction = try? trial.buildTransaction(
          outputs: outputs, feeRateSatPerVb: rate, random: random.bytes32())
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

      let feeSat = try #require(trial.entries[transaction.txid]?.feeSat)
      let paidSat = outputs.reduce(0) { $0 + $1.amountSat }
      #expect(feeSat >= rate * UInt64(transaction.virtualSize))
      #expect(trial.balance.spendableSat == before - paidSat - feeSat)
      for wanted in outputs { #expect(transaction.outputs.contains(wanted)) }
      #expect(transaction.inputs.allSatisfy { $0.scriptSig.isEmpty && $0.witness.count == 1 })
      // A change output makes the fee exact, to the sat.
      if transaction.outputs.count > outputs.count {
        #expect(feeSat == rate * UInt64(transaction.virtualSize))
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
      outputs: [output(10_000)], feeRateSatPerVb: 1, random: .zero)
    // The second one spends the first one's change.
    let second = try wallet.buildTransaction(
      outputs: [output(10_000, 2)], feeRateSatPerVb: 1, random: .zero)
    #expect(second.spends(first.txid))
    #expect(wallet.pendingTransactions == [first, second])
    #expect(throws: WalletError.self) {
      try wallet.buildTransaction(
        outputs: [output(10_000, 3)], feeRateSatPerVb: 1, random: .zero, includesUnconfirmed: false)
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
    func error(_ outputs: [TransactionOutput], rate: UInt64 = 1) -> WalletError? {
      do throws(WalletError) {
        _ = try wallet.buildTransaction(outputs: outputs, feeRateSatPerVb: rate, random: .zero)
        return nil
      } catch {
        return error
      }
    }
    #expect(error([]) == .noOutputs)
    #expect(error([output(329)]) == .dustOutput(index: 0, amountSat: 329, leastSat: 330))
    #expect(error([output(UInt64.max)]) == .amountTooLarge)
    #expect(error([output(Amount.maxSat), output(Amount.maxSat)]) == .amountTooLarge)
    #expect(error([output(1000)], rate: 0) == .feeRate(satPerVb: 0))
    #expect(error([output(1000)], rate: 10_001) == .feeRate(satPerVb: 10_001))
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
    let swept = try wallet.buildSweep(to: foreignScript(9), feeRateSatPerVb: 3, random: .zero)
    #expect(swept.inputs.count == 3)
    #expect(swept.outputs[0].amountSat == 105_700 - 3 * UInt64(swept.virtualSize))
    let spent = try spentOutputs(wallet, swept)
    #expect(KernelScript.verifyAll(tx: swept.bytes(), spentOutputs: spent))
    #expect(wallet.balance == WalletBalance())
    #expect(throws: WalletError.self) {
      try wallet.buildSweep(to: foreignScript(9), feeRateSatPerVb: 3, random: .zero)
    }
  }

  // MARK: Reorganisations and conflicts

  @Test func disconnectedBlocksAreUndone() throws {
    var wallet = try makeWallet()
    var chain = FakeChain()
    try connect(&wallet, &chain, [chain.payment(100_000, to: wallet.receiveScript)])
    let before = wallet.encode()
    let paid = try wallet.buildTransaction(
      outputs: [output(30_000)], feeRateSatPerVb: 2, random: .zero)
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
      outputs: [output(30_000)], feeRateSatPerVb: 2, random: .zero)
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
      outputs: [output(10_000)], feeRateSatPerVb: 1, random: .zero)
    _ = try wallet.buildTransaction(outputs: [output(5_000)], feeRateSatPerVb: 1, random: .zero)
    // The same words on another machine spent the coin first.
    let rival = try other.buildTransaction(
      outputs: [output(60_000, 3)], feeRateSatPerVb: 9, random: .zero)
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
    #expect(wallet.entries[absurd.txid] == nil)
  }

  // MARK: The file

  @Test func reconcilesWithAChainThatMovedOn() throws {
    var wallet = try makeWallet()
    var chain = FakeChain()
    for _ in 0..<10 {
      try connect(&wallet, &chain, [chain.payment(1000, to: wallet.receiveScript)])
    }
    var same = wallet
    #expect(same.reconcile(baseHeight: 0) { chain.blocks[Int($0)].hash } == 10)
    #expect(same.balance == wallet.balance)
    // Another branch from height 6 on.
    var moved = wallet
    #expect(
      moved.reconcile(baseHeight: 0) { $0 < 6 ? chain.blocks[Int($0)].hash : Bytes32.zero } == 6)
    #expect(moved.balance == WalletBalance(spendableSat: 6000, incomingSat: 4000))
    var lost = wallet
    #expect(lost.reconcile(baseHeight: 0) { _ in nil } == 0)
    #expect(lost.balance == WalletBalance(incomingSat: 10_000))
    var old = wallet
    #expect(old.reconcile(baseHeight: 100) { _ in nil } == 10)
    #expect(old.balance == wallet.balance)
  }

  private func filledWallet() throws -> Wallet {
    var wallet = try makeWallet()
    var chain = FakeChain()
    try connect(&wallet, &chain, minerScript: wallet.receiveScript)
    for amount: UInt64 in [100_000, 50_000, 3000] {
      try connect(&wallet, &chain, [chain.payment(amount, to: wallet.receiveScript)])
    }
    let paid = try wallet.buildTransaction(
      outputs: [output(30_000)], feeRateSatPerVb: 2, random: .zero)
    try connect(&wallet, &chain, [paid])
    _ = try wallet.buildTransaction(outputs: [output(4000)], feeRateSatPerVb: 2, random: .zero)
    _ = try wallet.transactionSeen(chain.payment(77, to: wallet.receiveScript))
    _ = try wallet.freshReceiveScript()
    return wallet
  }

  @Test func fileRoundTrips() throws {
    let wallet = try filledWallet()
    let read = try Wallet(document: wallet.encode(), keys: wallet.keys, network: .regtest)
    #expect(read.encode() == wallet.encode())
    #expect(read.balance == wallet.balance)
    #expect(read.history == wallet.history)
    // Perhaps some more, as they are derived in batches.
    #expect(Set(read.watchedScripts).isSuperset(of: wallet.watchedScripts))
    #expect(read.pendingTransactions == wallet.pendingTransactions)
    #expect(read.receiveScript == wallet.receiveScript)
  }

  @Test func foreignFilesAreRefused() throws {
    let wallet = try filledWallet()
    let document = wallet.encode()
    let others = try WalletKeys(
      phrase: try Phrase(entropy: [UInt8](repeating: 8, count: 16)), network: .regtest)
    #expect(throws: WalletError.otherWallet) {
      try Wallet(document: document, keys: others, network: .regtest)
    }
    #expect(throws: WalletError.otherWallet) {
      try Wallet(document: document, keys: wallet.keys, network: .signet)
    }
    for length in 0..<document.count {
      #expect(throws: WalletError.self) {
        try Wallet(document: Array(document[0..<length]), keys: wallet.keys, network: .regtest)
      }
    }
    #expect(throws: WalletError.self) {
      try Wallet(document: document + [0], keys: wallet.keys, network: .regtest)
    }
  }

  @Test func damagedFilesNeverTrap() throws {
    let wallet = try filledWallet()
    let document = wallet.encode()
    var random = SeededGenerator(seed: 0x77)
    for _ in 0..<300 {
      var damaged = document
      // Behind the head, which decides whose file it is.
      damaged[random.int(37...damaged.count - 1)] = random.bytes(1)[0]
      guard var read = try? Wallet(document: damaged, keys: wallet.keys, network: .regtest) else {
        continue
      }
      _ = read.balance
      _ = read.history
      _ = read.pendingTransactions
      _ = try? read.buildSweep(to: foreignScript(1), feeRateSatPerVb: 1, random: .zero)
      read.blockDisconnected(height: 2)
      _ = try read.blockConnected(
        height: 2,
        block: FakeChain().blocks.first
          ?? Block(
            header: Network.regtest.genesis, transactions: []))
      #expect(!read.encode().isEmpty)
    }
  }
}
