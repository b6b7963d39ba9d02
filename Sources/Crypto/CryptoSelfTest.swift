import Bytes

/// One published test vector for each algorithm that the agent uses.
public enum CryptoSelfTest {
  public static func run(_ report: (StaticString, Bool) -> Void) {
    let abc = Array("abc".utf8)
    report(
      "crypto: SHA-256 (FIPS 180-4)",
      Sha256.hash(abc).array
        == Hex.constant("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        && Sha256.double(abc) == Sha256.hash(Sha256.hash(abc).array))
    report(
      "crypto: HMAC-SHA-256 (RFC 4231)",
      Hmac.sha256(key: Array("Jefe".utf8), Array("what do ya want for nothing?".utf8)).array
        == Hex.constant("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"))
    report(
      "crypto: SipHash-2-4",
      SipHash(key: Array(0..<16)).hash(Array(0..<15)) == 0xa129_ca61_49be_45e5)
    report("crypto: X25519 (RFC 7748)", agreementWorks())
    report("crypto: Ed25519 (RFC 8032)", identityWorks())
    report("crypto: ECDSA over secp256k1 (RFC 6979)", (try? ecdsaWorks()) ?? false)
  }

  private static func agreementWorks() -> Bool {
    let alice = Bytes32(
      Hex.constant("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"))
    let bob = Bytes32(
      Hex.constant("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"))
    guard let shared = try? X25519.agree(secret: alice, publicKey: bob) else { return false }
    return shared.array
      == Hex.constant("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742")
      && (try? X25519.agree(secret: alice, publicKey: .zero)) == nil
  }

  private static func identityWorks() -> Bool {
    let pair = Ed25519.KeyPair(
      seed: Bytes32(
        Hex.constant("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7")))
    let signature = pair.sign([0xaf, 0x82])
    return signature
      == Hex.constant(
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290",
        "ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
      ) && Ed25519.verify(signature, of: [0xaf, 0x82], by: pair.publicKey)
      && !Ed25519.verify(signature, of: [0xaf, 0x83], by: pair.publicKey)
  }

  private static func ecdsaWorks() throws(CryptoError) -> Bool {
    let one = Bytes32([UInt8](repeating: 0, count: 31) + [1])
    let digest = Sha256.hash(Array("Satoshi Nakamoto".utf8))
    let der = try Secp256k1.signEcdsa(digest: digest, secret: one)
    let key = try Secp256k1.publicKey(of: one)
    return der
      == Hex.constant(
        "3045022100934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8022024",
        "42ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5"
      ) && Secp256k1.verifyEcdsa(der: der, digest: digest, publicKey: key)
      && !Secp256k1.verifyEcdsa(der: der, digest: .zero, publicKey: key)
  }
}
