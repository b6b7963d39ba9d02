import Bitcoin
import Bytes

/// An output that pays to the wallet, spent or not.
public struct WalletCoin: Equatable, Sendable {
  public let outPoint: OutPoint
  public let amountSat: UInt64
  public let path: KeyPath
  public let isCoinbase: Bool
  /// The block that made it; nil while unconfirmed.
  public internal(set) var height: UInt32?
  /// The transaction that spends it, confirmed or not.
  public internal(set) var spentBy: Bytes32?
  /// The block in which it was spent; nil while that is pending.
  public internal(set) var spentHeight: UInt32?
}

/// What a wallet owns, in sat.
public struct WalletBalance: Equatable, Sendable {
  /// Can be spent now: confirmed, or change of the wallet's own transactions.
  public var spendableSat: UInt64 = 0
  /// Confirmed coins from mining that are not yet 100 blocks deep.
  public var immatureSat: UInt64 = 0
  /// Unconfirmed payments of others, and what closes return, which may never confirm.
  public var incomingSat: UInt64 = 0
  /// In channels that are neither closed nor refunded. What was paid through them is the
  /// providers'.
  public var lockedSat: UInt64 = 0

  /// What is the wallet's without doubt or will be: without the locked coins.
  public var totalSat: UInt64 { spendableSat &+ immatureSat &+ incomingSat }
}
