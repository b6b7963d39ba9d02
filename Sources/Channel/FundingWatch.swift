import Bitcoin

/// Where a channel's coins came from and where they went, as the best chain has it: the same for
/// both sides.
struct FundingWatch: Sendable {
  /// The channel's output, once it is named.
  var outPoint: OutPoint?
  /// The block that holds the funding; nil while none does.
  var height: UInt32?
  /// How and where the coins left the channel.
  var spend: ChannelSpend?
  var spendHeight: UInt32?

  /// A block at `height` holds `transaction`. Returns how it spends the channel; nil where it does
  /// not, or where that is known.
  mutating func saw(
    _ transaction: Transaction, height: UInt32, _ terms: ChannelTerms
  ) -> ChannelSpend? {
    guard let outPoint, let seen = ChannelSpend(transaction, of: outPoint, terms) else {
      return nil
    }
    if spend == seen && spendHeight == height { return nil }
    spend = seen
    spendHeight = height
    return seen
  }

  /// The blocks from `height` on left the best chain. Returns what fell out with them.
  mutating func disconnected(fromHeight height: UInt32) -> (funding: Bool, spend: Bool) {
    var lost = (funding: false, spend: false)
    if let spent = spendHeight, spent >= height {
      spend = nil
      spendHeight = nil
      lost.spend = true
    }
    if let funded = self.height, funded >= height {
      self.height = nil
      lost.funding = true
    }
    return lost
  }
}
