import Bitcoin
import Bytes

/// A transaction that touches the wallet.
public struct WalletTransaction: Equatable, Sendable {
  public let txid: Bytes32
  /// Made by this wallet, as far as it remembers.
  public internal(set) var isOwn: Bool
  /// The block that holds it; nil while unconfirmed.
  public internal(set) var height: UInt32?
  /// The height up to which blocks were known when it was first seen.
  public internal(set) var seenHeight: UInt32
  /// What it pays to the wallet, change included.
  public internal(set) var receivedSat: UInt64
  /// What it takes from the wallet's coins.
  public internal(set) var spentSat: UInt64
  /// Known where all inputs are the wallet's coins or its channels.
  public internal(set) var feeSat: UInt64?
  /// Kept until it is buried: to be relayed again, and to see what conflicts with it.
  public internal(set) var transaction: Transaction?
}

/// What a transaction is to the wallet.
public enum WalletTransactionKind: Equatable, Sendable {
  /// Somebody paid.
  case received
  /// A payment to somebody.
  case sent
  /// Everything came back: a child that speeds up its parent.
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
