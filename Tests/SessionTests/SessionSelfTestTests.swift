import Session
import Testing

struct SessionSelfTestTests {
  @Test func passes() {
    var count = 0
    SessionSelfTest.run { name, passed in
      count += 1
      #expect(passed, "\(name)")
    }
    #expect(count > 0)
  }
}
