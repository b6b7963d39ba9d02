import Host
import Testing

@Test func hostSelfTestPasses() {
  HostSelfTest.run { name, isGood in #expect(isGood, "\(name)") }
}
