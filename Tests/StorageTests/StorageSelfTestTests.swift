import Storage
import Testing

@Test func storageSelfTestPasses() {
  StorageSelfTest.run { name, isGood in #expect(isGood, "\(name)") }
}
