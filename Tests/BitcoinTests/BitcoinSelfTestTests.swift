import Bitcoin
import Testing

struct BitcoinSelfTestTests {
  @Test func everyLineHolds() {
    var count = 0
    BitcoinSelfTest.run { name, isGood in
      count += 1
      #expect(isGood, "\(name)")
    }
    #expect(count == 12)
  }
}
