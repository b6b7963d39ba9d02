import Bitcoin
import Bytes
import Channel
import Crypto
import TestSupport
import Testing

@testable import Wallet

/// What a funding carries for a wallet that has nothing but its phrase.
struct ChannelBackupTests: WalletFixtures {
  private func entries(_ count: Int, _ random: inout SeededGenerator) -> [ChannelBackup.Entry] {
    (0..<count).map { _ in
      ChannelBackup.Entry(
        providerKey: [UInt8(random.int(2...3))] + random.bytes(32),
        expiryHeight: UInt32(random.int(1...499_999_999)),
        channelIndex: UInt32(random.int(0...Int(WalletKeys.maxChannelIndex))))
    }
  }

  @Test func roundTripsAndHides() throws {
    var random = SeededGenerator(seed: 40)
    let outPoint = OutPoint(txid: random.bytes32(), index: 1)
    let outputs = [output(1000, 1), output(2000, 2)]
    for count in [1, 2, 7] {
      let entries = entries(count, &random)
      let secret = random.bytes32()
      let key = ChannelBackup.key(secret: secret, firstInput: outPoint, outputs: outputs)
      let data = ChannelBackup.encode(entries, key: key)
      #expect(data.count == count * 40)
      #expect(ChannelBackup.decode(data, key: key) == entries)
      // Nothing of it stands there to be read.
      for entry in entries {
        #expect(!data.containsRun(Array(entry.providerKey[1..<9])))
      }
      // Another input or another output is another key stream.
      let others = [
        ChannelBackup.key(
          secret: secret, firstInput: OutPoint(txid: outPoint.txid, index: 2), outputs: outputs),
        ChannelBackup.key(secret: secret, firstInput: outPoint, outputs: [outputs[0]]),
        ChannelBackup.key(secret: random.bytes32(), firstInput: outPoint, outputs: outputs),
      ]
      for other in others {
        #expect(other != key)
        #expect(ChannelBackup.decode(data, key: other) != entries)
      }
    }
    #expect(ChannelBackup.decode([], key: .zero) == nil)
    #expect(ChannelBackup.decode(random.bytes(39), key: .zero) == nil)
    #expect(ChannelBackup.decode(random.bytes(41), key: .zero) == nil)
  }

  /// Whatever stands there: never a trap, and never numbers that no channel has.
  @Test func anyBytesDecodeToSaneNumbersOrNothing() {
    var random = SeededGenerator(seed: 41)
    for _ in 0..<5000 {
      let data = random.bytes(40 * random.int(1...3))
      for entry in ChannelBackup.decode(data, key: random.bytes32()) ?? [] {
        #expect(entry.providerKey.count == 33)
        #expect(entry.expiryHeight > 0 && entry.expiryHeight < ChannelTerms.heightLimit)
        #expect(entry.channelIndex <= WalletKeys.maxChannelIndex)
      }
    }
  }

  /// Bitcoin Core up to version 29 relays scripts of 83 bytes.
  @Test func oldNodesRelayTwo() {
    #expect(ChannelBackup.maxChannels(relayBytes: 83) == 2)
    #expect(ChannelBackup.scriptBytes(channels: 2) == 83)
    #expect(ChannelBackup.maxChannels(relayBytes: 82) == 1)
    #expect(ChannelBackup.maxChannels(relayBytes: 41) == 0)
    #expect(ChannelBackup.maxChannels(relayBytes: 0) == 0)
    for relayBytes in [0, 41, 42, 82, 83, 255, 256, 257, 1000, 65_538, 65_543, 100_000] {
      let count = ChannelBackup.maxChannels(relayBytes: relayBytes)
      #expect(count == 0 || ChannelBackup.scriptBytes(channels: count) <= relayBytes)
      #expect(ChannelBackup.scriptBytes(channels: count + 1) > relayBytes)
      let data = [UInt8](repeating: 1, count: count * 40)
      if count > 0 {
        #expect(Script.opReturn(data).count == ChannelBackup.scriptBytes(channels: count))
      }
    }
    #expect(Wallet.maxChannels(.bitcoin) == 2)
    #expect(Wallet.maxChannels(.testnet4) == 2)
    #expect(Wallet.maxChannels(.signet) == 2)
    #expect(Wallet.maxChannels(.regtest) == TransactionDraft.maxChannels)
  }

  @Test func tooManyAreRefusedAndNothingIsTaken() throws {
    var wallet = try makeWallet(.signet)
    var chain = FakeChain()
    var maker = ChannelMaker()
    try connect(&wallet, &chain, [chain.payment(1_000_000, to: wallet.receiveScript)])
    let channels = try (0..<3).map { _ in
      try maker.channel(wallet, index: try wallet.takeChannelIndex())
    }
    let error = WalletError.tooManyChannels(count: 3, limit: 2)
    #expect(throws: error) {
      try wallet.buildFunding(channels, feeRateSatPerKvB: 1000, random: .zero)
    }
    #expect(error.message.contains("several transactions"))
    #expect(wallet.balance.spendableSat == 1_000_000)
    let funding = try wallet.buildFunding(
      Array(channels.prefix(2)), feeRateSatPerKvB: 1000, random: .zero)
    let scripts = funding.outputs.map(\.scriptPubKey).filter(Script.isOpReturn)
    #expect(scripts.map(\.count) == [83])
  }

  @Test func channelsOfOtherKeysAreRefused() throws {
    var funded = try fundedWallet()
    var foreign = funded.channels[0]
    foreign.channelIndex = 1
    #expect(throws: WalletError.foreignChannel(index: 1)) {
      try funded.wallet.buildFunding([foreign], feeRateSatPerKvB: 1000, random: .zero)
    }
    foreign.channelIndex = 0
    foreign.terms.returnKey = foreign.terms.publisherKey
    #expect(throws: WalletError.foreignChannel(index: 0)) {
      try funded.wallet.buildFunding([foreign], feeRateSatPerKvB: 1000, random: .zero)
    }
    foreign.channelIndex = WalletKeys.maxChannelIndex + 1
    #expect(throws: WalletError.foreignChannel(index: foreign.channelIndex)) {
      try funded.wallet.buildFunding([foreign], feeRateSatPerKvB: 1000, random: .zero)
    }
  }

  // MARK: Finding again

  /// The phrase and the blocks, whatever the number of channels and their order.
  @Test func aRestoredWalletFindsItsChannels() throws {
    for count in [1, 2, 5, 30] {
      var funded = try fundedWallet(channels: count, coinsSat: 10_000_000)
      try connect(&funded.wallet, &funded.chain, [funded.funding])
      var restored = try makeWallet()
      var added: [NewScript] = []
      for (height, block) in funded.chain.blocks.enumerated() {
        added += try restored.blockConnected(height: UInt32(height), block: block)
        restored.blockScanned(height: UInt32(height), hash: block.hash)
      }
      #expect(restored.lockedChannels == funded.wallet.lockedChannels)
      #expect(restored.lockedChannels.count == count)
      #expect(restored.balance == funded.wallet.balance)
      #expect(restored.balance.lockedSat == funded.channels.reduce(0) { $0 + $1.terms.capacitySat })
      for (number, channel) in funded.channels.enumerated() {
        let found = try #require(restored.channel(try funded.outPoint(number)))
        #expect(found.lock == channel.terms.lock)
        #expect(found.channelIndex == channel.channelIndex && found.fundingHeight == 1)
        let script = NewScript(script: channel.terms.lock.scriptPubKey, kind: .channel)
        #expect(added.contains(script))
        #expect(restored.watchedScripts.contains(script.script))
        #expect(restored.watchedScripts.contains(channel.terms.returnScript))
      }
      // Indices that were used are not handed out again.
      #expect(try restored.takeChannelIndex() == UInt32(count))
    }
  }

  /// Far beyond the gap: the index stands in the backup.
  @Test func indicesBeyondTheGapAreFound() throws {
    var funded = try fundedWallet()
    try connect(&funded.wallet, &funded.chain, [funded.funding])
    for _ in 0..<70 { _ = try funded.wallet.takeChannelIndex() }
    let index = try funded.wallet.takeChannelIndex()
    let channel = try funded.maker.channel(funded.wallet, index: index)
    let funding = try funded.wallet.buildFunding(
      [channel], feeRateSatPerKvB: 1000, random: .zero)
    try connect(&funded.wallet, &funded.chain, [funding])
    var restored = try makeWallet()
    for (height, block) in funded.chain.blocks.enumerated() {
      _ = try restored.blockConnected(height: UInt32(height), block: block)
    }
    #expect(restored.lockedChannels.map(\.channelIndex) == [0, 71])
    #expect(restored.watchedScripts.contains(channel.terms.returnScript))
  }

  /// Others' outputs of this form lead to nothing, and neither does a changed backup.
  @Test func othersAndChangedBackupsLeadToNothing() throws {
    let funded = try fundedWallet(channels: 2)
    let keys = funded.wallet.keys
    let txid = funded.funding.txid
    #expect(try ChannelBackup.channels(in: funded.funding, txid: txid, keys: keys).count == 2)
    let stranger = try WalletKeys(
      phrase: try Phrase(entropy: [UInt8](repeating: 8, count: 16)), network: .regtest)
    #expect(try ChannelBackup.channels(in: funded.funding, txid: txid, keys: stranger).isEmpty)
    var random = SeededGenerator(seed: 42)
    let place = try #require(
      funded.funding.outputs.firstIndex { Script.isOpReturn($0.scriptPubKey) })
    for _ in 0..<50 {
      var changed = funded.funding
      let byte = random.int(3...changed.outputs[place].scriptPubKey.count - 1)
      changed.outputs[place].scriptPubKey[byte] ^= UInt8(random.int(1...255))
      // The other entry is right all the same.
      #expect(try ChannelBackup.channels(in: changed, txid: txid, keys: keys).count == 1)
    }
    var other = funded.funding
    other.inputs[0].previous.index ^= 1
    #expect(try ChannelBackup.channels(in: other, txid: txid, keys: keys).isEmpty)
  }

  /// A stranger's transaction with the wallet's own backup copied into it, or one that only names
  /// the wallet's coin without being in a block.
  @Test func strangersInventNoChannels() throws {
    var funded = try fundedWallet()
    try connect(&funded.wallet, &funded.chain, [funded.funding])
    let before = funded.wallet.lockedChannels
    var copy = funded.funding
    copy.inputs[0].previous = OutPoint(txid: Bytes32([UInt8](repeating: 9, count: 32)), index: 0)
    _ = try funded.wallet.transactionSeen(copy)
    try connect(&funded.wallet, &funded.chain, [copy])
    #expect(funded.wallet.lockedChannels == before)
    var invented = funded.chain.payment(5000, to: funded.wallet.receiveScript)
    invented.inputs[0].previous = try funded.outPoint()
    invented.lockTime = 60
    _ = try funded.wallet.transactionSeen(invented)
    #expect(funded.wallet.lockedChannels == before)
  }
}

extension Array where Element == UInt8 {
  fileprivate func containsRun(_ run: [UInt8]) -> Bool {
    if run.count > count { return false }
    return (0...(count - run.count)).contains { Array(self[$0..<($0 + run.count)]) == run }
  }
}
