import Bytes
import Foundation
import TestSupport
import Testing

@testable import Crypto

@Suite struct Secp256k1Tests {
  static let order = hex32("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")
  static let needsTree: Comment = "needs Bitcoin Core's tree: scripts/setup"

  /// Project Wycheproof, ECDSA over secp256k1 with SHA-256 and Bitcoin's rule of low S.
  @Test(.enabled(if: Vectors.areHere, needsTree)) func wycheproof() throws {
    let json =
      try Vectors.json(
        "src/secp256k1/src/wycheproof/ecdsa_secp256k1_sha256_bitcoin_test.json") as! [String: Any]
    var valid = 0
    var invalid = 0
    for group in json["testGroups"] as! [[String: Any]] {
      let key = hex((group["publicKey"] as! [String: Any])["uncompressed"] as! String)
      for test in group["tests"] as! [[String: Any]] {
        let isValid = test["result"] as! String == "valid"
        let accepted = Secp256k1.verifyEcdsa(
          der: hex(test["sig"] as! String), digest: Sha256.hash(hex(test["msg"] as! String)),
          publicKey: key)
        #expect(accepted == isValid, "test \(test["tcId"]!): \(test["comment"]!)")
        if isValid { valid += 1 } else { invalid += 1 }
      }
    }
    #expect(valid + invalid == json["numberOfTests"] as! Int)
    #expect(valid > 100 && invalid > 200)
  }

  /// BIP340's own vectors. Those with a message of other than 32 bytes do not concern us.
  @Test(.enabled(if: Vectors.areHere, needsTree)) func bip340() throws {
    let text = try Vectors.text("test/functional/test_framework/bip340_test_vectors.csv")
    var signed = 0
    var verified = 0
    for line in text.split(whereSeparator: \.isNewline).dropFirst() {
      let fields = line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      guard let digest = Bytes32(hex: fields[4]) else { continue }
      let publicKey = hex32(fields[2])
      let signature = hex(fields[5])
      let isValid = fields[6] == "TRUE"
      #expect(
        Secp256k1.verifySchnorr(signature, digest: digest, xOnlyKey: publicKey) == isValid,
        "vector \(fields[0])")
      verified += 1
      if fields[1].isEmpty { continue }
      let secret = hex32(fields[1])
      #expect(
        try Secp256k1.xOnlyKey(of: Secp256k1.publicKey(of: secret)).key == publicKey)
      #expect(
        try Secp256k1.signSchnorr(digest: digest, secret: secret, auxiliary: hex32(fields[3]))
          == signature, "vector \(fields[0])")
      signed += 1
    }
    #expect(signed == 4 && verified == 15)
  }

  private func bip341() throws -> [String: Any] {
    try Vectors.json("src/test/data/bip341_wallet_vectors.json") as! [String: Any]
  }

  /// BIP341's wallet vectors: output keys.
  @Test(.enabled(if: Vectors.areHere, needsTree)) func bip341OutputKeys() throws {
    let cases = try bip341()["scriptPubKey"] as! [[String: Any]]
    var parities = 0
    for entry in cases {
      let given = entry["given"] as! [String: Any]
      let between = entry["intermediary"] as! [String: Any]
      let internalKey = hex32(given["internalPubkey"] as! String)
      let root = (between["merkleRoot"] as? String).map(hex) ?? []
      let tweak = Sha256.tagged("TapTweak", internalKey.array + root)
      #expect(tweak.hex == between["tweak"] as! String)
      let (key, isOdd) = try Secp256k1.tweakXOnly(internalKey, by: tweak)
      #expect(key.hex == between["tweakedPubkey"] as! String)
      // A control block's first bit is the parity of the output key.
      let expected = entry["expected"] as! [String: Any]
      for block in expected["scriptPathControlBlocks"] as? [String] ?? [] {
        #expect((hex(block)[0] & 1 == 1) == isOdd)
        parities += 1
      }
    }
    #expect(cases.count >= 7 && parities > 5)
  }

  /// BIP341's wallet vectors: tweaked secrets and signatures.
  @Test(.enabled(if: Vectors.areHere, needsTree)) func bip341Spending() throws {
    let transactions = try bip341()["keyPathSpending"] as! [[String: Any]]
    var checked = 0
    for transaction in transactions {
      for input in transaction["inputSpending"] as! [[String: Any]] {
        let given = input["given"] as! [String: Any]
        let between = input["intermediary"] as! [String: Any]
        let secret = hex32(given["internalPrivkey"] as! String)
        let (internalKey, _) = try Secp256k1.xOnlyKey(of: Secp256k1.publicKey(of: secret))
        #expect(internalKey.hex == between["internalPubkey"] as! String)
        let tweaked = try Secp256k1.tweakXOnlySecret(
          secret, by: hex32(between["tweak"] as! String))
        #expect(tweaked.hex == between["tweakedPrivkey"] as! String)
        let digest = hex32(between["sigHash"] as! String)
        let signature = try Secp256k1.signSchnorr(
          digest: digest, secret: tweaked, auxiliary: .zero)
        let witness = ((input["expected"] as! [String: Any])["witness"] as! [String])[0]
        #expect(Hex.encode(signature) == witness.prefix(128))
        checked += 1
      }
    }
    #expect(checked >= 7)
  }

  /// A widely published RFC 6979 vector for this curve: secret 1, "Satoshi Nakamoto".
  @Test func ecdsaIsDeterministic() throws {
    let one = hex32("0000000000000000000000000000000000000000000000000000000000000001")
    let digest = Sha256.hash(Array("Satoshi Nakamoto".utf8))
    let der = try Secp256k1.signEcdsa(digest: digest, secret: one)
    #expect(
      Hex.encode(der)
        == "3045022100934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8"
        + "02202442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5")
    #expect(
      Secp256k1.verifyEcdsa(
        der: der, digest: digest, publicKey: try Secp256k1.publicKey(of: one)))
  }

  @Test func blindingChangesNoResult() throws {
    let secret = hex32("00000000000000000000000000000000000000000000000000000000000000ab")
    let before = try Secp256k1.signEcdsa(digest: .zero, secret: secret)
    Secp256k1.randomize(seed: hex32(String(repeating: "5a", count: 32)))
    #expect(try Secp256k1.signEcdsa(digest: .zero, secret: secret) == before)
  }

  @Test func secretsThatAreNone() {
    let above = hex32("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364142")
    for secret in [Bytes32.zero, Self.order, above] {
      #expect(!Secp256k1.isValidSecret(secret))
      #expect(throws: CryptoError.invalidKey) { _ = try Secp256k1.publicKey(of: secret) }
      #expect(throws: CryptoError.invalidKey) {
        _ = try Secp256k1.signEcdsa(digest: .zero, secret: secret)
      }
      #expect(throws: CryptoError.invalidKey) {
        _ = try Secp256k1.signSchnorr(digest: .zero, secret: secret, auxiliary: .zero)
      }
    }
  }

  @Test func publicKeysThatAreNone() throws {
    let good = try Secp256k1.publicKey(of: hex32(String(repeating: "11", count: 32)))
    #expect(Secp256k1.isValidPublicKey(good))
    // x = 5 is not on the curve.
    let notOnCurve = [2] + [UInt8](repeating: 0, count: 31) + [5]
    let bad: [[UInt8]] = [
      [], Array(good.dropLast()), good + [0], [4] + good.dropFirst(),
      [2] + [UInt8](repeating: 0xff, count: 32), notOnCurve,
    ]
    for key in bad {
      #expect(!Secp256k1.isValidPublicKey(key))
      #expect(throws: CryptoError.invalidKey) { _ = try Secp256k1.xOnlyKey(of: key) }
      #expect(throws: CryptoError.invalidKey) {
        _ = try Secp256k1.add(.zero, toPublicKey: key)
      }
      #expect(!Secp256k1.verifyEcdsa(der: [], digest: .zero, publicKey: key))
    }
    #expect(throws: CryptoError.invalidKey) {
      _ = try Secp256k1.tweakXOnly(
        hex32("0000000000000000000000000000000000000000000000000000000000000005"), by: .zero)
    }
  }

  /// Deriving a child's public key from the parent's gives the key of the child's secret.
  @Test func tweaksOfSecretAndPublicKeyAgree() throws {
    var random = SeededGenerator(seed: 11)
    for _ in 0..<50 {
      let secret = random.bytes32()
      let tweak = random.bytes32()
      let child = try Secp256k1.add(tweak, toSecret: secret)
      let childKey = try Secp256k1.add(
        tweak, toPublicKey: try Secp256k1.publicKey(of: secret))
      #expect(try Secp256k1.publicKey(of: child) == childKey)
      let (internalKey, _) = try Secp256k1.xOnlyKey(of: Secp256k1.publicKey(of: secret))
      let (output, isOdd) = try Secp256k1.tweakXOnly(internalKey, by: tweak)
      let outputSecret = try Secp256k1.tweakXOnlySecret(secret, by: tweak)
      let full = try Secp256k1.xOnlyKey(of: Secp256k1.publicKey(of: outputSecret))
      #expect(full.key == output && full.isOdd == isOdd)
    }
  }

  /// A tweak that cancels the secret leaves the point at infinity.
  @Test func aTweakThatCancels() throws {
    let one = hex32("0000000000000000000000000000000000000000000000000000000000000001")
    let minusOne = hex32("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140")
    #expect(throws: CryptoError.invalidKey) { _ = try Secp256k1.add(minusOne, toSecret: one) }
    #expect(throws: CryptoError.invalidKey) {
      _ = try Secp256k1.add(minusOne, toPublicKey: try Secp256k1.publicKey(of: one))
    }
    #expect(throws: CryptoError.invalidKey) { _ = try Secp256k1.add(Self.order, toSecret: one) }
  }

  @Test func everyChangedBitOfASignatureIsNoticed() throws {
    let secret = hex32(String(repeating: "22", count: 32))
    let key = try Secp256k1.publicKey(of: secret)
    let xOnly = try Secp256k1.xOnlyKey(of: key).key
    let digest = Sha256.hash([1])
    let der = try Secp256k1.signEcdsa(digest: digest, secret: secret)
    for bit in 0..<(der.count * 8) {
      var changed = der
      changed[bit / 8] ^= 1 << (bit % 8)
      #expect(!Secp256k1.verifyEcdsa(der: changed, digest: digest, publicKey: key), "bit \(bit)")
    }
    let schnorr = try Secp256k1.signSchnorr(digest: digest, secret: secret, auxiliary: .zero)
    for bit in 0..<(64 * 8) {
      var changed = schnorr
      changed[bit / 8] ^= 1 << (bit % 8)
      #expect(!Secp256k1.verifySchnorr(changed, digest: digest, xOnlyKey: xOnly), "bit \(bit)")
    }
    #expect(!Secp256k1.verifySchnorr(schnorr + [0], digest: digest, xOnlyKey: xOnly))
    #expect(!Secp256k1.verifySchnorr([], digest: digest, xOnlyKey: xOnly))
  }
}
