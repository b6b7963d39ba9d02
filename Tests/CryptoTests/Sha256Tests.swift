import Bytes
import TestSupport
import Testing

@testable import Crypto

@Suite struct Sha256Tests {
  @Test(.enabled(if: Vectors.areHere, "needs Bitcoin Core's tree: scripts/setup"))
  func vectorsOfBitcoinCore() throws {
    let calls = try CoreCalls.of("TestSHA256", in: "src/test/crypto_tests.cpp")
    var checked = 0
    for call in calls where call.count == 2 && call[1].utf8.count == 64 {
      // Some inputs are expressions such as std::string(1000000, 'a').
      if call[0].contains("std::string") || call[0].contains("test1") { continue }
      #expect(Sha256.hash(Array(call[0].utf8)).hex == call[1], "\(call[0])")
      checked += 1
    }
    #expect(checked >= 8)
  }

  @Test func aMillionTimesA() {
    // FIPS 180-2, appendix B.3.
    let million = [UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000)
    #expect(
      Sha256.hash(million).hex
        == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
  }

  @Test func piecesGiveTheSame() {
    var random = SeededGenerator(seed: 1)
    for _ in 0..<100 {
      let bytes = random.bytes(random.int(0...300))
      var hasher = Sha256()
      var start = 0
      while start < bytes.count {
        let end = min(bytes.count, start + random.int(1...70))
        hasher.update(Array(bytes[start..<end]))
        start = end
      }
      #expect(hasher.finish() == Sha256.hash(bytes))
    }
  }

  @Test func doubleIsTheHashOfTheHash() {
    let bytes: [UInt8] = Array("hello".utf8)
    #expect(
      Sha256.double(bytes).hex
        == "9595c9df90075148eb06860365df33584b75bff782a510c6cd4883a419833d50")
    #expect(Sha256.double(bytes) == Sha256.hash(Sha256.hash(bytes).array))
  }

  @Test func taggedFollowsBip340() {
    let tag = Sha256.hash(Array("BIP0340/challenge".utf8)).array
    #expect(Sha256.tagged("BIP0340/challenge", [1, 2, 3]) == Sha256.hash(tag + tag + [1, 2, 3]))
  }
}
