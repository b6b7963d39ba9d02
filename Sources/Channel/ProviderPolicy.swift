/// The owner's rules about time, counted in blocks.
public struct ProviderPolicy: Equatable, Sendable {
  /// A contract with a smaller margin between close and expiry is not accepted.
  public var closeMarginBlocks: UInt32
  /// A channel that expires sooner than this is not accepted.
  public var leastLifetimeBlocks: UInt32
  /// Blocks, the funding's own included, that must stand on the funding before it is believed.
  public var fundingDepth: UInt32
  /// A close that is still unconfirmed after so many blocks climbs the fee ladder.
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

  /// Throws `closeMarginTooShort`, or `expiryTooNear` seen from `tipHeight`.
  func check(_ terms: ChannelTerms, tipHeight: UInt32) throws(ChannelError) {
    if terms.closeMarginBlocks < closeMarginBlocks {
      throw ChannelError.closeMarginTooShort(
        least: closeMarginBlocks, actual: terms.closeMarginBlocks)
    }
    let left = terms.expiryHeight > tipHeight ? terms.expiryHeight - tipHeight : 0
    if left < leastLifetimeBlocks || left <= terms.closeMarginBlocks {
      throw ChannelError.expiryTooNear(
        least: max(leastLifetimeBlocks, terms.closeMarginBlocks + 1), actual: left)
    }
  }
}
