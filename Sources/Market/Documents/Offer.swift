import Bitcoin
import Bytes
import Channel
import Crypto

/// A job, in full: what to run, on what, and on which conditions. The announcement carries its
/// digest; the publisher sends it to whoever calls.
public struct Offer: Equatable, Sendable {
  /// The identity of the network that pays (``Network/identity``), wire byte order.
  public var network: Bytes32
  /// UTF-8 without control characters, at most 120 bytes.
  public var title: [UInt8]
  /// The program and its arguments: at most 64 of at most 4 KiB.
  public var arguments: [[UInt8]]
  /// `NAME=value`, at most 64 of at most 4 KiB.
  public var environment: [[UInt8]]
  /// Absolute, inside the sandbox.
  public var workdir: [UInt8]
  public var limits: ResourceLimits
  public var isolation: IsolationWanted
  public var processors: ProcessorSet
  public var workers: UInt16
  public var priceCeilingSatPerHour: UInt64
  public var payoutIntervalMs: UInt32
  /// How far owed may pass paid before the job is frozen.
  public var providerMaxLossSat: UInt64
  /// How far paid may pass owed.
  public var publisherMaxLossSat: UInt64
  /// Paid before the job starts, so that the first close is above dust and the lowest fee.
  public var openingPaymentSat: UInt64
  /// How long a frozen job waits for its payment.
  public var graceMs: UInt32
  /// Lifetime of the channel, in blocks from the contract on.
  public var channelBlocks: UInt32
  /// Confirmations that the funding needs before work begins.
  public var fundingDepth: UInt32
  public var feeLadderSatPerVb: [UInt32]
  public var maxBundleBytes: UInt64
  public var maxResultBytes: UInt64

  public init(
    network: Bytes32, title: [UInt8], arguments: [[UInt8]], environment: [[UInt8]] = [],
    workdir: [UInt8] = Array("/work".utf8), limits: ResourceLimits,
    isolation: IsolationWanted = .any, processors: ProcessorSet = .all, workers: UInt16 = 1,
    priceCeilingSatPerHour: UInt64, payoutIntervalMs: UInt32, providerMaxLossSat: UInt64,
    publisherMaxLossSat: UInt64, openingPaymentSat: UInt64, graceMs: UInt32,
    channelBlocks: UInt32, fundingDepth: UInt32 = 1, feeLadderSatPerVb: [UInt32] = [1, 5, 25],
    maxBundleBytes: UInt64, maxResultBytes: UInt64
  ) {
    self.network = network
    self.title = title
    self.arguments = arguments
    self.environment = environment
    self.workdir = workdir
    self.limits = limits
    self.isolation = isolation
    self.processors = processors
    self.workers = workers
    self.priceCeilingSatPerHour = priceCeilingSatPerHour
    self.payoutIntervalMs = payoutIntervalMs
    self.providerMaxLossSat = providerMaxLossSat
    self.publisherMaxLossSat = publisherMaxLossSat
    self.openingPaymentSat = openingPaymentSat
    self.graceMs = graceMs
    self.channelBlocks = channelBlocks
    self.fundingDepth = fundingDepth
    self.feeLadderSatPerVb = feeLadderSatPerVb
    self.maxBundleBytes = maxBundleBytes
    self.maxResultBytes = maxResultBytes
  }

  public var digest: Bytes32 { Sha256.tagged("zennet/offer", encode()) }

  /// The announcement that says this offer's conditions.
  public func announcement(
    publisher: Bytes32, endpoint: Endpoint, expiryHeight: UInt32
  ) -> Announcement {
    Announcement(
      publisher: publisher, endpoint: endpoint, workers: workers, processors: processors,
      ramMiB: limits.memoryMiB, isolation: isolation,
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
    if limits.memoryMiB != announcement.ramMiB { throw MarketError.differs(field: "RAM") }
    if isolation != announcement.isolation { throw MarketError.differs(field: "isolation") }
    if priceCeilingSatPerHour != announcement.priceCeilingSatPerHour {
      throw MarketError.differs(field: "price ceiling")
    }
    if payoutIntervalMs != announcement.payoutIntervalMs {
      throw MarketError.differs(field: "payout interval")
    }
  }
}
