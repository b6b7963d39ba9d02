import Bytes
import Crypto
import Wallet

/// The publisher's keys beside its coins, all brought back by the wallet's phrase.
public struct RunSecrets: Sendable {
  /// Signs contracts and receipts, and proves who listens.
  public let identity: Ed25519.KeyPair
  private let keys: WalletKeys

  /// Purposes of ``WalletKeys/derivedSecret(purpose:index:)``.
  private static let identityPurpose: UInt32 = 1
  private static let channelPurpose: UInt32 = 2

  public init(keys: WalletKeys) throws(WalletError) {
    self.keys = keys
    identity = Ed25519.KeyPair(
      seed: try keys.derivedSecret(purpose: RunSecrets.identityPurpose, index: 0))
  }

  /// The secret of one channel; an index is used once.
  func channelSecret(_ index: UInt32) throws(WalletError) -> Bytes32 {
    try keys.derivedSecret(purpose: RunSecrets.channelPurpose, index: index)
  }
}
