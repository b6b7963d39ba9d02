import Bitcoin
import Bytes
import Channel
import Crypto
import Devnet
import TestSupport
import Testing

@testable import Wallet

/// Channels of a wallet, with the provider's side at hand.
struct ChannelMaker {
  var random = SeededGenerator(seed: 0xc4a2)
  private var providerSecrets: [[UInt8]: Bytes32] = [:]

  /// The terms of a channel with the wallet's keys of `index`.
  mutating func channel(
    _ wallet: Wallet, index: UInt32, capacitySat: UInt64 = 40_000, expiryHeight: UInt32 = 50
  ) throws -> ChannelFunding {
    var secret = random.bytes32()
    while !Secp256k1.isValidSecret(secret) { secret = random.bytes32() }
    let providerKey = try Secp256k1.publicKey(of: secret)
    providerSecrets[providerKey] = secret
    let ladder: [UInt32] = [1000, 2000, 5000]
    let terms = ChannelTerms(
      providerKey: providerKey,
      publisherKey: try wallet.keys.derivedKey(.channel, index: index),
      expiryHeight: expiryHeight, closeMarginBlocks: 6, capacitySat: capacitySat,
      reserveSat: ClosingTransaction.reserveSat(topRateSatPerKvB: 5000),
      feeLadderSatPerKvB: ladder, payoutScript: Script.p2wsh(witnessScript: [0x51]),
      returnKey: try wallet.keys.derivedKey(.closeReturn, index: index))
    try terms.check()
    return ChannelFunding(terms: terms, channelIndex: index)
  }

  /// The complete close that both sides signed.
  func close(
    _ channel: ChannelFunding, _ wallet: Wallet, funding: OutPoint, amountSat: UInt64, rung: Int = 0
  ) throws -> Transaction {
    let terms = channel.terms
    let unsigned = try #require(
      ClosingTransaction.build(terms, funding: funding, amountSat: amountSat, rung: rung))
    let digest = ClosingTransaction.digest(terms, unsigned)
    let publisher = try Secp256k1.signEcdsa(
      digest: digest,
      secret: wallet.keys.derivedSecret(.channel, index: channel.channelIndex))
    let provider = try Secp256k1.signEcdsa(
      digest: digest, secret: try #require(providerSecrets[terms.providerKey]))
    return ClosingTransaction.signed(unsigned, terms, publisher: publisher, provider: provider)
  }
}

extension WalletFixtures {
  /// A wallet of `coinsSat` coins in a chain of one block, and what it funds: `count` channels in
  /// one transaction, which is in no block yet.
  func fundedWallet(
    channels count: Int = 1, coinsSat: UInt64 = 1_000_000, feeRateSatPerKvB: UInt64 = 1000
  ) throws -> FundedWallet {
    var funded = FundedWallet(wallet: try makeWallet())
    try connect(
      &funded.wallet, &funded.chain,
      [funded.chain.payment(coinsSat, to: funded.wallet.receiveScript)])
    for number in 0..<count {
      let index = try funded.wallet.takeChannelIndex()
      funded.channels.append(
        try funded.maker.channel(
          funded.wallet, index: index, capacitySat: 40_000 + UInt64(number)))
    }
    funded.funding = try funded.wallet.buildFunding(
      funded.channels, feeRateSatPerKvB: feeRateSatPerKvB, random: .zero)
    return funded
  }
}

struct FundedWallet {
  var wallet: Wallet
  var chain = FakeChain()
  var maker = ChannelMaker()
  var channels: [ChannelFunding] = []
  var funding = Transaction(inputs: [], outputs: [])

  init(wallet: Wallet) { self.wallet = wallet }

  func outPoint(_ number: Int = 0) throws -> OutPoint {
    let index = try #require(funding.outputs.firstIndex(of: channels[number].output))
    return OutPoint(txid: funding.txid, index: UInt32(index))
  }

  func close(
    _ number: Int = 0, amountSat: UInt64 = 10_000, rung: Int = 0
  ) throws -> Transaction {
    try maker.close(
      channels[number], wallet, funding: outPoint(number), amountSat: amountSat, rung: rung)
  }
}
