import Bitcoin

/// The provider's own rules about time, counted in blocks. The contract says nothing about them.
public struct ProviderPolicy: Equatable, Sendable {
  /// The channel is closed this many blocks before it expires.
  public var closeMarginBlocks: UInt32
  /// A channel that expires sooner than this is not accepted.
  public var leastLifetimeBlocks: UInt32
  /// Blocks, the funding's own included, that must stand on the funding before it is believed.
  public var fundingDepth: UInt32
  /// A close that is still unconfirmed after so many blocks climbs one rung of the fee ladder.
  public var climbAfterBlocks: UInt32

  public init(
    closeMarginBlocks: UInt32 = 24, leastLifetimeBlocks: UInt32 = 48, fundingDepth: UInt32 = 1,
    climbAfterBlocks: UInt32 = 3
  ) {
    self.closeMarginBlocks = closeMarginBlocks
    self.leastLifetimeBlocks = leastLifetimeBlocks
    self.fundingDepth = fundingDepth
    self.climbAfterBlocks = climbAfterBlocks
  }
}

/// What the provider's channel asks its caller to do, in the order given.
public enum ProviderEffect: Equatable, Sendable {
  /// Write `state` durably, replacing what was stored, then call `stored(revision:)`.
  case store(revision: UInt64, state: [UInt8])
  /// The payment is stored: tell the publisher.
  case acknowledge(sequence: UInt64, amountSat: UInt64)
  /// The funding is as deep as the policy asks, below the authenticated height: work may begin.
  case funded(height: UInt32)
  /// The funding was taken out of the chain by a reorganisation: stop work until `funded` again.
  case fundingLost
  /// Relay this close, and again until it confirms.
  case broadcast(Transaction)
  /// The expiry comes near: end the work and call `close(feeRateSatPerVb:)`.
  case closeIsDue
  /// The coins left the channel in a block.
  case closed(ChannelSpend, height: UInt32)
}
