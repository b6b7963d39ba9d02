import Channel
import Testing

struct ChannelSelfTestTests {
  @Test func passes() {
    var count = 0
    ChannelSelfTest.run { name, passed in
      count += 1
      #expect(passed, "\(name)")
    }
    #expect(count == 3)
  }
}
