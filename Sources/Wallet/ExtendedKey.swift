import Bytes
import Crypto

/// A private key with its chain code: BIP32. Fingerprints and the base58 form are not needed here.
struct ExtendedKey: Equatable, Sendable {
  static let hardened: UInt32 = 0x8000_0000

  let secret: Bytes32
  let chainCode: Bytes32

  /// The master key of a seed of 16 to 64 bytes.
  init(seed: [UInt8]) throws(WalletError) {
    try self.init(Hmac.sha512(key: Array("Bitcoin seed".utf8), seed)) { $0 }
  }

  private init(
    _ digest: [UInt8], _ finish: (Bytes32) throws(CryptoError) -> Bytes32
  ) throws(WalletError) {
    do { secret = try finish(Bytes32(digest)) } catch { throw .key }
    if !Secp256k1.isValidSecret(secret) { throw .key }
    chainCode = Bytes32(digest, at: 32)
  }

  var publicKey: [UInt8] {
    get throws(WalletError) {
      do { return try Secp256k1.publicKey(of: secret) } catch { throw .key }
    }
  }

  /// The child of this index; with ``hardened`` added, a public key cannot derive it.
  func child(_ index: UInt32) throws(WalletError) -> ExtendedKey {
    var writer = ByteWriter(reserving: 37)
    if index >= ExtendedKey.hardened {
      writer.u8(0)
      writer.append(secret)
    } else {
      writer.append(try publicKey)
    }
    writer.u32be(index)
    let parent = secret
    return try ExtendedKey(Hmac.sha512(key: chainCode.array, writer.bytes)) {
      (tweak) throws(CryptoError) in
      try Secp256k1.add(tweak, toSecret: parent)
    }
  }

  func descendant(_ path: UInt32...) throws(WalletError) -> ExtendedKey {
    var key = self
    for index in path { key = try key.child(index) }
    return key
  }
}
