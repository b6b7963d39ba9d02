import Bytes
import Crypto
import Session
import Wallet

/// What does not depend on what is hired.
public struct HiringSettings: Sendable {
  /// Callers of one address that have not proven who they are, at most; raise it on networks where
  /// everybody calls from one address.
  public var strangersPerAddress = 4
  /// The same over all addresses: when it is reached, the one that waits longest is hung up on.
  public var strangers = 64
  /// Callers of one address that are known and not hired, at most.
  public var guestsPerAddress = 16
  /// The session's bounds; both ends need as many streams.
  public var session: SessionLimits

  public init() {
    session = SessionLimits()
    session.streams = 256
  }
}

/// The publisher's keys beside its coins, all brought back by the wallet's phrase.
public struct HiringSecrets: Sendable {
  /// Signs contracts and statements, and proves who listens.
  public let identity: Ed25519.KeyPair
  let keys: WalletKeys

  public init(keys: WalletKeys) throws(WalletError) {
    self.keys = keys
    identity = Ed25519.KeyPair(seed: try keys.derivedSecret(.identity, index: 0))
  }

  /// The secret of one channel; an index is used once.
  func channelSecret(_ index: UInt32) throws(WalletError) -> Bytes32 {
    try keys.derivedSecret(.channel, index: index)
  }
}

/// Reads at most `count` bytes of a bundle from `offset` on; nil where the digest is unknown.
public typealias BundleReader = (_ digest: Bytes32, _ offset: UInt64, _ count: Int) -> [UInt8]?
