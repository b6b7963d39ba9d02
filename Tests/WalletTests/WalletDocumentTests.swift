import Bitcoin
import Bytes
import TestSupport
import Testing

@testable import Wallet

/// The wallet's file.
struct WalletDocumentTests: WalletFixtures {
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
