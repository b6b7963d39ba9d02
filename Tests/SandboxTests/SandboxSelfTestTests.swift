import Sandbox
import Testing

struct SandboxSelfTestTests {
  @Test func passes() {
    var count = 0
    SandboxSelfTest.run { name, passed in
      count += 1
      #expect(passed, "\(name)")
    }
    #expect(count > 0)
  }
}
