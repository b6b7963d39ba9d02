import Bitcoin
import Bytes
import Crypto

/// Where a key of the wallet stands: m/86'/coin'/0'/chain/index (BIP86).
public struct KeyPath: Hashable, Sendable {
  public enum Chain: UInt32, Sendable {
    /// Told to others.
    case receive = 0
    /// The wallet's own change.
    case change = 1
  }

  public var chain: Chain
  public var index: UInt32

  public init(_ chain: Chain, _ index: UInt32) {
    self.chain = chain
    self.index = index
  }
}

/// The secrets of a wallet: one BIP86 account, and hardened keys beside it for other purposes.
public struct WalletKeys: Sendable {
  private let master: ExtendedKey
  private let chains: [ExtendedKey]

  /// Tells wallets apart without telling anything about their keys.
  public let identity: Bytes32

  /// - Parameter seed: what ``Phrase/seed(passphrase:)`` gives.
  public init(seed: [UInt8], network: Network) throws(WalletError) {
    let coin: UInt32 = network.rules == .bitcoin ? 0 : 1
    let hardened = ExtendedKey.hardened
    master = try ExtendedKey(seed: seed)
    let account = try master.descendant(hardened + 86, hardened + coin, hardened)
    chains = [
      try account.child(KeyPath.Chain.receive.rawValue),
      try account.child(KeyPath.Chain.change.rawValue),
    ]
    identity = Sha256.tagged("zennet/wallet", try account.publicKey + account.chainCode.array)
  }

  public init(phrase: Phrase, passphrase: String = "", network: Network) throws(WalletError) {
    try self.init(seed: phrase.seed(passphrase: passphrase), network: network)
  }

  private func key(_ path: KeyPath) throws(WalletError) -> ExtendedKey {
    try chains[Int(path.chain.rawValue)].child(path.index)
  }

  /// The key of BIP341 that commits to no script, and its tweak.
  private static func outputKey(
    _ publicKey: [UInt8]
  ) throws(CryptoError) -> (key: Bytes32, tweak: Bytes32) {
    let (inner, _) = try Secp256k1.xOnlyKey(of: publicKey)
    let tweak = Sha256.tagged("TapTweak", inner.array)
    return (try Secp256k1.tweakXOnly(inner, by: tweak).key, tweak)
  }

  /// The output script that pays to this key.
  public func script(_ path: KeyPath) throws(WalletError) -> [UInt8] {
    let publicKey = try key(path).publicKey
    do {
      return Script.p2tr(outputKey: try WalletKeys.outputKey(publicKey).key)
    } catch { throw .key }
  }

  /// A Schnorr signature of 64 bytes for the output of ``script(_:)``, checked before it is given.
  func sign(
    _ digest: Bytes32, path: KeyPath, auxiliary: Bytes32
  ) throws(WalletError) -> [UInt8] {
    let inner = try key(path)
    let publicKey = try inner.publicKey
    do {
      let (outputKey, tweak) = try WalletKeys.outputKey(publicKey)
      let secret = try Secp256k1.tweakXOnlySecret(inner.secret, by: tweak)
      let signature = try Secp256k1.signSchnorr(
        digest: digest, secret: secret, auxiliary: auxiliary)
      if Secp256k1.verifySchnorr(signature, digest: digest, xOnlyKey: outputKey) {
        return signature
      }
    } catch { throw .key }
    throw .key
  }

  /// A secret for another purpose, such as a channel, that the phrase brings back:
  /// m/7263'/purpose'/index'. Both numbers are below 2^31.
  public func derivedSecret(purpose: UInt32, index: UInt32) throws(WalletError) -> Bytes32 {
    let hardened = ExtendedKey.hardened
    precondition(purpose < hardened && index < hardened)
    return try master.descendant(hardened + 7263, hardened + purpose, hardened + index).secret
  }
}
