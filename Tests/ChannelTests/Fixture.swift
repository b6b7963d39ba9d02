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
  static let strangerSecret = Sha256.hash(Array("stranger".utf8))
  static let expiryHeight: UInt32 = 1000
  static let tipHeight: UInt32 = 100

  var terms: ChannelTerms
  var fundingTransaction: Transaction
  var funding: OutPoint

  static func terms(
    capacitySat: UInt64 = 100_000, ladder: [UInt32] = [1, 5, 25], expiryHeight: UInt32 = 1000
  ) throws -> ChannelTerms {
    ChannelTerms(
      providerKey: try Secp256k1.publicKey(of: providerSecret),
      publisherKey: try Secp256k1.publicKey(of: publisherSecret), expiryHeight: expiryHeight,
      capacitySat: capacitySat, feeLadderSatPerVb: ladder,
      payoutScript: Script.p2tr(outputKey: Sha256.hash([1])),
      changeScript: Script.p2tr(outputKey: Sha256.hash([2])))
  }

  init(
    capacitySat: UInt64 = 100_000, ladder: [UInt32] = [1, 5, 25], expiryHeight: UInt32 = 1000
  ) throws {
    terms = try Fixture.terms(
      capacitySat: capacitySat, ladder: ladder, expiryHeight: expiryHeight)
    fundingTransaction = Fixture.fund(
      TransactionOutput(
        amountSat: capacitySat, scriptPubKey: ChannelScript.scriptPubKey(terms)))
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

  /// Whether libbitcoinkernel lets `transaction` spend the channel.
  func kernelAccepts(_ transaction: Transaction) -> Bool {
    KernelScript.verify(
      scriptPubKey: ChannelScript.scriptPubKey(terms), amountSat: terms.capacitySat,
      tx: transaction.bytes(), inputIndex: 0)
  }
}

extension ProviderChannel {
  /// All effects, with every store confirmed as it comes.
  mutating func settle() -> [ProviderEffect] {
    var all: [ProviderEffect] = []
    while let effect = nextEffect() {
      all.append(effect)
      if case .store(let revision, _) = effect { stored(revision: revision) }
    }
    return all
  }
}

extension PublisherChannel {
  mutating func settle() -> [PublisherEffect] {
    var all: [PublisherEffect] = []
    while let effect = nextEffect() {
      all.append(effect)
      if case .store(let revision, _) = effect { stored(revision: revision) }
    }
    return all
  }
}
