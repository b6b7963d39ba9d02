import Bitcoin
import Bytes

/// What the wallet asks of its driver, to be carried out in the order given, each finished before
/// the next.
public enum WalletEffect: Equatable, Sendable {
  /// Tell of everything that touches this script from now on, from `fromHeight` on.
  case watch(script: [UInt8], fromHeight: UInt32)
  /// An output of this script is known from before.
  case recall(OutPoint, script: [UInt8])
  /// Replace the wallet's document on disk, durably.
  case store([UInt8])
  /// Relay, and again until it confirms.
  case broadcast(Transaction)
  case forget(txid: Bytes32)
}

/// Coins that are promised to something that is not built yet, so that nothing else spends them.
public struct WalletReservation: Hashable, Sendable {
  let number: UInt64
}

/// The keys of a channel that is about to be agreed on.
public struct ChannelKeys: Equatable, Sendable {
  public let index: UInt32
  public let secret: Bytes32
  /// Compressed public keys, 33 bytes.
  public let publisherKey: [UInt8]
  public let returnKey: [UInt8]
}
