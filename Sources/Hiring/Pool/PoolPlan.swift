import Bitcoin
import Bytes
import Channel
import Market

/// What a publisher wants of a pool: the offer, and how to behave. A pool is so many leases of one
/// offer, with one announcement, and the tasks that they run: one a place for `zennet run`, many for
/// `zennet map`.
public struct PoolPlan: Equatable, Sendable {
  public var offer: Offer
  /// Where providers call, as announced.
  public var endpoint: Endpoint
  /// From the first bid until the choice; shorter where three bids a place came.
  public var bidWindowMs: UInt64 = 2_000
  /// Blocks after which the announcement is void.
  public var announcementBlocks: UInt32 = 144
  /// What can be paid through each channel; nil lets the bid and `workMs` decide. The reserve comes on
  /// top.
  public var capacitySat: UInt64?
  /// How long each lease is expected to be used at most: sizes the first channel.
  public var workMs: UInt64 = 3_600_000
  /// Channels that follow the first of a lease, at most 7.
  public var maxTopUps: UInt8 = 7
  /// Whether the pool is finished only when every close is in a block.
  public var waitsForClose = true
  /// A provider that is away for longer is given up: its tasks are lost.
  public var awayMs: UInt64 = 600_000
  /// A place that stays empty for longer is given up; nil waits for ever.
  public var hireTimeoutMs: UInt64?
  /// How often a task that started and was lost may be run again, on another machine.
  public var reruns: UInt8 = 3
  /// What may be lost to machines that never finished a lease for this publisher; nil: twice
  /// (330 sat + reserve) for each worker.
  public var unknownLossSat: UInt64?
  /// For tests of the freeze: nothing is paid beyond this many payments of a lease...
  public var stopPayingAfter: UInt64?
  /// ...for this long, or for ever.
  public var payAgainAfterMs: UInt64?

  public init(offer: Offer, endpoint: Endpoint) {
    self.offer = offer
    self.endpoint = endpoint
  }

  /// What the closing fee is taken from, in each channel.
  public var reserveSat: UInt64 {
    ClosingTransaction.reserveSat(topRateSatPerKvB: offer.feeLadderSatPerKvB.last ?? 0)
  }

  /// The most that may be lost to unknown machines.
  public var unknownLossLimitSat: UInt64 {
    unknownLossSat ?? 2 * (Amount.dustSat + reserveSat) * UInt64(offer.workers)
  }
}
