import Market
import Testing

@testable import Publisher
@testable import Sandbox

struct RunLimitsTests {
  private static let smallest = (memory: UInt32(4), cpus: 0.01, pids: UInt32(4), seconds: UInt64(1))

  private func limits(
    memory: UInt32 = smallest.memory, cpus: Double = smallest.cpus, pids: UInt32 = smallest.pids,
    disk: UInt32 = 1, seconds: UInt64 = smallest.seconds
  ) throws(RunError) -> Market.ResourceLimits {
    try RunLimits.limits(
      memoryMiB: memory, cpus: cpus, pids: pids, diskMiB: disk, seconds: seconds)
  }

  /// As a machine makes them of the offer's (`Agent/Job/Job+Bundle.swift`).
  private func job(_ limits: Market.ResourceLimits) -> JobSpec {
    JobSpec(
      name: "least", arguments: ["/bin/true"],
      limits: JobLimits(
        memoryBytes: UInt64(limits.memoryMiB) << 20, cpuMilli: UInt64(limits.milliCpus),
        pids: UInt64(limits.pids), diskBytes: UInt64(limits.diskMiB) << 20))
  }

  @Test func theLeastIsWhatASandboxTakes() throws {
    let least = try limits()
    #expect(least.milliCpus == 10 && least.wallMs == 1_000)
    try job(least).validate()
    for change in [
      { $0.memoryMiB = 3 }, { $0.pids = 3 }, { $0.milliCpus = 9 },
    ] as [(inout Market.ResourceLimits) -> Void] {
      var less = least
      change(&less)
      #expect(throws: SandboxError.self) { try job(less).validate() }
    }
  }

  @Test func lessIsRefusedWithTheOptionsName() {
    func problem(_ body: () throws(RunError) -> Market.ResourceLimits) -> String {
      do throws(RunError) {
        _ = try body()
        return ""
      } catch { return error.message }
    }
    #expect(problem { () throws(RunError) in try limits(memory: 3) }.hasPrefix("--memory: "))
    #expect(problem { () throws(RunError) in try limits(pids: 3) }.hasPrefix("--pids: "))
    for cpus in [0.009, -1, .nan, .infinity, 1025] {
      #expect(problem { () throws(RunError) in try limits(cpus: cpus) }.hasPrefix("--cpus: "))
    }
    for seconds in [0, 2_592_001, UInt64.max] {
      #expect(
        problem { () throws(RunError) in try limits(seconds: seconds) }.hasPrefix("--time: "))
    }
  }

  @Test func aChannelOutlivesItsJobByAQuarter() throws {
    #expect(RunLimits.channelBlocks(forSeconds: 1) == 144)
    #expect(RunLimits.channelBlocks(forSeconds: 600) == 144)
    // From here on the job's time counts.
    #expect(RunLimits.channelBlocks(forSeconds: 34_560) == 144)
    #expect(RunLimits.channelBlocks(forSeconds: 86_400) == 252)
    for days in UInt64(1)...30 {
      let blocks = RunLimits.channelBlocks(forSeconds: days * 86_400)
      #expect(UInt64(blocks) * 600 >= days * 86_400 * 5 / 4)
      var offer = RunTests.offer()
      offer.limits = try limits(seconds: days * 86_400)
      offer.channelBlocks = blocks
      #expect(throws: Never.self) { _ = try Offer.decode(offer.encode()) }
    }
    #expect(RunLimits.channelBlocks(forSeconds: 100_000_000) == 52_560)
  }
}
