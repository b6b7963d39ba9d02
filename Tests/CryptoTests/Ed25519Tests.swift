import Bytes
import TestSupport
import Testing

@testable import Crypto

@Suite struct Ed25519Tests {
  struct Vector: Sendable {
    let seed: String
    let publicKey: String
    let message: String
    let signature: String
  }

  /// RFC 8032, 7.1, tests 1 to 3.
  static let vectors = [
    Vector(
      seed: "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
      publicKey: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", message: "",
      signature: "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        + "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"),
    Vector(
      seed: "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
      publicKey: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", message: "72",
      signature: "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        + "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"),
    Vector(
      seed: "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
      publicKey: "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
      message: "af82",
      signature: "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        + "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"),
  ]

  @Test(arguments: vectors)
  func rfc8032(vector: Vector) {
    let pair = Ed25519.KeyPair(seed: hex32(vector.seed))
    #expect(pair.publicKey.hex == vector.publicKey)
    let message = hex(vector.message)
    let signature = pair.sign(message)
    #expect(Hex.encode(signature) == vector.signature)
    #expect(Ed25519.verify(signature, of: message, by: pair.publicKey))
    #expect(!Ed25519.verify(signature, of: message + [0], by: pair.publicKey))
  }

  @Test func everyChangedBitIsNoticed() {
    let pair = Ed25519.KeyPair(seed: hex32(Self.vectors[0].seed))
    let message: [UInt8] = [1, 2, 3]
    let signature = pair.sign(message)
    for bit in 0..<(64 * 8) {
      var changed = signature
      changed[bit / 8] ^= 1 << (bit % 8)
      #expect(!Ed25519.verify(changed, of: message, by: pair.publicKey), "bit \(bit)")
    }
  }

  /// The same signature with the group's order added to S must not be another valid one.
  @Test func aMalleatedSignatureIsRefused() {
    let order = hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
    let pair = Ed25519.KeyPair(seed: hex32(Self.vectors[1].seed))
    var signature = pair.sign([7])
    var carry = 0
    for index in 0..<32 {
      let sum = Int(signature[32 + index]) + Int(order[index]) + carry
      signature[32 + index] = UInt8(sum & 255)
      carry = sum >> 8
    }
    #expect(carry == 0)
    #expect(!Ed25519.verify(signature, of: [7], by: pair.publicKey))
  }

  @Test func lengthsThatAreWrong() {
    let pair = Ed25519.KeyPair(seed: hex32(Self.vectors[0].seed))
    let signature = pair.sign([])
    #expect(!Ed25519.verify([], of: [], by: pair.publicKey))
    #expect(!Ed25519.verify(Array(signature.dropLast()), of: [], by: pair.publicKey))
    #expect(!Ed25519.verify(signature + [0], of: [], by: pair.publicKey))
  }

  /// libsodium's own test of the conversion (test/default/ed25519_convert.c).
  @Test func agreementKeyVector() throws {
    let pair = Ed25519.KeyPair(
      seed: hex32("421151a459faeade3d247115f94aedae42318124095afabe4d1451a559faedee"))
    #expect(
      try Ed25519.agreementKey(of: pair.publicKey).hex
        == "f1814f0e8ff1043d8a44d25babff3cedcae6c22c3edaa48f857ae70de2baae50")
    #expect(
      pair.agreementSecret.hex
        == "8052030376d47112be7f73ed7a019293dd12ad910b654455798b4667d73de166")
  }

  @Test func bothFormsOfAnIdentityBelongTogether() throws {
    var random = SeededGenerator(seed: 7)
    for _ in 0..<50 {
      let pair = Ed25519.KeyPair(seed: random.bytes32())
      #expect(
        try Ed25519.agreementKey(of: pair.publicKey) == X25519.publicKey(of: pair.agreementSecret))
    }
  }

  /// Small order, small order, not on the curve, not reduced.
  @Test(arguments: [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0200000000000000000000000000000000000000000000000000000000000000",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
  ])
  func agreementKeyOfNoKey(key: String) {
    #expect(throws: CryptoError.invalidKey) { _ = try Ed25519.agreementKey(of: hex32(key)) }
    #expect(!Ed25519.verify([UInt8](repeating: 0, count: 64), of: [], by: hex32(key)))
  }
}
