import Bitcoin
import Bytes
import Channel
import LightClient
import TestSupport
import Testing

@testable import Wallet

/// The owner without a chain or a disk: what it asks for, and in which order.
struct WalletOwnerTests: WalletFixtures {
  private struct Chain: WalletChain {
    var hashes: [Bytes32] = []
    var feeRateSatPerKvB: UInt64 = 1000
    var baseHeight: UInt32 { 0 }
    var tipHeight: UInt32 { UInt32(max(1, hashes.count) - 1) }
    var scannedHeight: UInt32 { tipHeight }
    func blockHash(at height: UInt32) -> Bytes32? {
      Int(height) < hashes.count ? hashes[Int(height)] : nil
    }
    func time(at height: UInt32) -> UInt32? { height * 600 }
  }

  private final class Bench {
    let owner: WalletOwner
    var chain = Chain()
    var fake = FakeChain()

    init(_ wallet: Wallet) {
      var number: UInt8 = 0
      owner = WalletOwner(wallet: wallet, bornUnixSeconds: 0) {
        number += 1
        return Bytes32([UInt8](repeating: number, count: 32))
      }
      owner.started(chain)
    }

    func effects() -> [WalletEffect] {
      var all: [WalletEffect] = []
      while let effect = owner.nextEffect() { all.append(effect) }
      return all
    }

    func mine(_ transactions: [Transaction] = []) throws {
      let block = fake.block(transactions)
      chain.hashes.append(block.hash)
      let height = chain.tipHeight
      try owner.chainTold(.blockMatched(height: height, block: block), chain)
      try owner.chainTold(.blockScanned(height: height), chain)
      try owner.chainTold(.synced(height: height), chain)
    }
  }

  private func bench(coins: [UInt64]) throws -> Bench {
    let bench = Bench(try makeWallet())
    for coin in coins {
      try bench.mine([bench.fake.payment(coin, to: bench.owner.wallet.receiveScript)])
    }
    return bench
  }

  private func stored(_ effects: [WalletEffect]) -> [UInt8]? {
    for case .store(let state) in effects.reversed() { return state }
    return nil
  }

  /// What relays stands behind what stores; nothing that is built is relayed by itself.
  @Test func storesBeforeItRelays() throws {
    let bench = try bench(coins: [200_000])
    _ = bench.effects()
    let keys = try bench.owner.takeChannelKeys(bench.chain)
    let handedOut = try #require(stored(bench.effects()))
    let copy = try Wallet(
      document: handedOut, keys: bench.owner.wallet.keys, network: .regtest)
    var next = copy
    #expect(keys.index == 0)
    #expect(try next.takeChannelIndex() == 1)
    #expect(try copy.keys.derivedKey(.channel, index: 0) == keys.publisherKey)
    var maker = ChannelMaker()
    let channel = try maker.channel(copy, index: keys.index)
    #expect(channel.terms.returnKey == keys.returnKey)
    let funding = try bench.owner.buildFunding([channel], feeRateSatPerKvB: 1000, bench.chain)
    let effects = bench.effects()
    #expect(!effects.contains { if case .broadcast = $0 { true } else { false } })
    let restarted = try Wallet(
      document: try #require(stored(effects)), keys: copy.keys, network: .regtest)
    #expect(restarted.pendingTransactions == [funding])
    #expect(restarted.lockedChannels == bench.owner.wallet.lockedChannels)
    let script = channel.terms.lock.scriptPubKey
    #expect(effects.contains(.watch(script: script, fromHeight: bench.chain.tipHeight + 1)))
    // A restart relays what is in no block, and watches the channel from where it was left.
    let again = Bench(restarted)
    again.chain = bench.chain
    let start = again.effects()
    #expect(start.contains(.broadcast(funding)))
    #expect(start.contains { if case .watch(script, _) = $0 { true } else { false } })
    #expect(
      start.contains { effect in
        if case .recall(let outPoint, script) = effect { return outPoint.txid == funding.txid }
        return false
      })
    // A refund is stored, then relayed.
    try bench.mine([funding])
    while bench.chain.tipHeight < 50 { try bench.mine() }
    let late = bench.effects()
    let relay = try #require(
      late.firstIndex { if case .broadcast = $0 { true } else { false } })
    guard case .broadcast(let refund) = late[relay] else { return }
    #expect(refund.lockTime == 50)
    let before = try #require(stored(Array(late[0..<relay])))
    let known = try Wallet(document: before, keys: copy.keys, network: .regtest)
    #expect(known.pendingTransactions == [refund])
    #expect(bench.owner.takeDeeds().map(\.transaction) == [refund])
    #expect(bench.owner.takeDeeds().isEmpty)
  }

  @Test func runsDoNotSpendEachOthersCoins() throws {
    let bench = try bench(coins: [50_000, 50_000])
    let owner = bench.owner
    #expect(owner.availableSat == 100_000)
    let first = try owner.reserve(60_000)
    #expect(throws: WalletError.insufficientFunds(neededSat: 40_001, spendableSat: 40_000)) {
      try owner.reserve(40_001)
    }
    let second = try owner.reserve(40_000)
    #expect(owner.availableSat == 0)
    // Without a reservation nothing is left, and nothing changes.
    let state = owner.wallet.encode()
    #expect(throws: WalletError.self) {
      try owner.build(outputs: [output(10_000)], feeRateSatPerKvB: 1000, bench.chain)
    }
    #expect(throws: WalletError.self) {
      try owner.build(
        outputs: [output(50_000)], feeRateSatPerKvB: 1000, from: second, bench.chain)
    }
    #expect(throws: WalletError.self) {
      try owner.buildSweep(to: foreignScript(3), feeRateSatPerKvB: 1000, bench.chain)
    }
    #expect(owner.wallet.encode() == state)
    // With it, what is used is taken off.
    _ = try owner.build(
      outputs: [output(10_000)], feeRateSatPerKvB: 1000, from: first, bench.chain)
    #expect(owner.availableSat == 0)
    _ = try owner.build(
      outputs: [output(30_000)], feeRateSatPerKvB: 1000, from: second, bench.chain)
    owner.release(first)
    owner.release(second)
    let feesSat = owner.wallet.history.compactMap(\.feeSat).reduce(0, +)
    #expect(owner.availableSat == 100_000 - 40_000 - feesSat)
  }

  /// Channels of one restored wallet after the other: what follows from a block is looked for from
  /// that block on, even at the tip.
  @Test func channelsAreLookedForFromTheirFunding() throws {
    var funded = try fundedWallet()
    try connect(&funded.wallet, &funded.chain, [funded.funding])
    try connect(&funded.wallet, &funded.chain, [try funded.close()])
    let bench = Bench(try makeWallet())
    bench.chain.hashes = funded.chain.blocks.map(\.hash)
    _ = bench.effects()
    try bench.owner.chainTold(
      .blockMatched(height: 0, block: funded.chain.blocks[0]), bench.chain)
    try bench.owner.chainTold(
      .blockMatched(height: 1, block: funded.chain.blocks[1]), bench.chain)
    let script = funded.channels[0].terms.lock.scriptPubKey
    #expect(bench.effects().contains(.watch(script: script, fromHeight: 1)))
  }

  @Test func givenUpTransactionsAreForgotten() throws {
    let bench = try bench(coins: [50_000])
    let paid = try bench.owner.build(
      outputs: [output(10_000)], feeRateSatPerKvB: 1000, bench.chain)
    _ = bench.effects()
    try bench.owner.abandon(paid.txid)
    let effects = bench.effects()
    #expect(effects.first == .forget(txid: paid.txid))
    #expect(stored(effects) != nil)
    #expect(bench.owner.availableSat == 50_000)
    // What another store kept counts again.
    try bench.owner.noteOwn(paid)
    #expect(bench.owner.wallet.pendingTransactions == [paid])
  }
}
