import Bitcoin
import Bytes
import Channel
import Crypto

/// The secrets of a wallet: one BIP86 account, and hardened keys beside it for other purposes.
public struct WalletKeys: Sendable {
  /// The purpose of a hardened key beside the account; part of its path, m/7263'/purpose'/index'.
  public enum Purpose: UInt32, Sendable {
    /// The publisher's identity.
    case identity = 1
    /// The publisher's key of a channel.
    case channel = 2
    /// The key of the wallet's output in a channel's close.
    case closeReturn = 3
    /// Encrypts the data that the phrase cannot derive (``ChannelBackup``).
    case backup = 4
  }

  /// The largest channel index that fits a funding's backup.
  public static let maxChannelIndex: UInt32 = (1 << 24) - 1

  private let master: ExtendedKey
  private let chains: [ExtendedKey]
  let backupSecret: Bytes32

  /// Identifies the wallet without revealing its keys.
  public let identity: Bytes32

  /// - Parameter seed: the output of ``Phrase/seed(passphrase:)``.
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
    backupSecret = try WalletKeys.secret(master, .backup, 0)
  }

  public init(phrase: Phrase, passphrase: String = "", network: Network) throws(WalletError) {
    try self.init(seed: phrase.seed(passphrase: passphrase), network: network)
  }

  // MARK: Keys for other purposes

  private static func secret(
    _ master: ExtendedKey, _ purpose: Purpose, _ index: UInt32
  ) throws(WalletError) -> Bytes32 {
    let hardened = ExtendedKey.hardened
    precondition(index < hardened)
    return try master.descendant(hardened + 7263, hardened + purpose.rawValue, hardened + index)
      .secret
  }

  /// A secret that the phrase restores: m/7263'/purpose'/index'. `index` is below 2^31.
  public func derivedSecret(_ purpose: Purpose, index: UInt32) throws(WalletError) -> Bytes32 {
    try WalletKeys.secret(master, purpose, index)
  }

  /// The compressed public key of ``derivedSecret(_:index:)``, 33 bytes.
  public func derivedKey(_ purpose: Purpose, index: UInt32) throws(WalletError) -> [UInt8] {
    let secret = try derivedSecret(purpose, index: index)
    do { return try Secp256k1.publicKey(of: secret) } catch { throw .key }
  }

  // MARK: Scripts

  private func key(_ path: KeyPath) throws(WalletError) -> ExtendedKey {
    try chains[Int(path.chain.rawValue)].child(path.index)
  }

  /// The BIP341 output key that commits to no script, and its tweak.
  private static func outputKey(
    _ publicKey: [UInt8]
  ) throws(CryptoError) -> (key: Bytes32, tweak: Bytes32) {
    let (inner, _) = try Secp256k1.xOnlyKey(of: publicKey)
    let tweak = Sha256.tagged("TapTweak", inner.array)
    return (try Secp256k1.tweakXOnly(inner, by: tweak).key, tweak)
  }

  /// The output script that pays to this key.
  public func script(_ path: KeyPath) throws(WalletError) -> [UInt8] {
    if path.chain == .closeReturn {
      return ReturnScript.scriptPubKey(
        returnKey: try derivedKey(.closeReturn, index: path.index))
    }
    let publicKey = try key(path).publicKey
    do {
      return Script.p2tr(outputKey: try WalletKeys.outputKey(publicKey).key)
    } catch { throw .key }
  }

  // MARK: Signing

  /// The witness of an input that spends an output of ``script(_:)``. `spent` are the outputs that
  /// all inputs spend, in order.
  func witness(
    _ transaction: Transaction, inputIndex: Int, spent: [TransactionOutput], path: KeyPath,
    random: Bytes32
  ) throws(WalletError) -> [[UInt8]] {
    if path.chain != .closeReturn {
      let digest = Sighash.taprootKeyPath(
        transaction, inputIndex: inputIndex, spentOutputs: spent)
      let auxiliary = Sha256.tagged("zennet/aux", random.array + digest.array)
      return [try sign(digest, path: path, auxiliary: auxiliary)]
    }
    let secret = try derivedSecret(.closeReturn, index: path.index)
    do {
      let returnKey = try Secp256k1.publicKey(of: secret)
      let digest = Sighash.segwitV0(
        transaction, inputIndex: inputIndex,
        scriptCode: ReturnScript.witnessScript(returnKey: returnKey),
        amountSat: spent[inputIndex].amountSat)
      let signature = try Secp256k1.signEcdsa(digest: digest, secret: secret)
      if Secp256k1.verifyEcdsa(der: signature, digest: digest, publicKey: returnKey) {
        return ReturnScript.witness(signature: signature, returnKey: returnKey)
      }
    } catch { throw .key }
    throw .key
  }

  /// A Schnorr signature of 64 bytes for the taproot output of ``script(_:)``, verified before it
  /// is returned.
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
}
