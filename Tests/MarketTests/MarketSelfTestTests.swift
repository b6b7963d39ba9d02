import Market
import Testing

struct MarketSelfTestTests {
  @Test func passes() {
    var count = 0
    MarketSelfTest.run { name, passed in
      count += 1
      #expect(passed, "\(name)")
    }
    #expect(count == 8)
  }
}
