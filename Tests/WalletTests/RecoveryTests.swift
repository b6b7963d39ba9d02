import Bitcoin
import Bytes
import Channel
import Devnet
import Foundation
import Host
import Testing

@testable import Wallet

/// A publisher that lost everything but its phrase, against a real node whose blocks
/// libbitcoinkernel validates.
@Suite(.serialized)
final class RecoveryTests {
  private let scene: WalletScene

  init() throws { scene = try WalletScene() }

  private func wait(_ session: WalletScene.Session) throws {
    try session.sync(to: try scene.devnet.height)
  }

  /// Funds channels from a new wallet's only coin, in a block.
  private func fund(
    _ session: WalletScene.Session, _ maker: inout ChannelMaker, expiryHeights: [UInt32]
  ) throws -> (channels: [ChannelFunding], funding: Transaction) {
    try scene.devnet.give(1_000_000, to: session.wallet.receiveScript)
    try scene.devnet.mine(1)
    try wait(session)
    var channels: [ChannelFunding] = []
    for expiryHeight in expiryHeights {
      let keys = try session.chainWallet.owner.takeChannelKeys(session.follower.client)
      channels.append(
        try maker.channel(
          session.wallet, index: keys.index, capacitySat: 100_000, expiryHeight: expiryHeight))
    }
    let funding = try session.chainWallet.fund(channels, feeRateSatPerKvB: 500)
    try session.run { self.scene.hasInMempool(funding.txid) }
    try scene.devnet.mine(1)
    try wait(session)
    return (channels, funding)
  }

  /// The whole way: two channels in one funding, one closed, one not; all files lost; the phrase
  /// finds both, the expiry passes, the coins are back.
  @Test func thePhraseAloneBringsEverythingBack() throws {
    var maker = ChannelMaker()
    let start = try scene.devnet.height
    let expiryHeight = start + 12
    var close: Transaction?
    do {
      let session = try scene.session("a", tag: 1)
      let (channels, funding) = try fund(
        session, &maker, expiryHeights: [expiryHeight, expiryHeight + 100])
      #expect(session.wallet.balance.lockedSat == 200_000)
      let index = try #require(funding.outputs.firstIndex(of: channels[1].output))
      close = try maker.close(
        channels[1], session.wallet,
        funding: OutPoint(txid: funding.txid, index: UInt32(index)), amountSat: 30_000)
    }
    let sent = try #require(close)
    try scene.devnet.submit(sent)
    try scene.devnet.mine(1)
    let returnedSat = try #require(sent.outputs.last).amountSat

    let restored = try scene.session("b", tag: 1)
    try wait(restored)
    let locked = restored.wallet.lockedChannels
    #expect(locked.map(\.capacitySat) == [100_000])
    #expect(locked.map(\.expiryHeight) == [expiryHeight])
    #expect(restored.wallet.balance.lockedSat == 100_000)
    #expect(restored.wallet.channels.compactMap(\.spend?.kind) == [.close])
    let coin = try #require(
      restored.wallet.unspentCoins.first { $0.path.chain == .closeReturn })
    #expect(coin.amountSat == returnedSat)
    #expect(restored.chainWallet.owner.takeDeeds().isEmpty)

    let spendableSat = restored.wallet.balance.spendableSat
    try scene.devnet.mine(expiryHeight - (try scene.devnet.height))
    try wait(restored)
    let deeds = restored.chainWallet.owner.takeDeeds()
    #expect(deeds.count == 1)
    let refund = try #require(deeds.first?.transaction)
    try restored.run { self.scene.hasInMempool(refund.txid) }
    try scene.devnet.mine(1)
    try wait(restored)
    #expect(restored.wallet.lockedChannels.isEmpty)
    let feeSat = try #require(restored.wallet.transaction(refund.txid)?.feeSat)
    #expect(
      restored.wallet.balance
        == WalletBalance(spendableSat: spendableSat + 100_000 - feeSat))
    // All of it, returned coins included, leaves in one transaction.
    let swept = try restored.chainWallet.sweep(
      to: Script.p2wsh(witnessScript: [0x51]), feeRateSatPerKvB: 1000)
    try restored.run { self.scene.hasInMempool(swept.txid) }
    try scene.devnet.mine(1)
    try wait(restored)
    #expect(restored.wallet.balance == WalletBalance())
  }

  /// What a close returns is locked for one block: in the block of the close it cannot be spent, in
  /// the next it can.
  @Test func returnedCoinsAreSpentOneBlockLater() throws {
    var maker = ChannelMaker()
    let session = try scene.session("c", tag: 2)
    let (channels, funding) = try fund(session, &maker, expiryHeights: [500])
    let index = try #require(funding.outputs.firstIndex(of: channels[0].output))
    let close = try maker.close(
      channels[0], session.wallet, funding: OutPoint(txid: funding.txid, index: UInt32(index)),
      amountSat: 0, rung: 2)
    try scene.devnet.submit(close)
    try session.run { session.wallet.balance.incomingSat > 0 }
    #expect(close.outputs.count == 1)
    #expect(session.wallet.balance.incomingSat == close.outputs[0].amountSat)
    // A transaction that spends it in the same block is refused, whoever signs it.
    let coin = try #require(
      session.wallet.unspentCoins.first { $0.path.chain == .closeReturn })
    var early = session.wallet
    let child = try early.buildChild(of: [coin], feeSat: 500, random: .zero)
    #expect(throws: DevnetError.transactionRejected(.relativeLockNotReached(input: 0))) {
      try self.scene.devnet.submit(child)
    }
    let before = session.wallet.balance.spendableSat
    try scene.devnet.mine(1)
    try wait(session)
    #expect(session.wallet.balance.spendableSat == before + coin.amountSat)
    let swept = try session.chainWallet.sweep(
      to: Script.p2wsh(witnessScript: [0x51]), feeRateSatPerKvB: 200)
    try session.run { self.scene.hasInMempool(swept.txid) }
    #expect(swept.inputs.contains { $0.previous == coin.outPoint && $0.sequence == 1 })
    try scene.devnet.mine(1)
    try wait(session)
    #expect(session.wallet.transaction(swept.txid)?.height != nil)
  }

  /// A reorganisation takes the funding out; the wallet relays it again.
  @Test func fundingsComeBackAfterAReorganisation() throws {
    var maker = ChannelMaker()
    let session = try scene.session("d", tag: 3)
    let (_, funding) = try fund(session, &maker, expiryHeights: [500])
    let channel = try #require(session.wallet.lockedChannels.first)
    #expect(channel.fundingHeight != nil)
    try scene.devnet.reorganize(depth: 1)
    try session.run { session.wallet.lockedChannels.first?.fundingHeight == nil }
    #expect(session.wallet.balance.lockedSat == 100_000)
    try session.run { self.scene.hasInMempool(funding.txid) }
    try scene.devnet.mine(1)
    try session.run {
      session.wallet.lockedChannels.first?.fundingHeight != nil
    }
    #expect(session.wallet.lockedChannels.map(\.outPoint) == [channel.outPoint])
  }

  /// Miners ask for more than the funding pays: its child gets both into a block.
  @Test func aChildGetsAFundingIntoABlock() throws {
    var maker = ChannelMaker()
    let session = try scene.session("e", tag: 4)
    try scene.devnet.give(1_000_000, to: session.wallet.receiveScript)
    try scene.devnet.mine(1)
    try wait(session)
    let keys = try session.chainWallet.owner.takeChannelKeys(session.follower.client)
    let channel = try maker.channel(
      session.wallet, index: keys.index, capacitySat: 100_000, expiryHeight: 500)
    // The node itself relays from 0.1 sat/vB on.
    let funding = try session.chainWallet.fund([channel], feeRateSatPerKvB: 100)
    try session.run { self.scene.hasInMempool(funding.txid) }
    try scene.devnet.mine(3, minimumFeeSatPerKvB: 3000)
    try wait(session)
    #expect(session.wallet.transaction(funding.txid)?.height == nil)
    #expect(session.chainWallet.owner.takeDeeds().isEmpty)
    // What the light client would say once blocks are full.
    let child = try session.speedUp(feeRateSatPerKvB: 3000)
    try scene.devnet.submit(child)
    try scene.devnet.mine(1, minimumFeeSatPerKvB: 3000)
    try wait(session)
    #expect(session.wallet.transaction(funding.txid)?.height == (try scene.devnet.height))
    #expect(session.wallet.transaction(child.txid)?.height == (try scene.devnet.height))
    #expect(session.wallet.balance.lockedSat == 100_000)
  }
}
