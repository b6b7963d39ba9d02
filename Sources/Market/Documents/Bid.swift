import Bitcoin
import Bytes
import Channel
import Crypto

/// A machine's answer to an offer: what it asks for, and where it wants to be paid. Signed by the
/// machine's identity over its digest.
public struct Bid: Equatable, Sendable {
  public var offerDigest: Bytes32
  /// The machine's Ed25519 identity.
  public var provider: Bytes32
  /// SHA-256 of the signed capability report's bytes.
  public var reportDigest: Bytes32
  public var rates: RateVector
  /// Where the owner is paid: P2WPKH, P2WSH or P2TR.
  public var payoutScript: [UInt8]
  /// The machine's key for this channel alone, compressed, 33 bytes.
  public var providerKey: [UInt8]
  /// Ed25519 over ``digest``, 64 bytes; empty until signed.
  public var signature: [UInt8]

  static let version: UInt8 = 1

  public init(
    offerDigest: Bytes32, provider: Bytes32, reportDigest: Bytes32, rates: RateVector,
    payoutScript: [UInt8], providerKey: [UInt8], signature: [UInt8] = []
  ) {
    self.offerDigest = offerDigest
    self.provider = provider
    self.reportDigest = reportDigest
    self.rates = rates
    self.payoutScript = payoutScript
    self.providerKey = providerKey
    self.signature = signature
  }

  private func body() -> [UInt8] {
    var writer = ByteWriter(reserving: 320)
    writer.u8(Bid.version)
    writer.append(offerDigest)
    writer.append(provider)
    writer.append(reportDigest)
    rates.encode(to: &writer)
    writer.lengthPrefixed(payoutScript)
    writer.append(providerKey)
    return writer.bytes
  }

  /// Names the bid whatever its signature.
  public var digest: Bytes32 { Sha256.tagged("zennet/bid", body()) }

  public mutating func sign(_ identity: Ed25519.KeyPair) {
    provider = identity.publicKey
    signature = identity.sign(digest.array)
  }

  /// Throws `wrongSignature`.
  public func verify() throws(MarketError) {
    if !Ed25519.verify(signature, of: digest.array, by: provider) {
      throw MarketError.wrongSignature("bid")
    }
  }

  /// What the publisher checks: throws `differs` for another offer, `wrongSignature`, or
  /// `unacceptable` for a price above the ceiling.
  public func check(against offer: Offer) throws(MarketError) {
    if offerDigest != offer.digest { throw MarketError.differs(field: "offer digest") }
    try verify()
    guard let hourly = hourlySat(offer), hourly <= offer.priceCeilingSatPerHour else {
      throw MarketError.unacceptable(field: "price", problem: "above the offer's ceiling")
    }
  }

  /// What an hour of full use would cost.
  public func hourlySat(_ offer: Offer) -> UInt64? { Price.hourlySat(rates, offer.limits) }

  /// Fixed order: version, digests and keys, rates, script, key, signature.
  public func encode() -> [UInt8] { body() + signature }

  /// Throws `malformed` or `refused`; the signature is not verified here.
  public static func decode(_ bytes: [UInt8]) throws(MarketError) -> Bid {
    var reader = DocumentReader(bytes)
    try reader.version(version)
    let bid = Bid(
      offerDigest: try reader.bytes32("offer digest"), provider: try reader.bytes32("provider"),
      reportDigest: try reader.bytes32("report digest"), rates: try RateVector.decode(&reader),
      payoutScript: try payoutScript(&reader), providerKey: try publicKey(&reader),
      signature: try reader.fixed("signature", Ed25519.signatureLength))
    try reader.finish()
    return bid
  }

  private static func payoutScript(_ reader: inout DocumentReader) throws(MarketError) -> [UInt8] {
    let start = reader.offset
    let script = try reader.bytes("payout script", 22...34)
    if !ChannelScript.isPayable(script) {
      throw reader.refuse("payout script", at: start, "not a standard segwit output script")
    }
    return script
  }

  private static func publicKey(_ reader: inout DocumentReader) throws(MarketError) -> [UInt8] {
    let start = reader.offset
    let key = try reader.fixed("provider key", 33)
    if !Secp256k1.isValidPublicKey(key) {
      throw reader.refuse("provider key", at: start, "not a compressed public key")
    }
    return key
  }

  public var json: String {
    var text = JsonText()
    text.beginObject()
    text.field("digest", digest.hex)
    text.field("offer_digest", offerDigest.hex)
    text.field("provider", provider.hex)
    text.field("report_digest", reportDigest.hex)
    rates.write(to: &text)
    text.field("payout_script", Hex.encode(payoutScript))
    text.field("provider_key", Hex.encode(providerKey))
    text.field("signature", Hex.encode(signature))
    text.endObject()
    return text.string
  }

  /// For people, one fact a line.
  public var lines: [String] {
    [
      "bid        " + digest.hex, "offer      " + offerDigest.hex, "provider   " + provider.hex,
      "report     " + reportDigest.hex, "pays to    " + Hex.encode(payoutScript),
    ] + rates.lines
  }
}
