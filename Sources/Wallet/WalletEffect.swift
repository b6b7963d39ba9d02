import Bitcoin
import Bytes

/// What the wallet requests from its driver: to be carried out in order, each before the next.
public enum WalletEffect: Equatable, Sendable {
  /// Report every block that touches this script, from `fromHeight` on.
  case watch(script: [UInt8], fromHeight: UInt32)
  /// An output of this script is known from an earlier run.
  case recall(OutPoint, script: [UInt8])
  /// Replace the wallet's document on disk, durably.
  case store([UInt8])
  /// Relay, repeatedly until it confirms.
  case broadcast(Transaction)
  case forget(txid: Bytes32)
}

/// Coins reserved for a transaction that is not built yet, so that no other one spends them.
public struct WalletReservation: Hashable, Sendable {
  let number: UInt64
}

/// The keys of a channel that is being negotiated.
public struct ChannelKeys: Equatable, Sendable {
  public let index: UInt32
  public let secret: Bytes32
  /// Compressed public keys, 33 bytes.
  public let publisherKey: [UInt8]
  public let returnKey: [UInt8]
}
