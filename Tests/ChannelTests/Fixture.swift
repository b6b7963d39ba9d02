import Bitcoin
import Bytes
import Channel
import Crypto
import Devnet
import TestSupport

/// A channel of fixed keys, funded by a transaction that spends nothing real: the kernel judges
/// what spends the channel, not what funds it.
struct Fixture {
  static let providerSecret = Sha256.hash(Array("provider".utf8))
  static let publisherSecret = Sha256.hash(Array("publisher".utf8))
  static let returnSecret = Sha256.hash(Array("return".utf8))
  static let strangerSecret = Sha256.hash(Array("stranger".utf8))
  static let ladder: [UInt32] = [1000, 5000, 25_000]
  static let expiryHeight: UInt32 = 1000
  static let tipHeight: UInt32 = 100
  /// Where refunds go.
  static let walletScript = Script.p2tr(outputKey: Sha256.hash([2]))

  var terms: ChannelTerms
  var fundingTransaction: Transaction
  var funding: OutPoint

  static func terms(
    capacitySat: UInt64 = 100_000, reserveSat: UInt64 = 5000, ladder: [UInt32] = Fixture.ladder,
    expiryHeight: UInt32 = 1000, payoutScript: [UInt8] = Script.p2tr(outputKey: Sha256.hash([1]))
  ) throws -> ChannelTerms {
    ChannelTerms(
      providerKey: try Secp256k1.publicKey(of: providerSecret),
      publisherKey: try Secp256k1.publicKey(of: publisherSecret), expiryHeight: expiryHeight,
      closeMarginBlocks: min(24, expiryHeight - 1), capacitySat: capacitySat,
      reserveSat: reserveSat, feeLadderSatPerKvB: ladder, payoutScript: payoutScript,
      returnKey: try Secp256k1.publicKey(of: returnSecret))
  }

  init(
    capacitySat: UInt64 = 100_000, reserveSat: UInt64 = 5000, ladder: [UInt32] = Fixture.ladder,
    expiryHeight: UInt32 = 1000
  ) throws {
    self.init(
      try Fixture.terms(
        capacitySat: capacitySat, reserveSat: reserveSat, ladder: ladder,
        expiryHeight: expiryHeight))
  }

  init(_ terms: ChannelTerms) {
    self.terms = terms
    fundingTransaction = Fixture.fund(
      TransactionOutput(
        amountSat: terms.capacitySat, scriptPubKey: ChannelScript.scriptPubKey(terms)))
    funding = OutPoint(txid: fundingTransaction.txid, index: 1)
  }

  /// A segwit transaction with `output` as its second.
  static func fund(_ output: TransactionOutput) -> Transaction {
    let input = TransactionInput(
      previous: OutPoint(txid: Sha256.hash([9]), index: 0),
      witness: [[UInt8](repeating: 7, count: 64)])
    let change = TransactionOutput(
      amountSat: 5000, scriptPubKey: Script.p2tr(outputKey: Sha256.hash([3])))
    return Transaction(inputs: [input], outputs: [change, output])
  }

  func payment(_ amountSat: UInt64, sequence: UInt64 = 1) throws -> ChannelPayment {
    try ChannelPayment.sign(
      terms, funding: funding, sequence: sequence, amountSat: amountSat,
      secret: Fixture.publisherSecret)
  }

  func provider(policy: ProviderPolicy = ProviderPolicy()) throws -> ProviderChannel {
    try ProviderChannel(
      terms: terms, secret: Fixture.providerSecret, policy: policy, tipHeight: Fixture.tipHeight)
  }

  func publisher() throws -> PublisherChannel {
    try PublisherChannel(terms: terms, secret: Fixture.publisherSecret)
  }

  /// A provider whose funding is in block 101.
  func fundedProvider() throws -> ProviderChannel {
    var provider = try provider()
    try provider.fundingOffered(fundingTransaction)
    try provider.fundingConfirmed(fundingTransaction, height: 101)
    provider.tipChanged(height: 101, authenticatedHeight: 101)
    _ = provider.effects()
    return provider
  }

  /// A publisher whose funding is in block 101.
  func fundedPublisher() throws -> PublisherChannel {
    var publisher = try publisher()
    try publisher.fundingBuilt(fundingTransaction)
    publisher.fundingConfirmed(height: 101)
    _ = publisher.effects()
    return publisher
  }

  /// The close of any amount at any rung, signed by both.
  func signedClose(_ amountSat: UInt64, rung: Int, of funding: OutPoint? = nil) throws
    -> Transaction
  {
    guard
      let close = ClosingTransaction.build(
        terms, funding: funding ?? self.funding, amountSat: amountSat, rung: rung)
    else { throw ChannelError.wrongSignature(rung: rung) }
    let digest = ClosingTransaction.digest(terms, close)
    return ClosingTransaction.signed(
      close, terms,
      publisher: try Secp256k1.signEcdsa(digest: digest, secret: Fixture.publisherSecret),
      provider: try Secp256k1.signEcdsa(digest: digest, secret: Fixture.providerSecret))
  }

  /// Whether libbitcoinkernel lets `transaction` spend the channel.
  func kernelAccepts(_ transaction: Transaction) -> Bool {
    KernelScript.verify(
      scriptPubKey: ChannelScript.scriptPubKey(terms), amountSat: terms.capacitySat,
      tx: transaction.bytes(), inputIndex: 0)
  }
}

extension ProviderChannel {
  /// All effects that wait.
  mutating func effects() -> [ProviderEffect] {
    var all: [ProviderEffect] = []
    while let effect = nextEffect() { all.append(effect) }
    return all
  }
}

extension PublisherChannel {
  mutating func effects() -> [PublisherEffect] {
    var all: [PublisherEffect] = []
    while let effect = nextEffect() { all.append(effect) }
    return all
  }
}
