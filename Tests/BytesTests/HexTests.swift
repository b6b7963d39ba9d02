import TestSupport
import Testing

@testable import Bytes

@Suite struct HexTests {
  @Test func everyByteBothWays() {
    let all = (0...255).map { UInt8($0) }
    let text = Hex.encode(all)
    #expect(text.utf8.count == 512)
    #expect(text.hasPrefix("000102030405060708090a0b0c0d0e0f10"))
    #expect(text.hasSuffix("fdfeff"))
    #expect(Hex.decode(text) == all)
    #expect(Hex.decode(text.uppercased()) == all)
  }

  @Test func empty() {
    #expect(Hex.encode([]) == "")
    #expect(Hex.decode("") == [])
  }

  @Test(arguments: [
    "0", "000", "0g", "g0", " 00", "00 ", "0x00", "é0", "/0", ":0", "@0", "`0", "G0",
  ])
  func refused(text: String) {
    #expect(Hex.decode(text) == nil)
  }
}
