import Bitcoin
import Bytes
import Crypto

/// Checks of this module in the static binary, against constants that the ordinary build produced
/// and libbitcoinkernel accepted.
public enum ChannelSelfTest {
  public static func run(_ report: (StaticString, Bool) -> Void) {
    report("channel: script, close and payment", works())
    report("channel: the publisher sends what the provider signed", bothSend())
    report("channel: state survives, damage does not", survives())
    report("channel: amounts and outputs beyond 32 bits", wideNumbersHold())
  }

  private static let provider = Sha256.hash(Array("provider".utf8))
  private static let publisher = Sha256.hash(Array("publisher".utf8))

  static func terms() throws(CryptoError) -> ChannelTerms {
    ChannelTerms(
      providerKey: try Secp256k1.publicKey(of: provider),
      publisherKey: try Secp256k1.publicKey(of: publisher), expiryHeight: 1000,
      closeMarginBlocks: 24, capacitySat: 100_000, reserveSat: 5000,
      feeLadderSatPerKvB: [1000, 5000, 25_000],
      payoutScript: Script.p2tr(outputKey: Sha256.hash([1])),
      returnKey: try Secp256k1.publicKey(of: Sha256.hash(Array("return".utf8))))
  }

  /// A segwit transaction whose first output funds the channel.
  static func funding(_ terms: ChannelTerms) -> Transaction {
    let input = TransactionInput(
      previous: OutPoint(txid: Sha256.hash([9]), index: 0xffff_fffe), witness: [[7]])
    return Transaction(
      inputs: [input],
      outputs: [
        TransactionOutput(
          amountSat: terms.capacitySat, scriptPubKey: ChannelScript.scriptPubKey(terms))
      ])
  }

  /// A channel with a payment of `amountSat`.
  private static func paid(
    _ terms: ChannelTerms, _ amountSat: UInt64, sequence: UInt64
  ) throws(ChannelError) -> ProviderChannel {
    let transaction = funding(terms)
    var channel = try ProviderChannel(
      terms: terms, secret: provider, policy: ProviderPolicy(), tipHeight: 100)
    try channel.fundingOffered(transaction)
    try channel.received(
      try ChannelPayment.sign(
        terms, funding: OutPoint(txid: transaction.txid, index: 0), sequence: sequence,
        amountSat: amountSat, secret: publisher))
    return channel
  }

  private static func paid() -> ProviderChannel? {
    guard let terms = try? terms() else { return nil }
    return try? paid(terms, 20_000, sequence: 1)
  }

  private static func works() -> Bool {
    guard let channel = paid(), let close = try? channel.closingTransaction(rung: 1) else {
      return false
    }
    return Sha256.hash(close.bytes()).hex.utf8.elementsEqual(closeDigest.utf8)
  }

  /// The close that the publisher builds from the provider's signatures equals the provider's own.
  private static func bothSend() -> Bool {
    guard let terms = try? terms(), var provider = paid(), let best = provider.best,
      let signatures = try? provider.signClose(feeRateSatPerKvB: 5000),
      let travelled = try? CloseSignatures.decode(signatures.encode()),
      let own = try? provider.closingTransaction(rung: 2),
      var publisher = try? PublisherChannel(terms: terms, secret: self.publisher)
    else { return false }
    do {
      try publisher.fundingBuilt(funding(terms))
      try publisher.pay(amountSat: best.amountSat)
      try publisher.closeReceived(travelled)
      let close = try publisher.close(feeRateSatPerKvB: 25_000)
      let restored = try PublisherChannel(
        restoring: publisher.encodedState(), secret: self.publisher)
      return close == own && publisher.last == best && restored.closeSignatures == signatures
    } catch { return false }
  }

  private static func survives() -> Bool {
    guard let channel = paid() else { return false }
    let state = channel.encodedState()
    guard
      let restored = try? ProviderChannel(
        restoring: state, secret: provider, policy: ProviderPolicy())
    else { return false }
    var damaged = state
    damaged[100] ^= 1
    let believed = try? ProviderChannel(
      restoring: damaged, secret: provider, policy: ProviderPolicy())
    return restored.paidSat == 20_000 && believed == nil
  }

  /// Nearly all coins, and a payment number beyond 32 bits.
  private static func wideNumbersHold() -> Bool {
    guard var terms = try? terms() else { return false }
    terms.capacitySat = 2_000_000_000_000_000
    guard let channel = try? paid(terms, 1_999_999_900_000_000, sequence: 1 << 40),
      let close = try? channel.closingTransaction(rung: 0)
    else { return false }
    return channel.paidSat == 1_999_999_900_000_000 && channel.best?.sequence == 1 << 40
      && close.outputs.first?.amountSat == channel.paidSat
  }

  /// SHA-256 of the close at 5 sat/vB, with witness; the tests verify that the kernel accepts it.
  static let closeDigest =
    "c186794e68060413eba8577951b8f3b472f7c40af7546886f9400fa1867ce4bf"
}
