/// The derivation path of a key of the wallet.
public struct KeyPath: Hashable, Sendable {
  public enum Chain: UInt32, Sendable, CaseIterable {
    /// Addresses for others: m/86'/coin'/0'/0/index (BIP86), taproot.
    case receive = 0
    /// The wallet's own change: m/86'/coin'/0'/1/index, taproot.
    case change = 1
    /// The wallet's output in a channel's close: m/7263'/3'/index', where `index` is the channel's.
    /// A script with a relative lock of one block (`ReturnScript`).
    case closeReturn = 2
  }

  public var chain: Chain
  public var index: UInt32

  public init(_ chain: Chain, _ index: UInt32) {
    self.chain = chain
    self.index = index
  }
}
