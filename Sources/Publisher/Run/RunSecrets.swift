import Bytes
import Crypto
import Wallet

/// The publisher's keys beside its coins, all brought back by the wallet's phrase.
public struct RunSecrets: Sendable {
  /// Signs contracts and receipts, and proves who listens.
  public let identity: Ed25519.KeyPair
  private let keys: WalletKeys

  public init(keys: WalletKeys) throws(WalletError) {
    self.keys = keys
    identity = Ed25519.KeyPair(
      seed: try keys.derivedSecret(.identity, index: 0))
  }

  /// The secret of one channel; an index is used once.
  func channelSecret(_ index: UInt32) throws(WalletError) -> Bytes32 {
    try keys.derivedSecret(.channel, index: index)
  }
}
