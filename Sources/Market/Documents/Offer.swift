import Bitcoin
import Bytes
import Channel
import Crypto

/// What a publisher wants to lease, in full: a share of a machine, and the conditions. The announcement
/// carries its digest; the publisher sends it to whoever calls.
public struct Offer: SignedBody {
  /// The identity of the network that pays (``Network/identity``), wire byte order.
  public var network: Bytes32
  /// UTF-8 without control characters, at most 120 bytes.
  public var title: [UInt8]
  public var share: ShareLimits
  public var isolation: IsolationWanted
  public var processors: ProcessorSet
  /// How many leases.
  public var workers: UInt16
  /// The most that an hour may cost (``Price/worstHourlySat(_:_:traffic:)``).
  public var priceCeilingSatPerHour: UInt64
  public var traffic: HourlyTraffic
  public var payoutIntervalMs: UInt32
  /// The most that the publisher may lose, closing fees and first payments included.
  public var publisherMaxLossSat: UInt64
  /// Use that is paid for after a stop.
  public var stopGraceMs: UInt32
  /// How long results, frozen tasks and the lease wait for an absent publisher.
  public var holdMs: UInt32
  /// What the owner announces before it ends the lease.
  public var noticeMs: UInt32
  /// Lifetime of the first channel, in blocks from the contract on.
  public var channelBlocks: UInt32
  /// Blocks before its expiry at which the provider closes a channel.
  public var closeMarginBlocks: UInt32
  /// Confirmations that a funding needs before its payments count.
  public var fundingDepth: UInt32
  public var feeLadderSatPerKvB: [UInt32]

  public static let name: StaticReason = "offer"
  public static let tag = "zennet/offer"
  static let version: UInt8 = 2

  public init(
    network: Bytes32, title: [UInt8], share: ShareLimits, isolation: IsolationWanted = .any,
    processors: ProcessorSet = .all, workers: UInt16 = 1, priceCeilingSatPerHour: UInt64,
    traffic: HourlyTraffic, payoutIntervalMs: UInt32, publisherMaxLossSat: UInt64,
    stopGraceMs: UInt32 = 2_000, holdMs: UInt32 = 21_600_000, noticeMs: UInt32 = 600_000,
    channelBlocks: UInt32, closeMarginBlocks: UInt32, fundingDepth: UInt32 = 1,
    feeLadderSatPerKvB: [UInt32]
  ) {
    self.network = network
    self.title = title
    self.share = share
    self.isolation = isolation
    self.processors = processors
    self.workers = workers
    self.priceCeilingSatPerHour = priceCeilingSatPerHour
    self.traffic = traffic
    self.payoutIntervalMs = payoutIntervalMs
    self.publisherMaxLossSat = publisherMaxLossSat
    self.stopGraceMs = stopGraceMs
    self.holdMs = holdMs
    self.noticeMs = noticeMs
    self.channelBlocks = channelBlocks
    self.closeMarginBlocks = closeMarginBlocks
    self.fundingDepth = fundingDepth
    self.feeLadderSatPerKvB = feeLadderSatPerKvB
  }

  // MARK: Encoding: fixed order, little-endian, CompactSize counts and lengths; version byte first

  public func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 320)
    writer.u8(Offer.version)
    writer.append(network)
    writer.lengthPrefixed(title)
    share.encode(to: &writer)
    writer.u8(isolation.rawValue)
    writer.u16le(processors.rawValue)
    writer.u16le(workers)
    writer.u64le(priceCeilingSatPerHour)
    traffic.encode(to: &writer)
    writer.u32le(payoutIntervalMs)
    writer.u64le(publisherMaxLossSat)
    writer.u32le(stopGraceMs)
    writer.u32le(holdMs)
    writer.u32le(noticeMs)
    writer.u32le(channelBlocks)
    writer.u32le(closeMarginBlocks)
    writer.u32le(fundingDepth)
    writer.compactSize(feeLadderSatPerKvB.count)
    for rate in feeLadderSatPerKvB { writer.u32le(rate) }
    return writer.bytes
  }

  /// Throws `malformed` or `refused`, naming the field and the byte.
  public static func decode(_ bytes: [UInt8]) throws(MarketError) -> Offer {
    var reader = DocumentReader(bytes)
    try reader.version(version)
    let offer = Offer(
      network: try reader.bytes32("network"),
      title: try reader.plainText("title", 0...Limits.maxTitleBytes),
      share: try ShareLimits.decode(&reader),
      isolation: IsolationWanted(rawValue: try reader.u8("isolation", 0...2)) ?? .full,
      processors: ProcessorSet(rawValue: try reader.u16("processors", 1...UInt16.max)),
      workers: try reader.u16("workers", 1...UInt16.max),
      priceCeilingSatPerHour: try reader.u64("price ceiling", Limits.amountSat),
      traffic: try HourlyTraffic.decode(&reader),
      payoutIntervalMs: try reader.u32("payout interval", Limits.payoutIntervalMs),
      publisherMaxLossSat: try reader.u64("publisher's loss", Limits.amountSat),
      stopGraceMs: try reader.u32("stop grace", Limits.stopGraceMs),
      holdMs: try reader.u32("hold time", Limits.holdMs),
      noticeMs: try reader.u32("notice", Limits.noticeMs),
      channelBlocks: try reader.u32("channel lifetime", Limits.lifetimeBlocks),
      closeMarginBlocks: try reader.u32("close margin", Limits.lifetimeBlocks),
      fundingDepth: try reader.u32("funding depth", Limits.fundingDepth),
      feeLadderSatPerKvB: try reader.feeLadder())
    if offer.closeMarginBlocks >= offer.channelBlocks {
      throw reader.refuse("close margin", at: reader.offset, "not below the channel's lifetime")
    }
    try reader.finish()
    return offer
  }

  // MARK: The announcement

  /// The announcement that carries this offer's conditions.
  public func announcement(
    publisher: Bytes32, endpoint: Endpoint, expiryHeight: UInt32
  ) -> Announcement {
    Announcement(
      publisher: publisher, endpoint: endpoint, workers: workers, processors: processors,
      ramMiB: share.memoryMiB, isolation: isolation,
      priceCeilingSatPerHour: priceCeilingSatPerHour, payoutIntervalMs: payoutIntervalMs,
      expiryHeight: expiryHeight, offerDigest: digest)
  }

  /// Throws `differs`, naming the field, where this is not the offer that was announced, and
  /// `unacceptable` for another network.
  public func check(
    announced announcement: Announcement, network identity: Bytes32
  ) throws(MarketError) {
    if digest != announcement.offerDigest { throw MarketError.differs(field: "offer digest") }
    if network != identity {
      throw MarketError.unacceptable(field: "network", problem: "the offer is for another network")
    }
    if workers != announcement.workers { throw MarketError.differs(field: "workers") }
    if processors != announcement.processors { throw MarketError.differs(field: "processors") }
    if share.memoryMiB != announcement.ramMiB { throw MarketError.differs(field: "RAM") }
    if isolation != announcement.isolation { throw MarketError.differs(field: "isolation") }
    if priceCeilingSatPerHour != announcement.priceCeilingSatPerHour {
      throw MarketError.differs(field: "price ceiling")
    }
    if payoutIntervalMs != announcement.payoutIntervalMs {
      throw MarketError.differs(field: "payout interval")
    }
  }
}
