/// The owner's limits on times, in blocks.
public struct ProviderPolicy: Equatable, Sendable {
  /// Least margin between close and expiry in an accepted contract.
  public var closeMarginBlocks: UInt32
  /// Least number of blocks until the expiry of an accepted channel.
  public var leastLifetimeBlocks: UInt32
  /// Confirmations that the funding needs, its own block included.
  public var fundingDepth: UInt32
  /// A close that is unconfirmed after this many blocks moves up the fee ladder.
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
