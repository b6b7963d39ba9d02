import Bitcoin
import Bytes

/// An output that pays to the wallet, spent or not.
public struct WalletCoin: Equatable, Sendable {
  public let outPoint: OutPoint
  public let amountSat: UInt64
  public let path: KeyPath
  public let isCoinbase: Bool
  /// The block that holds it; nil while unconfirmed.
  public internal(set) var height: UInt32?
  /// The transaction that spends it, confirmed or not.
  public internal(set) var spentBy: Bytes32?
  /// The block in which it was spent; nil while that is pending.
  public internal(set) var spentHeight: UInt32?
}

/// A wallet's balance, in sat.
public struct WalletBalance: Equatable, Sendable {
  /// Spendable now: confirmed, or change of the wallet's own transactions.
  public var spendableSat: UInt64 = 0
  /// Coinbase outputs with fewer than 100 confirmations.
  public var immatureSat: UInt64 = 0
  /// Unconfirmed payments by others, and returns of unconfirmed closes; they may never confirm.
  public var incomingSat: UInt64 = 0
  /// In channels that are neither closed nor refunded, including what the providers have earned.
  public var lockedSat: UInt64 = 0

  /// The sum without the locked coins.
  public var totalSat: UInt64 { spendableSat &+ immatureSat &+ incomingSat }
}
