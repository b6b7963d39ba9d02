import LightClient
import Testing

@Test func selfTestPasses() {
  var count = 0
  LightClientSelfTest.run { name, isOk in
    count += 1
    #expect(isOk, "\(name)")
  }
  #expect(count == 5)
}
