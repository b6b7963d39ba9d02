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

/// A transaction that touches the wallet.
public struct WalletTransaction: Equatable, Sendable {
  public let txid: Bytes32
  /// Made by this wallet, as far as it remembers.
  public internal(set) var isOwn: Bool
  /// The block that holds it; nil while unconfirmed.
  public internal(set) var height: UInt32?
  /// What it pays to the wallet, change included.
  public internal(set) var receivedSat: UInt64
  /// What it takes from the wallet.
  public internal(set) var spentSat: UInt64
  /// Known where all inputs are the wallet's.
  public internal(set) var feeSat: UInt64?
  /// Kept until it is buried: to be relayed again, and to see what conflicts with it.
  public internal(set) var transaction: Transaction?
}

/// What a wallet owns, in sat.
public struct WalletBalance: Equatable, Sendable {
  /// Can be spent now: confirmed, or change of the wallet's own transactions.
  public var spendableSat: UInt64 = 0
  /// Confirmed coins from mining that are not yet 100 blocks deep.
  public var immatureSat: UInt64 = 0
  /// Others' unconfirmed payments, which may never confirm.
  public var incomingSat: UInt64 = 0

  public var totalSat: UInt64 { spendableSat &+ immatureSat &+ incomingSat }
}
