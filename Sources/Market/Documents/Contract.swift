import Bitcoin
import Bytes
import Channel
import Crypto

/// A lease: what a publisher and one provider agree on. Both sign its digest, which is its id. The
/// channel's funding output is not part of it: it is known later.
public struct Contract: SignedBody {
  public var offerDigest: Bytes32
  public var bidDigest: Bytes32
  /// Ed25519 identities.
  public var publisher: Bytes32
  public var provider: Bytes32
  /// Which of the offer's workers this lease is, from 0.
  public var workerIndex: UInt16
  public var share: ShareLimits
  public var rates: RateVector
  /// The first channel; further ones are ``TopUp``s.
  public var terms: ChannelTerms
  /// How far owed may pass paid before everything of the lease is frozen.
  public var providerMaxLossSat: UInt64
  /// The most that the publisher may lose, first payments and closing fees included.
  public var publisherMaxLossSat: UInt64
  /// The least that the first payment of each channel must be.
  public var firstPaymentSat: UInt64
  public var priceCeilingSatPerHour: UInt64
  public var traffic: HourlyTraffic
  public var payoutIntervalMs: UInt32
  public var stopGraceMs: UInt32
  public var holdMs: UInt32
  public var noticeMs: UInt32
  public var fundingDepth: UInt32
  /// The first thing owed.
  public var debt: Debt?

  public static let name: StaticReason = "contract"
  public static let tag = "zennet/contract"
  static let version: UInt8 = 2

  public init(
    offerDigest: Bytes32, bidDigest: Bytes32, publisher: Bytes32, provider: Bytes32,
    workerIndex: UInt16, share: ShareLimits, rates: RateVector, terms: ChannelTerms,
    providerMaxLossSat: UInt64, publisherMaxLossSat: UInt64, firstPaymentSat: UInt64,
    priceCeilingSatPerHour: UInt64, traffic: HourlyTraffic, payoutIntervalMs: UInt32,
    stopGraceMs: UInt32, holdMs: UInt32, noticeMs: UInt32, fundingDepth: UInt32, debt: Debt? = nil
  ) {
    self.offerDigest = offerDigest
    self.bidDigest = bidDigest
    self.publisher = publisher
    self.provider = provider
    self.workerIndex = workerIndex
    self.share = share
    self.rates = rates
    self.terms = terms
    self.providerMaxLossSat = providerMaxLossSat
    self.publisherMaxLossSat = publisherMaxLossSat
    self.firstPaymentSat = firstPaymentSat
    self.priceCeilingSatPerHour = priceCeilingSatPerHour
    self.traffic = traffic
    self.payoutIntervalMs = payoutIntervalMs
    self.stopGraceMs = stopGraceMs
    self.holdMs = holdMs
    self.noticeMs = noticeMs
    self.fundingDepth = fundingDepth
    self.debt = debt
  }

  /// The contract that an offer and a bid lead to. `terms` carry the bid's key and payout script, and
  /// the offer's ladder and close margin.
  public init(
    offer: Offer, bid: Bid, publisher: Bytes32, workerIndex: UInt16, terms: ChannelTerms
  ) {
    self.init(
      offerDigest: offer.digest, bidDigest: bid.digest, publisher: publisher,
      provider: bid.provider, workerIndex: workerIndex, share: offer.share, rates: bid.rates,
      terms: terms, providerMaxLossSat: bid.maxLossSat,
      publisherMaxLossSat: offer.publisherMaxLossSat, firstPaymentSat: bid.firstPaymentSat,
      priceCeilingSatPerHour: offer.priceCeilingSatPerHour, traffic: offer.traffic,
      payoutIntervalMs: offer.payoutIntervalMs, stopGraceMs: offer.stopGraceMs,
      holdMs: offer.holdMs, noticeMs: offer.noticeMs, fundingDepth: offer.fundingDepth,
      debt: bid.debt)
  }

  /// What both sign, and the name of the lease everywhere.
  public var id: Bytes32 { digest }

  /// What a contract must have in common with the offer and the bid that it names. Throws
  /// `differs` or `unacceptable`, naming the first field that breaks it.
  public func check(against offer: Offer, _ bid: Bid) throws(MarketError) {
    try require(offerDigest == offer.digest, "offer digest")
    try require(bidDigest == bid.digest, "bid digest")
    let agreed = Contract(
      offer: offer, bid: bid, publisher: publisher, workerIndex: workerIndex, terms: terms)
    try require(provider == agreed.provider, "provider")
    try require(share == agreed.share, "share")
    try require(rates == agreed.rates, "rates")
    try require(providerMaxLossSat == agreed.providerMaxLossSat, "provider's loss")
    try require(publisherMaxLossSat == agreed.publisherMaxLossSat, "publisher's loss")
    try require(firstPaymentSat == agreed.firstPaymentSat, "first payment")
    try require(debt == agreed.debt, "debt")
    try require(self == agreed, "a condition of the offer")
    try require(terms.providerKey == bid.providerKey, "provider key")
    try require(terms.payoutScript == bid.payoutScript, "payout script")
    try require(terms.feeLadderSatPerKvB == offer.feeLadderSatPerKvB, "fee ladder")
    try require(terms.closeMarginBlocks == offer.closeMarginBlocks, "close margin")
    if workerIndex >= offer.workers {
      throw MarketError.unacceptable(
        field: "worker index", problem: "the offer has fewer workers")
    }
  }

  private func require(_ holds: Bool, _ field: StaticReason) throws(MarketError) {
    if !holds { throw MarketError.differs(field: field) }
  }

  // MARK: Encoding: fixed order, little-endian; the channel terms are embedded as they encode

  public func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 640)
    writer.u8(Contract.version)
    writer.append(offerDigest)
    writer.append(bidDigest)
    writer.append(publisher)
    writer.append(provider)
    writer.u16le(workerIndex)
    share.encode(to: &writer)
    rates.encode(to: &writer)
    terms.encode(to: &writer)
    writer.u64le(providerMaxLossSat)
    writer.u64le(publisherMaxLossSat)
    writer.u64le(firstPaymentSat)
    writer.u64le(priceCeilingSatPerHour)
    traffic.encode(to: &writer)
    writer.u32le(payoutIntervalMs)
    writer.u32le(stopGraceMs)
    writer.u32le(holdMs)
    writer.u32le(noticeMs)
    writer.u32le(fundingDepth)
    Debt.encode(debt, to: &writer)
    return writer.bytes
  }

  /// Throws `malformed`, `terms` or `refused`, naming the field and the byte.
  public static func decode(_ bytes: [UInt8]) throws(MarketError) -> Contract {
    var reader = DocumentReader(bytes)
    try reader.version(version)
    let contract = Contract(
      offerDigest: try reader.bytes32("offer digest"), bidDigest: try reader.bytes32("bid digest"),
      publisher: try reader.bytes32("publisher"), provider: try reader.bytes32("provider"),
      workerIndex: try reader.u16("worker index"), share: try ShareLimits.decode(&reader),
      rates: try RateVector.decode(&reader), terms: try reader.terms(),
      providerMaxLossSat: try reader.u64("provider's loss", Limits.amountSat),
      publisherMaxLossSat: try reader.u64("publisher's loss", Limits.amountSat),
      firstPaymentSat: try reader.u64("first payment", Amount.dustSat...Amount.maxSat),
      priceCeilingSatPerHour: try reader.u64("price ceiling", Limits.amountSat),
      traffic: try HourlyTraffic.decode(&reader),
      payoutIntervalMs: try reader.u32("payout interval", Limits.payoutIntervalMs),
      stopGraceMs: try reader.u32("stop grace", Limits.stopGraceMs),
      holdMs: try reader.u32("hold time", Limits.holdMs),
      noticeMs: try reader.u32("notice", Limits.noticeMs),
      fundingDepth: try reader.u32("funding depth", Limits.fundingDepth),
      debt: try Debt.decode(&reader))
    if contract.firstPaymentSat > contract.terms.maxPayableSat {
      throw reader.refuse("first payment", at: reader.offset, "above what the channel can pay")
    }
    try reader.finish()
    return contract
  }
}
