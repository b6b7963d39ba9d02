import Bitcoin
import Bytes
import Channel
import Market

/// A pool's offer and policy. A pool is a number of leases of one offer, with one announcement, and
/// their tasks: one task per place for `zennet run`, many for `zennet map`.
public struct PoolPlan: Equatable, Sendable {
  public var offer: Offer
  /// Where providers call, as announced.
  public var endpoint: Endpoint
  /// How long to collect bids after the first one; shorter once three bids per free place arrived.
  public var bidWindowMs: UInt64 = 2_000
  /// The announcement's lifetime in blocks.
  public var announcementBlocks: UInt32 = 144
  /// The payable amount of each channel, without the reserve; nil derives it from the bid and
  /// `workMs`.
  public var capacitySat: UInt64?
  /// The longest expected use of a lease; sizes the first channel.
  public var workMs: UInt64 = 3_600_000
  /// Most further channels per lease, at most 7.
  public var maxTopUps: UInt8 = 7
  /// Whether the pool waits until every close is in a block.
  public var waitsForClose = true
  /// How long a provider may be disconnected before its tasks are lost.
  public var awayMs: UInt64 = 600_000
  /// How long a place may stay empty before it is given up; nil for no limit.
  public var hireTimeoutMs: UInt64?
  /// How often a task that was lost after its start runs again, on another provider.
  public var reruns: UInt8 = 3
  /// The loss limit for all unknown providers together; nil: twice (330 sat + reserve) per worker.
  public var unknownLossSat: UInt64?
  /// For tests of the freeze: payments per lease after which paying stops.
  public var stopPayingAfter: UInt64?
  /// When paying resumes after the stop; nil for never.
  public var payAgainAfterMs: UInt64?

  public init(offer: Offer, endpoint: Endpoint) {
    self.offer = offer
    self.endpoint = endpoint
  }

  /// The amount in each channel that pays the closing fee.
  public var reserveSat: UInt64 {
    ClosingTransaction.reserveSat(topRateSatPerKvB: offer.feeLadderSatPerKvB.last ?? 0)
  }

  /// The loss limit for unknown providers, in sat.
  public var unknownLossLimitSat: UInt64 {
    unknownLossSat ?? 2 * (Amount.dustSat + reserveSat) * UInt64(offer.workers)
  }
}
