import Bitcoin
import Bytes
import Crypto
import Foundation
import TestSupport
import Testing

@testable import Wallet

struct WalletKeysTests {
  private func keys(_ network: Network) throws -> WalletKeys {
    let words = [String](repeating: "abandon", count: 11) + ["about"]
    return try WalletKeys(phrase: try Phrase(words.joined(separator: " ")), network: network)
  }

  /// BIP86's published addresses.
  @Test func publishedAddresses() throws {
    let keys = try keys(.bitcoin)
    let expected: [(KeyPath, String)] = [
      (KeyPath(.receive, 0), "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr"),
      (KeyPath(.receive, 1), "bc1p4qhjn9zdvkux4e44uhx8tc55attvtyu358kutcqkudyccelu0was9fqzwh"),
      (KeyPath(.change, 0), "bc1p3qkhfews2uk44qtvauqyr2ttdsw7svhkl9nkm9s9c3x4ax5h60wqwruhk7"),
    ]
    for (path, address) in expected {
      #expect(Address.text(scriptPubKey: try keys.script(path), network: .bitcoin) == address)
    }
  }

  @Test func networksHaveTheirOwnKeys() throws {
    let main = try keys(.bitcoin)
    let test = try keys(.regtest)
    #expect(main.identity != test.identity)
    #expect(try main.script(KeyPath(.receive, 0)) != test.script(KeyPath(.receive, 0)))
    #expect(try test.identity == keys(.signet).identity)
  }

  @Test func signaturesFitTheScript() throws {
    var random = SeededGenerator(seed: 86)
    let keys = try keys(.regtest)
    for index in 0..<20 {
      let path = KeyPath(index % 2 == 0 ? .receive : .change, UInt32(index))
      let digest = random.bytes32()
      let signature = try keys.sign(digest, path: path, auxiliary: random.bytes32())
      let outputKey = Bytes32(try keys.script(path), at: 2)
      #expect(Secp256k1.verifySchnorr(signature, digest: digest, xOnlyKey: outputKey))
    }
  }

  @Test func derivedSecretsDiffer() throws {
    let keys = try keys(.regtest)
    var seen = Set<Bytes32>()
    for purpose: WalletKeys.Purpose in [.identity, .channel, .closeReturn, .backup] {
      for index: UInt32 in 0..<3 {
        seen.insert(try keys.derivedSecret(purpose, index: index))
      }
    }
    #expect(seen.count == 12)
  }

  // MARK: BIP32

  /// The key material of an `xprv`, which the published vectors are written in.
  private func decodeExtended(_ text: Substring) throws -> (chainCode: Bytes32, secret: Bytes32) {
    let alphabet = Array("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")
    var bytes = [UInt8](repeating: 0, count: 82)
    for character in text {
      var carry = try #require(alphabet.firstIndex(of: character))
      for index in bytes.indices.reversed() {
        carry += Int(bytes[index]) * 58
        bytes[index] = UInt8(carry & 255)
        carry >>= 8
      }
      #expect(carry == 0)
    }
    #expect(Array(Sha256.double(Array(bytes[0..<78])).array[0..<4]) == Array(bytes[78...]))
    return (Bytes32(bytes, at: 13), Bytes32(bytes, at: 46))
  }

  /// The four chains of BIP32's vectors, out of Bitcoin Core's `bip32_tests.cpp`.
  @Test(.enabled(if: Vectors.areHere, "vectors missing: run scripts/setup"))
  func publishedDerivations() throws {
    let text = try Vectors.text("src/test/bip32_tests.cpp")
    let block = /TestVector\("([0-9a-f]+)"\)((?:\s*\("xpub\w+",\s*"xprv\w+",\s*\w+\))+)/
    let step = /"(xprv\w+)",\s*(\w+)\)/
    var checked = 0
    for match in text.matches(of: block) {
      var key = try ExtendedKey(seed: try #require(Hex.decode(String(match.1))))
      for child in match.2.matches(of: step) {
        let (chainCode, secret) = try decodeExtended(child.1)
        #expect(key.secret == secret)
        #expect(key.chainCode == chainCode)
        let number =
          child.2.hasPrefix("0x")
          ? UInt32(child.2.dropFirst(2), radix: 16) : UInt32(child.2)
        key = try key.child(try #require(number))
        checked += 1
      }
    }
    #expect(checked == 17)
  }
}
