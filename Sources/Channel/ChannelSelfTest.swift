import Bitcoin
import Bytes
import Crypto

/// What the static binary checks of this module, against constants that the ordinary build gave and
/// libbitcoinkernel accepted.
public enum ChannelSelfTest {
  public static func run(_ report: (StaticString, Bool) -> Void) {
    report("channel: script, close and payment", works())
    report("channel: state survives, damage does not", survives())
    report("channel: amounts and outputs beyond 32 bits", wideNumbersHold())
  }

  private static let provider = Sha256.hash(Array("provider".utf8))
  private static let publisher = Sha256.hash(Array("publisher".utf8))
  private static let funding = OutPoint(txid: Sha256.hash([9]), index: 1)

  private static func terms() throws(CryptoError) -> ChannelTerms {
    ChannelTerms(
      providerKey: try Secp256k1.publicKey(of: provider),
      publisherKey: try Secp256k1.publicKey(of: publisher), expiryHeight: 1000,
      capacitySat: 100_000, feeLadderSatPerVb: [1, 5, 25],
      payoutScript: Script.p2tr(outputKey: Sha256.hash([1])),
      changeScript: Script.p2tr(outputKey: Sha256.hash([2])))
  }

  /// A channel that was paid 20,000 sat.
  private static func paid() -> ProviderChannel? {
    guard let terms = try? terms(),
      let payment = try? ChannelPayment.sign(
        terms, funding: funding, sequence: 1, amountSat: 20_000, secret: publisher),
      var channel = try? ProviderChannel(
        terms: terms, secret: provider, policy: ProviderPolicy(), tipHeight: 100)
    else { return nil }
    do {
      try channel.fundingAnnounced(funding)
      try channel.received(payment)
    } catch { return nil }
    return channel
  }

  private static func works() -> Bool {
    guard let channel = paid(), let close = try? channel.closingTransaction(rung: 1) else {
      return false
    }
    return Sha256.hash(close.bytes()).hex.utf8.elementsEqual(closeDigest.utf8)
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

  /// Nearly all coins; and a funding output whose number is no index on a machine of 32 bits.
  private static func wideNumbersHold() -> Bool {
    guard var terms = try? terms() else { return false }
    terms.capacitySat = 2_000_000_000_000_000
    let far = OutPoint(txid: funding.txid, index: 0xffff_fffe)
    guard
      let payment = try? ChannelPayment.sign(
        terms, funding: far, sequence: 1 << 40, amountSat: 1_999_999_900_000_000,
        secret: publisher),
      var channel = try? ProviderChannel(
        terms: terms, secret: provider, policy: ProviderPolicy(), tipHeight: 100)
    else { return false }
    do {
      try channel.fundingAnnounced(far)
      try channel.received(payment)
    } catch { return false }
    if channel.paidSat != 1_999_999_900_000_000 { return false }
    let transaction = Transaction(inputs: [], outputs: [])
    let other = OutPoint(txid: transaction.txid, index: 0xffff_fffe)
    guard
      var unfunded = try? ProviderChannel(
        terms: terms, secret: provider, policy: ProviderPolicy(), tipHeight: 100),
      (try? unfunded.fundingAnnounced(other)) != nil
    else { return false }
    return (try? unfunded.fundingConfirmed(transaction, height: 101)) == nil
  }

  /// SHA-256 of the close at 5 sat/vB, witness included.
  private static let closeDigest =
    "3bf5a5ab029284d6b212b827141cde53c55ba2a2fe83ed542cdb912d0592d644"
}
