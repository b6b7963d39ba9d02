import Bytes
import CSecp256k1

/// Bitcoin's curve, by libsecp256k1: ECDSA, Schnorr (BIP340) and tweaks (BIP32, BIP341).
public enum Secp256k1 {
  /// One context for the program. It holds no secrets. Signing is constant-time even without
  /// blinding on the supported processors; `randomize` adds blinding where entropy is available.
  ///
  /// It is allocated here: the library would abort the process if its own allocation failed.
  nonisolated(unsafe) private static let context: OpaquePointer = {
    let flags = UInt32(SECP256K1_CONTEXT_NONE)
    let memory = UnsafeMutableRawPointer.allocate(
      byteCount: secp256k1_context_preallocated_size(flags), alignment: 16)
    return secp256k1_context_preallocated_create(memory, flags)
  }()

  /// Blinds the context against side channels. `seed` is 32 random bytes. Call once at start.
  public static func randomize(seed: Bytes32) {
    _ = secp256k1_context_randomize(context, seed.array)
  }

  // MARK: Secret keys

  /// True for a scalar from 1 to the order less one.
  public static func isValidSecret(_ secret: Bytes32) -> Bool {
    secp256k1_ec_seckey_verify(context, secret.array) == 1
  }

  /// The compressed public key, 33 bytes.
  public static func publicKey(of secret: Bytes32) throws(CryptoError) -> [UInt8] {
    var key = secp256k1_pubkey()
    if secp256k1_ec_pubkey_create(context, &key, secret.array) != 1 { throw CryptoError.invalidKey }
    return serialize(&key)
  }

  /// `secret + tweak` modulo the order (BIP32's private derivation).
  public static func add(_ tweak: Bytes32, toSecret secret: Bytes32) throws(CryptoError) -> Bytes32
  {
    var bytes = secret.array
    if secp256k1_ec_seckey_tweak_add(context, &bytes, tweak.array) != 1 {
      throw CryptoError.invalidKey
    }
    return Bytes32(bytes)
  }

  // MARK: Public keys

  /// True for a point in compressed form (33 bytes).
  public static func isValidPublicKey(_ publicKey: [UInt8]) -> Bool {
    var key = secp256k1_pubkey()
    return publicKey.count == 33 && parse(publicKey, &key)
  }

  /// True for a point in any form that the network allows: 33 or 65 bytes.
  public static func isPoint(_ publicKey: [UInt8]) -> Bool {
    var key = secp256k1_pubkey()
    return parse(publicKey, &key)
  }

  /// `point + tweak·G` (BIP32's public derivation), compressed.
  public static func add(
    _ tweak: Bytes32, toPublicKey publicKey: [UInt8]
  ) throws(CryptoError) -> [UInt8] {
    var key = secp256k1_pubkey()
    if !parse(publicKey, &key) || secp256k1_ec_pubkey_tweak_add(context, &key, tweak.array) != 1 {
      throw CryptoError.invalidKey
    }
    return serialize(&key)
  }

  private static func parse(_ bytes: [UInt8], _ key: inout secp256k1_pubkey) -> Bool {
    secp256k1_ec_pubkey_parse(context, &key, bytes, bytes.count) == 1
  }

  private static func serialize(_ key: inout secp256k1_pubkey) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 33)
    var length = 33
    _ = secp256k1_ec_pubkey_serialize(
      context, &bytes, &length, &key, UInt32(SECP256K1_EC_COMPRESSED))
    return bytes
  }

  // MARK: ECDSA

  /// A DER signature with low S and a deterministic nonce (RFC 6979), without a hash type byte.
  public static func signEcdsa(
    digest: Bytes32, secret: Bytes32
  ) throws(CryptoError) -> [UInt8] {
    var signature = secp256k1_ecdsa_signature()
    if secp256k1_ecdsa_sign(context, &signature, digest.array, secret.array, nil, nil) != 1 {
      throw CryptoError.invalidKey
    }
    var bytes = [UInt8](repeating: 0, count: 72)
    var length = 72
    _ = secp256k1_ecdsa_signature_serialize_der(context, &bytes, &length, &signature)
    return Array(bytes[0..<length])
  }

  /// A parsed public key. Parsing takes a square root, so keep this form for verifying many
  /// signatures by one key.
  public struct PublicKey: Sendable {
    fileprivate var point = secp256k1_pubkey()

    /// Nil unless the bytes are a point in compressed (33) or uncompressed (65) form.
    public init?(_ bytes: [UInt8]) {
      if !Secp256k1.parse(bytes, &point) { return nil }
    }

    /// Strict DER with low S, as in Bitcoin's standardness rules. With `allowsHighS` either S is
    /// valid, as in blocks.
    public func verifies(der: [UInt8], digest: Bytes32, allowsHighS: Bool = false) -> Bool {
      Secp256k1.verify(der, digest, self, allowsHighS)
    }
  }

  /// Same as ``PublicKey/verifies(der:digest:allowsHighS:)``, with a key that is parsed at each
  /// call.
  public static func verifyEcdsa(
    der: [UInt8], digest: Bytes32, publicKey: [UInt8], allowsHighS: Bool = false
  ) -> Bool {
    guard let key = PublicKey(publicKey) else { return false }
    return key.verifies(der: der, digest: digest, allowsHighS: allowsHighS)
  }

  private static func verify(
    _ der: [UInt8], _ digest: Bytes32, _ key: PublicKey, _ allowsHighS: Bool
  ) -> Bool {
    var signature = secp256k1_ecdsa_signature()
    if secp256k1_ecdsa_signature_parse_der(context, &signature, der, der.count) != 1 {
      return false
    }
    if allowsHighS {
      var normal = secp256k1_ecdsa_signature()
      _ = secp256k1_ecdsa_signature_normalize(context, &normal, &signature)
      signature = normal
    }
    return withUnsafeTemporaryAllocation(byteCount: 32, alignment: 8) { memory in
      digest.store(into: memory)
      let start = memory.baseAddress!.assumingMemoryBound(to: UInt8.self)
      return withUnsafePointer(to: key.point) { point in
        secp256k1_ecdsa_verify(context, &signature, start, point) == 1
      }
    }
  }

  // MARK: Schnorr

  /// The x-only public key of BIP340, and whether the full point has an odd y.
  public static func xOnlyKey(
    of publicKey: [UInt8]
  ) throws(CryptoError) -> (key: Bytes32, isOdd: Bool) {
    var key = secp256k1_pubkey()
    if !parse(publicKey, &key) { throw CryptoError.invalidKey }
    var xOnly = secp256k1_xonly_pubkey()
    var parity: Int32 = 0
    _ = secp256k1_xonly_pubkey_from_pubkey(context, &xOnly, &parity, &key)
    var bytes = [UInt8](repeating: 0, count: 32)
    _ = secp256k1_xonly_pubkey_serialize(context, &bytes, &xOnly)
    return (Bytes32(bytes), parity == 1)
  }

  /// 64 bytes (BIP340). `auxiliary` is 32 random bytes, or zero for a deterministic signature.
  public static func signSchnorr(
    digest: Bytes32, secret: Bytes32, auxiliary: Bytes32
  ) throws(CryptoError) -> [UInt8] {
    var pair = secp256k1_keypair()
    if secp256k1_keypair_create(context, &pair, secret.array) != 1 { throw CryptoError.invalidKey }
    var signature = [UInt8](repeating: 0, count: 64)
    if secp256k1_schnorrsig_sign32(context, &signature, digest.array, &pair, auxiliary.array) != 1 {
      throw CryptoError.invalidKey
    }
    return signature
  }

  public static func verifySchnorr(
    _ signature: [UInt8], digest: Bytes32, xOnlyKey: Bytes32
  ) -> Bool {
    var key = secp256k1_xonly_pubkey()
    if signature.count != 64 || secp256k1_xonly_pubkey_parse(context, &key, xOnlyKey.array) != 1 {
      return false
    }
    return secp256k1_schnorrsig_verify(context, signature, digest.array, 32, &key) == 1
  }

  /// BIP341's output key for a key-path-only output: internal key tweaked by `tweak`.
  public static func tweakXOnly(
    _ internalKey: Bytes32, by tweak: Bytes32
  ) throws(CryptoError) -> (key: Bytes32, isOdd: Bool) {
    var key = secp256k1_xonly_pubkey()
    var full = secp256k1_pubkey()
    if secp256k1_xonly_pubkey_parse(context, &key, internalKey.array) != 1
      || secp256k1_xonly_pubkey_tweak_add(context, &full, &key, tweak.array) != 1
    {
      throw CryptoError.invalidKey
    }
    return try xOnlyKey(of: serialize(&full))
  }

  /// The secret for the output key of ``tweakXOnly(_:by:)``.
  public static func tweakXOnlySecret(
    _ secret: Bytes32, by tweak: Bytes32
  ) throws(CryptoError) -> Bytes32 {
    var pair = secp256k1_keypair()
    if secp256k1_keypair_create(context, &pair, secret.array) != 1
      || secp256k1_keypair_xonly_tweak_add(context, &pair, tweak.array) != 1
    {
      throw CryptoError.invalidKey
    }
    var bytes = [UInt8](repeating: 0, count: 32)
    _ = secp256k1_keypair_sec(context, &bytes, &pair)
    return Bytes32(bytes)
  }
}
