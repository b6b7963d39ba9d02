import Channel
import Market
import Testing

@testable import Publisher
@testable import Sandbox

struct RunLimitsTests {
  private static let smallest = (memory: UInt32(4), cpus: 0.01, pids: UInt32(4), seconds: UInt64(1))

  private func limits(
    memory: UInt32 = smallest.memory, cpus: Double = smallest.cpus, pids: UInt32 = smallest.pids,
    disk: UInt32 = 1, seconds: UInt64 = smallest.seconds
  ) throws(RunError) -> TaskLimits {
    try RunLimits.task(memoryMiB: memory, cpus: cpus, pids: pids, diskMiB: disk, seconds: seconds)
  }

  /// As a machine makes it of a task's limits.
  private func job(_ limits: TaskLimits) -> JobSpec {
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
    ] as [(inout TaskLimits) -> Void] {
      var less = least
      change(&less)
      #expect(throws: SandboxError.self) { try job(less).validate() }
    }
  }

  private func problem<Value>(_ body: () throws(RunError) -> Value) -> String {
    do throws(RunError) {
      _ = try body()
      return ""
    } catch { return error.message }
  }

  @Test func lessIsRefusedWithTheOptionsName() {
    #expect(problem { () throws(RunError) in try limits(memory: 3) }.hasPrefix("--memory: "))
    #expect(problem { () throws(RunError) in try limits(pids: 3) }.hasPrefix("--pids: "))
    #expect(problem { () throws(RunError) in try limits(disk: 0) }.hasPrefix("--disk: "))
    for cpus in [0.009, -1, .nan, .infinity, 1025] {
      #expect(problem { () throws(RunError) in try limits(cpus: cpus) }.hasPrefix("--cpus: "))
    }
    for seconds in [0, 2_592_001, UInt64.max] {
      #expect(
        problem { () throws(RunError) in try limits(seconds: seconds) }.hasPrefix("--time: "))
    }
  }

  @Test func aShareHoldsItsTasksAndTheirBundles() throws {
    let task = try limits(memory: 8, cpus: 0.2, pids: 4, disk: 4)
    let one = try RunLimits.share(task, tasksAtOnce: 1, bundleBytes: 0)
    #expect(one == ShareLimits(memoryMiB: 8, milliCpus: 200, pids: 4, diskMiB: 4))
    let many = try RunLimits.share(task, tasksAtOnce: 8, bundleBytes: (1 << 20) + 1)
    #expect(many == ShareLimits(memoryMiB: 64, milliCpus: 1600, pids: 32, diskMiB: 34))
    #expect(task.excess(of: many) == nil)
    for (more, option) in [
      (try limits(memory: 1 << 20), "--memory"), (try limits(cpus: 1024), "--cpus"),
      (try limits(pids: 1 << 20), "--pids"), (try limits(disk: 1 << 20), "--disk"),
    ] {
      let text = problem { () throws(RunError) in
        try RunLimits.share(more, tasksAtOnce: 2, bundleBytes: 0)
      }
      #expect(text.hasPrefix(option + ": 2 tasks"))
    }
  }

  @Test func aChannelOutlivesItsWorkByAQuarter() throws {
    #expect(RunLimits.channelBlocks(forSeconds: 1) == 144)
    #expect(RunLimits.channelBlocks(forSeconds: 600) == 144)
    // From here on the work's time counts.
    #expect(RunLimits.channelBlocks(forSeconds: 34_560) == 144)
    #expect(RunLimits.channelBlocks(forSeconds: 86_400) == 252)
    for days in UInt64(1)...30 {
      let blocks = RunLimits.channelBlocks(forSeconds: days * 86_400)
      #expect(UInt64(blocks) * 600 >= days * 86_400 * 5 / 4)
      var offer = StoredRun.offer()
      offer.channelBlocks = blocks
      #expect(throws: Never.self) { _ = try Offer.decode(offer.encode()) }
    }
    #expect(RunLimits.channelBlocks(forSeconds: 100_000_000) == 52_560)
  }

  /// From what is paid now, or less, to four times as much, and never below 20 sat/vB.
  @Test func aLadderReachesFourTimesTheFee() throws {
    #expect(RunLimits.feeLadder(feeRateSatPerKvB: 1_000) == [1_000, 5_000, 20_000])
    #expect(RunLimits.feeLadder(feeRateSatPerKvB: 100) == [100, 500, 2_500, 12_500, 20_000])
    #expect(RunLimits.feeLadder(feeRateSatPerKvB: 50_000).last == 200_000)
    for rate in [0, 1, 99, 100, 777, 5_000, 31_250, 2_000_000, 10_000_000, UInt64.max] {
      let ladder = RunLimits.feeLadder(feeRateSatPerKvB: rate)
      var offer = StoredRun.offer()
      offer.feeLadderSatPerKvB = ladder
      #expect(throws: Never.self, "\(ladder)") { _ = try Offer.decode(offer.encode()) }
      #expect((ladder.last ?? 0) >= 20_000 && ladder.count <= 8)
    }
  }

  @Test func shortLeasesAreNamedWithBothFigures() throws {
    // 290 + 111 + 43 and the close, and the beacon.
    let alone = ChainCosts.satPerLease(workers: 1, feeRateSatPerKvB: 1_000)
    #expect((950...1050).contains(alone))
    let shared = ChainCosts.satPerLease(workers: 100, feeRateSatPerKvB: 1_000)
    #expect((230...260).contains(shared))
    #expect(ChainCosts.satPerLease(workers: 1, feeRateSatPerKvB: 100) < 500)
    let warning = ChainCosts.warning(
      workers: 1, hourlySat: 3_600, workMs: 5_000, feeRateSatPerKvB: 1_000)
    #expect(warning?.contains("costs at most 5 sat") == true)
    #expect(warning?.contains("about \(alone) sat") == true)
    #expect(
      ChainCosts.warning(
        workers: 1, hourlySat: 3_600, workMs: 3_600_000, feeRateSatPerKvB: 1_000) == nil)
    #expect(
      ChainCosts.warning(
        workers: 1, hourlySat: .max, workMs: .max, feeRateSatPerKvB: .max) == nil)
  }

  @Test func theLossLimitCoversWhatAChannelCosts() throws {
    let request = RunRequest(
      offer: StoredRun.offer(), options: StoredRun.options(map: nil), maxLossSat: 1_000)
    let endpoint = try #require(Endpoint(text: "192.0.2.1:7"))
    let plan = request.plan(endpoint, feeRateSatPerKvB: 1_000)
    #expect(plan.offer.publisherMaxLossSat == 1_000 + 330 + plan.reserveSat)
    #expect(plan.reserveSat >= 20 * 195 && plan.reruns == 0)
    var map = request
    map.options.map = MapOptions(arguments: "-")
    #expect(map.plan(endpoint, feeRateSatPerKvB: 1_000).reruns > 0)
  }
}
