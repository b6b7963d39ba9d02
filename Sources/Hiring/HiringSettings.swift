import Bytes
import Crypto
import Session
import Wallet

/// Settings that apply to all pools.
public struct HiringSettings: Sendable {
  /// Most unauthenticated callers per address. Raise it where all providers share one address.
  public var strangersPerAddress = 4
  /// Most unauthenticated callers in total. Beyond it, the oldest is disconnected.
  public var strangers = 64
  /// Most authenticated callers per address without a lease.
  public var guestsPerAddress = 16
  /// Session limits. Both ends must allow the same number of streams.
  public var session: SessionLimits

  public init() {
    session = SessionLimits()
    session.streams = 256
  }
}

/// The publisher's non-wallet keys, all derived from the wallet's phrase.
public struct HiringSecrets: Sendable {
  /// Signs contracts and statements, and authenticates the publisher in the handshake.
  public let identity: Ed25519.KeyPair
  let keys: WalletKeys

  public init(keys: WalletKeys) throws(WalletError) {
    self.keys = keys
    identity = Ed25519.KeyPair(seed: try keys.derivedSecret(.identity, index: 0))
  }

  /// The secret of one channel. Each index must be used only once.
  func channelSecret(_ index: UInt32) throws(WalletError) -> Bytes32 {
    try keys.derivedSecret(.channel, index: index)
  }
}

/// Reads at most `count` bytes of a bundle at `offset`; nil if the digest is unknown.
public typealias BundleReader = (_ digest: Bytes32, _ offset: UInt64, _ count: Int) -> [UInt8]?
