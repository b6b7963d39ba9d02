import Bitcoin
import Bytes
import Channel
import Crypto

/// What a publisher and one machine agree on. Both sign its digest, which is its id. The channel's
/// funding output point is not part of it: it is known later.
public struct Contract: Equatable, Sendable {
  public var offerDigest: Bytes32
  public var bidDigest: Bytes32
  /// Ed25519 identities.
  public var publisher: Bytes32
  public var provider: Bytes32
  /// Which of the job's workers this machine is, from 0.
  public var workerIndex: UInt16
  /// SHA-256 of the bundle's bytes.
  public var bundleDigest: Bytes32
  public var bundleBytes: UInt64
  public var rates: RateVector
  public var terms: ChannelTerms
  public var providerMaxLossSat: UInt64
  public var publisherMaxLossSat: UInt64
  public var openingPaymentSat: UInt64
  public var payoutIntervalMs: UInt32
  public var graceMs: UInt32
  public var fundingDepth: UInt32

  static let version: UInt8 = 1

  public init(
    offerDigest: Bytes32, bidDigest: Bytes32, publisher: Bytes32, provider: Bytes32,
    workerIndex: UInt16, bundleDigest: Bytes32, bundleBytes: UInt64, rates: RateVector,
    terms: ChannelTerms, providerMaxLossSat: UInt64, publisherMaxLossSat: UInt64,
    openingPaymentSat: UInt64, payoutIntervalMs: UInt32, graceMs: UInt32, fundingDepth: UInt32
  ) {
    self.offerDigest = offerDigest
    self.bidDigest = bidDigest
    self.publisher = publisher
    self.provider = provider
    self.workerIndex = workerIndex
    self.bundleDigest = bundleDigest
    self.bundleBytes = bundleBytes
    self.rates = rates
    self.terms = terms
    self.providerMaxLossSat = providerMaxLossSat
    self.publisherMaxLossSat = publisherMaxLossSat
    self.openingPaymentSat = openingPaymentSat
    self.payoutIntervalMs = payoutIntervalMs
    self.graceMs = graceMs
    self.fundingDepth = fundingDepth
  }

  /// The contract that an offer and a bid lead to.
  public init(
    offer: Offer, bid: Bid, publisher: Bytes32, workerIndex: UInt16, bundleDigest: Bytes32,
    bundleBytes: UInt64, publisherKey: [UInt8], changeScript: [UInt8], expiryHeight: UInt32,
    capacitySat: UInt64
  ) {
    self.init(
      offerDigest: offer.digest, bidDigest: bid.digest, publisher: publisher,
      provider: bid.provider, workerIndex: workerIndex, bundleDigest: bundleDigest,
      bundleBytes: bundleBytes, rates: bid.rates,
      terms: ChannelTerms(
        providerKey: bid.providerKey, publisherKey: publisherKey, expiryHeight: expiryHeight,
        capacitySat: capacitySat, feeLadderSatPerVb: offer.feeLadderSatPerVb,
        payoutScript: bid.payoutScript, changeScript: changeScript),
      providerMaxLossSat: offer.providerMaxLossSat,
      publisherMaxLossSat: offer.publisherMaxLossSat, openingPaymentSat: offer.openingPaymentSat,
      payoutIntervalMs: offer.payoutIntervalMs, graceMs: offer.graceMs,
      fundingDepth: offer.fundingDepth)
  }

  /// What both sign, and the name of the contract everywhere.
  public var id: Bytes32 { Sha256.tagged("zennet/contract", encode()) }

  /// Ed25519 over ``id``, 64 bytes.
  public func sign(_ identity: Ed25519.KeyPair) -> [UInt8] { identity.sign(id.array) }

  /// Throws `wrongSignature` unless `signature` is the publisher's.
  public func verifyPublisher(_ signature: [UInt8]) throws(MarketError) {
    if !Ed25519.verify(signature, of: id.array, by: publisher) {
      throw MarketError.wrongSignature("contract, publisher")
    }
  }

  /// Throws `wrongSignature` unless `signature` is the provider's.
  public func verifyProvider(_ signature: [UInt8]) throws(MarketError) {
    if !Ed25519.verify(signature, of: id.array, by: provider) {
      throw MarketError.wrongSignature("contract, provider")
    }
  }

  /// What a contract must have in common with the offer and the bid that it names. Throws
  /// `differs` or `unacceptable`, naming the first field that breaks it.
  public func check(against offer: Offer, _ bid: Bid) throws(MarketError) {
    try require(offerDigest == offer.digest, "offer digest")
    try require(bidDigest == bid.digest, "bid digest")
    try require(provider == bid.provider, "provider")
    try require(rates == bid.rates, "rates")
    try require(terms.providerKey == bid.providerKey, "provider key")
    try require(terms.payoutScript == bid.payoutScript, "payout script")
    try require(terms.feeLadderSatPerVb == offer.feeLadderSatPerVb, "fee ladder")
    try require(providerMaxLossSat == offer.providerMaxLossSat, "provider's loss")
    try require(publisherMaxLossSat == offer.publisherMaxLossSat, "publisher's loss")
    try require(openingPaymentSat == offer.openingPaymentSat, "opening payment")
    try require(payoutIntervalMs == offer.payoutIntervalMs, "payout interval")
    try require(graceMs == offer.graceMs, "grace time")
    try require(fundingDepth == offer.fundingDepth, "funding depth")
    if workerIndex >= offer.workers {
      throw MarketError.unacceptable(
        field: "worker index", problem: "the offer has fewer workers")
    }
    if bundleBytes > offer.maxBundleBytes {
      throw MarketError.unacceptable(field: "bundle size", problem: "above the offer's limit")
    }
  }

  private func require(_ holds: Bool, _ field: StaticReason) throws(MarketError) {
    if !holds { throw MarketError.differs(field: field) }
  }

  /// What can be owed within `ms` at full use, rounded up; `UInt64.max` where it does not fit. Disk
  /// and network are not part of it: they are bounded in bytes, not in time.
  public func costSat(ofFullUse limits: ResourceLimits, ms: UInt64) -> UInt64 {
    var usage = Price.fullUse(limits, ms: ms)
    usage.diskReadKiB = 0
    usage.diskWriteKiB = 0
    return Price.owedSat(rates, usage) ?? UInt64.max
  }
}
