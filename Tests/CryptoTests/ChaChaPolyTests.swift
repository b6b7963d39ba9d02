import Bytes
import TestSupport
import Testing

@testable import Crypto

@Suite struct ChaChaPolyTests {
  /// RFC 8439, A.5, among the vectors of Bitcoin Core: the one whose nonce has Noise's form.
  @Test(.enabled(if: Vectors.areHere, "needs Bitcoin Core's tree: scripts/setup"))
  func rfc8439() throws {
    let calls = try CoreCalls.of("TestChaCha20Poly1305", in: "src/test/crypto_tests.cpp")
    #expect(calls.count >= 4)
    var checked = 0
    for call in calls where call[3].hasPrefix("{0,0x") {
      let counter = UInt64(call[3].dropFirst(5).dropLast(), radix: 16)!
      let plaintext = hex(call[0])
      let associated = hex(call[1])
      let key = hex32(call[2])
      let sealed = ChaChaPoly.seal(plaintext, key: key, counter: counter, associated: associated)
      #expect(Hex.encode(sealed) == call[4])
      #expect(
        try ChaChaPoly.open(sealed, key: key, counter: counter, associated: associated)
          == plaintext)
      checked += 1
    }
    #expect(checked >= 1)
  }

  @Test func inPlaceGivesTheSame() throws {
    var random = SeededGenerator(seed: 3)
    for length in [0, 1, 15, 16, 17, 63, 64, 65, 1000] {
      let key = random.bytes32()
      let plaintext = random.bytes(length)
      let counter = random.next()
      let before = random.bytes(random.int(0...20))
      let sealed = ChaChaPoly.seal(plaintext, key: key, counter: counter, associated: [])
      var bytes = before + plaintext
      ChaChaPoly.sealTail(of: &bytes, from: before.count, key: key, counter: counter)
      #expect(bytes == before + sealed)
      bytes += [1, 2, 3]
      let range = before.count..<(before.count + sealed.count)
      try ChaChaPoly.openInPlace(&bytes, range: range, key: key, counter: counter)
      #expect(Array(bytes[0..<(before.count + length)]) == before + plaintext)
      #expect(bytes.suffix(3) == [1, 2, 3])
    }
  }

  @Test func everyChangedBitIsNoticed() {
    let key = hex32("1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0")
    let sealed = ChaChaPoly.seal([1, 2, 3, 4], key: key, counter: 9, associated: [5])
    for bit in 0..<(sealed.count * 8) {
      var changed = sealed
      changed[bit / 8] ^= 1 << (bit % 8)
      #expect(throws: CryptoError.notAuthentic) {
        _ = try ChaChaPoly.open(changed, key: key, counter: 9, associated: [5])
      }
      var tail = ChaChaPoly.seal([1, 2, 3, 4], key: key, counter: 9, associated: [])
      tail[bit / 8] ^= 1 << (bit % 8)
      #expect(throws: CryptoError.notAuthentic) {
        try ChaChaPoly.openInPlace(&tail, range: 0..<tail.count, key: key, counter: 9)
      }
    }
  }

  @Test func everythingElseBindsToo() {
    let key = hex32("1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0")
    let sealed = ChaChaPoly.seal([1, 2], key: key, counter: 9, associated: [5])
    #expect(throws: CryptoError.notAuthentic) {
      _ = try ChaChaPoly.open(sealed, key: key, counter: 10, associated: [5])
    }
    #expect(throws: CryptoError.notAuthentic) {
      _ = try ChaChaPoly.open(sealed, key: key, counter: 9, associated: [])
    }
    #expect(throws: CryptoError.notAuthentic) {
      _ = try ChaChaPoly.open(sealed, key: .zero, counter: 9, associated: [5])
    }
    for length in 0..<ChaChaPoly.tagLength {
      var short = [UInt8](repeating: 0, count: length)
      #expect(throws: CryptoError.notAuthentic) {
        _ = try ChaChaPoly.open(short, key: key, counter: 9, associated: [])
      }
      #expect(throws: CryptoError.notAuthentic) {
        try ChaChaPoly.openInPlace(&short, range: 0..<length, key: key, counter: 9)
      }
    }
  }
}
