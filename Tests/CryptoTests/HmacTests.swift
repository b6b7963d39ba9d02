import Bytes
import TestSupport
import Testing

@testable import Crypto

@Suite struct HmacTests {
  @Test(.enabled(if: Vectors.areHere, "needs Bitcoin Core's tree: scripts/setup"))
  func sha256VectorsOfBitcoinCore() throws {
    let calls = try CoreCalls.of("TestHMACSHA256", in: "src/test/crypto_tests.cpp")
    #expect(calls.count >= 9)
    for call in calls {
      #expect(Hmac.sha256(key: hex(call[0]), hex(call[1])).hex == call[2])
    }
  }

  @Test(.enabled(if: Vectors.areHere, "needs Bitcoin Core's tree: scripts/setup"))
  func sha512VectorsOfBitcoinCore() throws {
    let calls = try CoreCalls.of("TestHMACSHA512", in: "src/test/crypto_tests.cpp")
    #expect(calls.count >= 9)
    for call in calls {
      #expect(Hex.encode(Hmac.sha512(key: hex(call[0]), hex(call[1]))) == call[2])
    }
  }

  @Test func caseTwoOfRfc4231() {
    let message = Array("what do ya want for nothing?".utf8)
    #expect(
      Hmac.sha256(key: Array("Jefe".utf8), message).hex
        == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
  }

  /// Noise's HKDF is RFC 5869's with the chaining key as salt and no info: test case 3, whose salt
  /// is 32 zero bytes, gives 42 bytes.
  @Test func noiseHkdfIsCaseThreeOfRfc5869() {
    let input = [UInt8](repeating: 0x0b, count: 22)
    let (first, second, third) = Hmac.noiseHkdf(chainingKey: .zero, input: input)
    #expect(first.hex == "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d")
    #expect(second.hex.hasPrefix("9d201395faa4b61a96c8"))
    #expect(third != first && third != second)
  }

  /// The seed of BIP39's first test vector (trezor/python-mnemonic, vectors.json).
  @Test func pbkdf2OfABip39Phrase() {
    let phrase =
      "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"
    let seed = Hmac.pbkdf2Sha512(
      password: Array(phrase.utf8), salt: Array("mnemonicTREZOR".utf8), iterations: 2048)
    #expect(
      Hex.encode(seed)
        == "c55257c360c07c72029aebc1b53c05ed0362ada38ead3e3e9efa3708e53495531f09a6987599d182"
        + "64c1e1c92f2cf141630c7a3c4ab7c81b2f001698e7463b04")
  }

  @Test func pbkdf2OfOneIteration() {
    // PBKDF2-HMAC-SHA512, "password", "salt", one iteration (published beside RFC 6070's cases).
    let key = Hmac.pbkdf2Sha512(
      password: Array("password".utf8), salt: Array("salt".utf8), iterations: 1)
    #expect(
      Hex.encode(key)
        == "867f70cf1ade02cff3752599a3a53dc4af34c7a669815ae5d513554e1c8cf252c02d470a285a0501"
        + "bad999bfe943c08f050235d7d68b1da55e63f73b60a57fce")
  }
}
