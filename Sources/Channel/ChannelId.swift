import Bytes
import Crypto

/// The key of a channel in the ledger.
public enum ChannelId {
  /// A lease has up to eight channels, numbered from 0: `contract` is the lease's identifier.
  public static func of(contract: Bytes32, number: UInt8) -> Bytes32 {
    Sha256.tagged("zennet/channel", contract.array + [number])
  }
}
