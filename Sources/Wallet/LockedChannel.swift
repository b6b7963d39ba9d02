import Bitcoin
import Bytes
import Channel

/// A payment channel that the wallet funded, with the data that the phrase and the chain provide:
/// enough to track its coins, and to refund them after the expiry.
public struct LockedChannel: Equatable, Sendable {
  /// How the coins left the channel.
  public struct Spend: Equatable, Sendable {
    public enum Kind: UInt8, Sendable {
      /// Both keys signed.
      case close = 1
      /// The wallet's key alone, after the expiry.
      case refund = 2
    }

    public var kind: Kind
    /// Wire byte order.
    public var txid: Bytes32
    /// Nil while unconfirmed; then this wallet relays it.
    public internal(set) var height: UInt32?
  }

  public let outPoint: OutPoint
  public let capacitySat: UInt64
  /// The index of the channel's keys (``WalletKeys/Purpose``).
  public let channelIndex: UInt32
  public let lock: ChannelLock
  /// The block that holds the funding; nil while none does.
  public internal(set) var fundingHeight: UInt32?
  public internal(set) var spend: Spend?

  /// Compressed public key, 33 bytes.
  public var providerKey: [UInt8] { lock.providerKey }
  public var expiryHeight: UInt32 { lock.expiryHeight }
  public var scriptPubKey: [UInt8] { lock.scriptPubKey }

  /// Whether a refund could be in the block after `height`.
  func isExpired(atHeight height: UInt32) -> Bool { height >= expiryHeight }
}
