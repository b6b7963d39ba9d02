import Testing

@testable import Capability

@Test func capabilitySelfTestPasses() {
  for (kernel, checksum) in CapabilitySelfTest.checksums {
    #expect(Benchmark.checksum(of: kernel, seed: CapabilitySelfTest.seed, rounds: 2) == checksum)
  }
  var names = 0
  CapabilitySelfTest.run { name, isGood in
    #expect(isGood, "\(name)")
    names += 1
  }
  #expect(names == 6)
}
