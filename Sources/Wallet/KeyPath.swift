/// Where a key of the wallet stands.
public struct KeyPath: Hashable, Sendable {
  public enum Chain: UInt32, Sendable, CaseIterable {
    /// Given to others: m/86'/coin'/0'/0/index (BIP86), taproot.
    case receive = 0
    /// The wallet's own change: m/86'/coin'/0'/1/index, taproot.
    case change = 1
    /// What the close of a channel returns: m/7263'/3'/index', where `index` is the channel's. A
    /// script with a relative lock of one block (`ReturnScript`).
    case closeReturn = 2
  }

  public var chain: Chain
  public var index: UInt32

  public init(_ chain: Chain, _ index: UInt32) {
    self.chain = chain
    self.index = index
  }
}
