import Bitcoin
import Bytes

/// A transaction that touches the wallet.
public struct WalletTransaction: Equatable, Sendable {
  public let txid: Bytes32
  /// Made by this wallet, as far as its record goes back.
  public internal(set) var isOwn: Bool
  /// The block that holds it; nil while unconfirmed.
  public internal(set) var height: UInt32?
  /// The height up to which blocks were known when it was first seen.
  public internal(set) var seenHeight: UInt32
  /// The amount paid to the wallet, change included.
  public internal(set) var receivedSat: UInt64
  /// The amount of the wallet's coins that it spends.
  public internal(set) var spentSat: UInt64
  /// Known if all inputs are the wallet's coins or channels.
  public internal(set) var feeSat: UInt64?
  /// Kept until it is buried, for relaying it again and for detecting conflicts.
  public internal(set) var transaction: Transaction?
}

/// What a transaction means for the wallet.
public enum WalletTransactionKind: Equatable, Sendable {
  /// A payment by others.
  case received
  /// A payment to others.
  case sent
  /// A payment to the wallet itself: a child that speeds up its parent.
  case moved
  /// Opens channels.
  case funding(channels: Int)
  case close
  case refund

  /// One word.
  public var name: String {
    switch self {
    case .received: return "received"
    case .sent: return "sent"
    case .moved: return "moved"
    case .funding: return "funding"
    case .close: return "close"
    case .refund: return "refund"
    }
  }
}
