import Bitcoin
import Bytes
import Channel
import Crypto

/// A provider's answer to an offer: what it is, what it asks, where its owner wants to be paid. Signed
/// by the provider alone.
public struct Bid: SignedBody {
  public var offerDigest: Bytes32
  /// The provider's Ed25519 identity.
  public var provider: Bytes32
  /// SHA-256 of the signed capability report's bytes.
  public var reportDigest: Bytes32
  public var rates: RateVector
  /// How far owed may pass paid: the provider's loss, which becomes the contract's (``RiskRule``).
  public var maxLossSat: UInt64
  /// The least that the first payment of each channel must be.
  public var firstPaymentSat: UInt64
  /// Where the owner is paid: P2WPKH, P2WSH or P2TR.
  public var payoutScript: [UInt8]
  /// The provider's key for the first channel alone, compressed, 33 bytes.
  public var providerKey: [UInt8]
  /// What this publisher still owes of an earlier lease, by the provider's ledger.
  public var debt: Debt?

  public static let name: StaticReason = "bid"
  public static let tag = "zennet/bid"
  static let version: UInt8 = 2

  public init(
    offerDigest: Bytes32, provider: Bytes32, reportDigest: Bytes32, rates: RateVector,
    maxLossSat: UInt64, firstPaymentSat: UInt64, payoutScript: [UInt8], providerKey: [UInt8],
    debt: Debt? = nil
  ) {
    self.offerDigest = offerDigest
    self.provider = provider
    self.reportDigest = reportDigest
    self.rates = rates
    self.maxLossSat = maxLossSat
    self.firstPaymentSat = firstPaymentSat
    self.payoutScript = payoutScript
    self.providerKey = providerKey
    self.debt = debt
  }

  /// What the publisher checks beside the signature: throws `differs` for another offer, or
  /// `unacceptable` for a price above the ceiling.
  public func check(against offer: Offer) throws(MarketError) {
    if offerDigest != offer.digest { throw MarketError.differs(field: "offer digest") }
    guard let hourly = worstHourlySat(offer), hourly <= offer.priceCeilingSatPerHour else {
      throw MarketError.unacceptable(field: "price", problem: "above the offer's ceiling")
    }
  }

  /// The most that an hour can cost by the publisher's own rule; nil where it does not fit.
  public func worstHourlySat(_ offer: Offer) -> UInt64? {
    Price.worstHourlySat(rates, offer.share, traffic: offer.traffic)
  }

  /// Fixed order, version byte first.
  public func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 320)
    writer.u8(Bid.version)
    writer.append(offerDigest)
    writer.append(provider)
    writer.append(reportDigest)
    rates.encode(to: &writer)
    writer.u64le(maxLossSat)
    writer.u64le(firstPaymentSat)
    writer.lengthPrefixed(payoutScript)
    writer.append(providerKey)
    Debt.encode(debt, to: &writer)
    return writer.bytes
  }

  /// Throws `malformed` or `refused`.
  public static func decode(_ bytes: [UInt8]) throws(MarketError) -> Bid {
    var reader = DocumentReader(bytes)
    try reader.version(version)
    let bid = Bid(
      offerDigest: try reader.bytes32("offer digest"), provider: try reader.bytes32("provider"),
      reportDigest: try reader.bytes32("report digest"), rates: try RateVector.decode(&reader),
      maxLossSat: try reader.u64("provider's loss", Limits.amountSat),
      firstPaymentSat: try reader.u64("first payment", Amount.dustSat...Amount.maxSat),
      payoutScript: try reader.payoutScript(), providerKey: try reader.publicKey("provider key"),
      debt: try Debt.decode(&reader))
    try reader.finish()
    return bid
  }

  public var json: String {
    var text = JsonText()
    text.beginObject()
    text.field("digest", digest.hex)
    text.field("offer_digest", offerDigest.hex)
    text.field("provider", provider.hex)
    text.field("report_digest", reportDigest.hex)
    rates.write(to: &text)
    text.field("max_loss_sat", maxLossSat)
    text.field("first_payment_sat", firstPaymentSat)
    text.field("payout_script", Hex.encode(payoutScript))
    text.field("provider_key", Hex.encode(providerKey))
    Debt.write(debt, to: &text)
    text.endObject()
    return text.string
  }

  /// For people, one fact a line.
  public var lines: [String] {
    [
      "bid        " + digest.hex, "offer      " + offerDigest.hex, "provider   " + provider.hex,
      "report     " + reportDigest.hex, "pays to    " + Hex.encode(payoutScript),
      "risks      \(maxLossSat) sat, first payment at least \(firstPaymentSat) sat",
    ] + rates.lines
  }
}
