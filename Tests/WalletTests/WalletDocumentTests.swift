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

  /// Coins of every kind, transactions in every state, channels that are open, closing and closed.
  private func filledWallet() throws -> Wallet {
    var funded = try fundedWallet(channels: 4)
    try connect(
      &funded.wallet, &funded.chain, [funded.funding], minerScript: funded.wallet.receiveScript)
    for amount: UInt64 in [100_000, 50_000, 3000] {
      try connect(
        &funded.wallet, &funded.chain,
        [funded.chain.payment(amount, to: funded.wallet.receiveScript)])
    }
    try connect(&funded.wallet, &funded.chain, [try funded.close(0)])
    while funded.chain.blocks.count < 52 { try connect(&funded.wallet, &funded.chain) }
    let deeds = try funded.wallet.takeDue(
      heldCloses: [try funded.outPoint(1): try funded.close(1)], feeRateSatPerKvB: 1000,
      random: { Bytes32.zero })
    let refund = try #require(deeds.map(\.transaction).first { $0.lockTime != 0 })
    try connect(&funded.wallet, &funded.chain, [refund])
    var wallet = funded.wallet
    let paid = try wallet.buildTransaction(
      outputs: [output(30_000)], feeRateSatPerKvB: 2000, random: .zero)
    try connect(&wallet, &funded.chain, [paid])
    _ = try wallet.buildTransaction(outputs: [output(4000)], feeRateSatPerKvB: 2000, random: .zero)
    _ = try wallet.transactionSeen(funded.chain.payment(77, to: wallet.receiveScript))
    _ = try wallet.freshReceiveScript()
    _ = try wallet.takeChannelIndex()
    let spends = wallet.channels.map(\.spend)
    #expect(spends.contains { $0?.kind == .close && $0?.height != nil })
    #expect(spends.contains { $0?.kind == .close && $0?.height == nil })
    #expect(spends.contains { $0?.kind == .refund })
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
    #expect(read.channels == wallet.channels)
    #expect(read.kinds == wallet.kinds)
    var (next, again) = (wallet, read)
    #expect(try next.takeChannelIndex() == again.takeChannelIndex())
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

  /// A file of another version says so, and what to do.
  @Test func otherVersionsAreNamed() throws {
    let wallet = try makeWallet()
    var document = wallet.encode()
    #expect(document[0] == WalletDocument.version)
    document[0] = 1
    let error = WalletError.documentVersion(1)
    #expect(throws: error) {
      try Wallet(document: document, keys: wallet.keys, network: .regtest)
    }
    #expect(error.message.contains("from the phrase"))
    #expect(throws: WalletError.self) {
      try Wallet(document: [], keys: wallet.keys, network: .regtest)
    }
  }

  /// What decodes is written as it was read, and is used like any other wallet. Scripts take time to
  /// derive, so not every one is used.
  private func check(_ document: [UInt8], _ keys: WalletKeys, uses: Bool) throws -> Bool {
    guard let record = try? WalletDocument.decode(document, keys: keys, network: .regtest) else {
      return false
    }
    #expect(WalletDocument.encode(record, keys: keys, network: .regtest) == document)
    if !uses { return true }
    var read = try Wallet(record, keys: keys, network: .regtest)
    #expect(read.encode() == document)
    _ = (read.balance, read.history, read.kinds, read.pendingTransactions, read.knownOutputs)
    _ = read.watchedScripts
    _ = try? read.buildSweep(to: foreignScript(1), feeRateSatPerKvB: 1000, random: .zero)
    _ = try? read.takeDue(
      heldCloses: [:], feeRateSatPerKvB: 7000, random: { Bytes32.zero })
    read.blockDisconnected(height: 2)
    let block = Block(header: Network.regtest.genesis, transactions: [])
    _ = try? read.blockConnected(height: 2, block: block)
    read.blockScanned(height: 2, hash: block.hash)
    #expect(!read.encode().isEmpty)
    return true
  }

  @Test func damagedFilesNeverTrap() throws {
    let wallet = try filledWallet()
    let document = wallet.encode()
    var random = SeededGenerator(seed: 0x77)
    var readable = 0
    for _ in 0..<3000 {
      var damaged = document
      // Behind the head, which decides whose file it is.
      for _ in 0..<random.int(1...3) {
        let place = random.int(37...damaged.count - 1)
        switch random.int(0...3) {
        case 0: damaged[place] = random.bytes(1)[0]
        case 1: damaged[place] ^= 1 << UInt8(random.int(0...7))
        case 2: damaged.remove(at: place)
        default: damaged.insert(random.bytes(1)[0], at: place)
        }
      }
      if try check(damaged, wallet.keys, uses: readable % 10 == 0) { readable += 1 }
    }
    // Amounts, heights and the like may be anything within their bounds.
    #expect(readable > 200)
  }

  /// Numbers at their bounds, in each place of four bytes.
  @Test func extremeNumbersNeverTrap() throws {
    let wallet = try filledWallet()
    let document = wallet.encode()
    var random = SeededGenerator(seed: 0x78)
    let values: [[UInt8]] = [
      [0xff, 0xff, 0xff, 0xff], [0xfe, 0xff, 0xff, 0xff], [0, 0, 0, 0], [0xff, 0xff, 0xff, 0x7f],
      [0, 0, 0, 0x80],
    ]
    var readable = 0
    for _ in 0..<1000 {
      var damaged = document
      let place = random.int(37...damaged.count - 4)
      damaged.replaceSubrange(place..<(place + 4), with: values[random.int(0...4)])
      if try check(damaged, wallet.keys, uses: readable % 4 == 0) { readable += 1 }
    }
    #expect(readable > 50)
  }
}
