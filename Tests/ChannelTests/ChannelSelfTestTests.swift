import Bitcoin
import Crypto
import Testing

@testable import Channel

struct ChannelSelfTestTests {
  @Test func passes() {
    var count = 0
    ChannelSelfTest.run { name, passed in
      count += 1
      #expect(passed, "\(name)")
    }
    #expect(count == 4)
  }

  /// The constant is of a close that libbitcoinkernel accepts.
  @Test func kernelAcceptsTheClose() throws {
    let fixture = Fixture(try ChannelSelfTest.terms())
    let point = OutPoint(txid: ChannelSelfTest.funding(fixture.terms).txid, index: 0)
    let close = try fixture.signedClose(20_000, rung: 1, of: point)
    #expect(fixture.kernelAccepts(close))
    #expect(Sha256.hash(close.bytes()).hex == ChannelSelfTest.closeDigest)
  }
}
