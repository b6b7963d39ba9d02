import Bytes
import TestSupport
import Testing

@testable import Crypto

@Suite struct SipHashTests {
  private let key: [UInt8] = Array(0..<16)

  /// The reference implementation's vectors as Bitcoin Core keeps them: byte strings 00, 0001, …
  @Test(.enabled(if: Vectors.areHere, "needs Bitcoin Core's tree: scripts/setup"))
  func vectorsOfTheReference() throws {
    let text = try Vectors.text("src/test/hash_tests.cpp")
    let start = try #require(text.range(of: "siphash_4_2_testvec[] = {"))
    let list = text[start.upperBound...].prefix { $0 != "}" }
    let numbers = list.split { " ,\n".contains($0) }.map { UInt64($0.dropFirst(2), radix: 16)! }
    #expect(numbers.count == 64)
    let hash = SipHash(key: key)
    for (length, expected) in numbers.enumerated() {
      #expect(hash.hash(Array(0..<UInt8(length))) == expected, "\(length) bytes")
    }
  }

  /// The example of the paper, appendix A.
  @Test func vectorOfThePaper() {
    #expect(SipHash(key: key).hash(Array(0..<15)) == 0xa129_ca61_49be_45e5)
  }
}
