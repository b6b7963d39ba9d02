import Agent
import Testing

struct AgentSelfTestTests {
  @Test func passes() {
    var count = 0
    AgentSelfTest.run { name, passed in
      count += 1
      #expect(passed, "\(name)")
    }
    #expect(count > 0)
  }
}
