import Foundation
import Testing

@testable import Host

@Suite struct MachineTests {
  @Test func clocksMove() {
    let before = Clock.monotonicNs()
    #expect(Clock.monotonicNs() >= before)
    let seconds = UInt64(Date().timeIntervalSince1970)
    #expect(Clock.unixSeconds() >= seconds && Clock.unixSeconds() <= seconds + 60)
  }

  @Test func entropyDiffers() {
    #expect(Entropy.bytes(0).isEmpty)
    #expect(Entropy.bytes(1000).count == 1000)
    #expect(Entropy.bytes32() != Entropy.bytes32())
    #expect(Set((0..<100).map { _ in Entropy.u64() }).count == 100)
    // A thousand bytes of one kind would mean that they were never written.
    #expect(Set(Entropy.bytes(1000)).count > 100)
  }

  @Test func knowsTheMachine() {
    #expect(Machine.processors >= 1)
    #expect(Machine.memoryMiB > 16)
    #expect(!Machine.architecture.isEmpty && Machine.architecture != "unknown")
    #expect(Machine.environment("PATH") == ProcessInfo.processInfo.environment["PATH"])
    #expect(Machine.environment("ZENNET_NO_SUCH") == nil)
    #expect(Machine.processId == getpid())
    #expect(Machine.peakResidentKiB > 100)
  }
}
