import Bitcoin
import Bytes

/// An unspent output.
public struct Coin: Equatable, Sendable {
  /// Coinbase outputs may be spent by a block this many heights above theirs.
  public static let coinbaseMaturity: UInt32 = 100

  public var output: TransactionOutput
  /// The height of the block that made it. Nil while it is only in the mempool.
  public var height: UInt32?
  public var isCoinbase: Bool

  public init(output: TransactionOutput, height: UInt32?, isCoinbase: Bool) {
    self.output = output
    self.height = height
    self.isCoinbase = isCoinbase
  }

  /// Whether a transaction in a block at `spendHeight` may spend it.
  public func isMature(at spendHeight: UInt32) -> Bool {
    guard isCoinbase, let height else { return true }
    return spendHeight >= height + Coin.coinbaseMaturity
  }
}
