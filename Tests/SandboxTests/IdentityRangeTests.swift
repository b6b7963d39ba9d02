import Testing

@testable import Sandbox

struct IdentityRangeTests {
  private func start(_ owner: String, _ taken: String...) -> UInt32? {
    IdentityRange.start(owner: owner, size: 256, taken: taken.map { Array($0.utf8) })
  }

  @Test func itLiesAboveWhatMachinesGiveToOthers() throws {
    for owner in ["a", "b", "0123abcd", "agent"] {
      let first = try #require(start(owner, "alice:100000:65536\nbob:165536:65536\n"))
      #expect(start(owner) == first && first % 256 == 0)
      // systemd's containers; what is above is negative for some programs.
      #expect(first > 0x6fff_ffff && first < 0x7fff_ff00)
    }
    #expect(start("a") != start("b"))
  }

  @Test func whatIsAnothersIsPassedOver() throws {
    let first = try #require(start("a"))
    for text in [
      "x:\(first):1\n", "x:\(first + 255):9", "junk\nx:\(first - 10):11\n::\nx:a:b\n",
      "1:2:3\nx:\(first):256",
    ] {
      // The second text begins a range earlier.
      #expect(start("a", "", text).map { $0 != first } == true, "\(text)")
    }
    for text in [
      "x:\(first + 256):100", "x:\(first - 256):256", "x:\(first):0", "x:\(first)", "x:-1:-1",
    ] {
      #expect(start("a", text) == first)
    }
    #expect(start("a", "x:0:4294967295\n") == nil)
    #expect(start("a", "x:1879048192:18446744073709551615\n") == nil)
    let last: UInt32 = 0x7000_0000 + 1023 * 256
    #expect(start("a", "x:1879048192:\(1023 * 256)\n") == last)
  }
}
