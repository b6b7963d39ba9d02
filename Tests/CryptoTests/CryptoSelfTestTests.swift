import Crypto
import Testing

struct CryptoSelfTestTests {
  @Test func passes() {
    var count = 0
    CryptoSelfTest.run { name, passed in
      count += 1
      #expect(passed, "\(name)")
    }
    #expect(count > 0)
  }
}
