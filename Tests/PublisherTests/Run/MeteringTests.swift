import Agent
import Foundation
import Market
import TestSupport
import Testing

@testable import Publisher

/// What both ends compute of what a job used, over long jobs, with clocks that go differently, looks whenever
/// they come, pauses, freezes, and connections that break. `ZENNET_SEEDS` says how many runs.
struct MeteringTests {
  private static let seeds =
    UInt64(ProcessInfo.processInfo.environment["ZENNET_SEEDS"] ?? "") ?? 12

  /// Digit by digit, as on paper: the sum of all products, rounded up to a million million.
  private func price(_ rates: RateVector, _ usage: UsageVector) -> UInt64 {
    var psat: UInt128 = 0
    psat += UInt128(rates.cpuPsatPerMs) * UInt128(usage.cpuMs)
    psat += UInt128(rates.memoryPsatPerMiBMs) * UInt128(usage.memoryMiBMs)
    psat += UInt128(rates.diskReadPsatPerKiB) * UInt128(usage.diskReadKiB)
    psat += UInt128(rates.diskWritePsatPerKiB) * UInt128(usage.diskWriteKiB)
    psat += UInt128(rates.networkPsatPerKiB) * UInt128(usage.networkKiB)
    psat += UInt128(rates.wallPsatPerMs) * UInt128(usage.wallMs - usage.frozenMs)
    return UInt64((psat + 999_999_999_999) / 1_000_000_000_000)
  }

  /// A world of one machine whose job runs.
  private func running(
    _ behaviour: FakeMachine.Behaviour, seed: UInt64 = 1,
    _ change: (inout RunPlan) -> Void
  ) throws -> World {
    let world = try RunTests.world([behaviour], seed: seed, change: change)
    try #require(
      world.run { world.publisher.machine.summaries.first?.record.stage == .running },
      "\(world.publisher.lines) \(world.machines[0].lines)")
    return world
  }

  private func battery(_ isFeeding: Bool, _ world: World) {
    var readings = OwnerReadings()
    readings.isOnBattery = isFeeding
    world.machines[0].machine.ownerRead(
      readings, world.machines[0].now)
  }

  /// The publisher hears nothing for so long, and its clock stands still.
  private func sleep(_ world: World, _ ms: UInt64) {
    world.cut(0)
    world.publisher.isListening = false
    world.run(forMs: ms) { false }
    world.publisher.isListening = true
    world.publisher.sleptMs += ms
  }

  @Test func bothEndsComputeTheSame() throws {
    for seed in 1...MeteringTests.seeds {
      var random = SeededGenerator(seed: seed)
      let job = MeteredJob(seed: seed, cpuMilli: 1000, memoryBytes: 64 << 20)
      var behaviour = FakeMachine.Behaviour()
      behaviour.metered = job
      behaviour.hourSat = UInt64(random.int(100_000...5_000_000))
      behaviour.jobMs = UInt64(random.int(60_000...400_000))
      behaviour.clockPpm = Int64(random.int(-900...900))
      let world = try running(behaviour, seed: seed) {
        $0.offer.limits.wallMs = 1_000_000
        $0.offer.payoutIntervalMs = UInt32(random.int(200...5_000))
        $0.offer.graceMs = 600_000
      }
      let machine = world.publisher.machine
      world.blockEveryMs = 60_000
      let isOver = { machine.summaries[0].record.exit != nil }
      while !isOver() {
        world.run(forMs: UInt64(random.int(1...20_000)), until: isOver)
        if isOver() { break }
        switch random.int(0...5) {
        case 0: world.cut(0)
        case 1: sleep(world, UInt64(random.int(1...30_000)))
        case 2:
          battery(true, world)
          world.run(forMs: UInt64(random.int(1...60_000)), until: isOver)
          battery(false, world)
        // Somebody else looks, too.
        default: for _ in 0..<random.int(1...3) { world.machines[0].look() }
        }
      }
      #expect(world.run { machine.isFinished }, "seed \(seed): \(world.publisher.lines)")
      #expect(world.publisher.end == .success, "seed \(seed): \(world.publisher.lines)")
      try RunTests.checkSettled(world, workers: 1)
      let record = machine.summaries[0].record
      let receipt = try #require(record.receipt).receipt
      #expect(receipt.usage == record.usage && receipt.owedSat == record.owedSat)
      #expect(receipt.owedSat == price(machine.summaries[0].contract.rates, receipt.usage))
      let usage = receipt.usage
      #expect(usage.frozenMs == job.frozenMs && usage.wallMs == job.ranMs + job.frozenMs)
      #expect(usage.cpuMs == job.cpuMs, "seed \(seed)")
      #expect(usage.memoryPeakKiB == job.memoryPeakKiB)
      // Each look rounds both of its ends down to two KiB.
      let short = job.memoryMiBMs - usage.memoryMiBMs
      #expect(job.memoryMiBMs >= usage.memoryMiBMs && short <= job.ranMs * 4 / 1024 + 1)
      #expect(job.looks > 20)
    }
  }

  /// With as little difference as crystals have, in a job of ten minutes for one of a week.
  @Test func aMachineWhoseClockIsFastIsBelieved() throws {
    var behaviour = FakeMachine.Behaviour()
    behaviour.clockPpm = 900
    behaviour.jobMs = 3_600_000
    behaviour.cpuPermille = 1000
    behaviour.hourSat = 1_000_000
    let world = try running(behaviour) {
      $0.offer.limits.wallMs = 4_000_000
      $0.offer.priceCeilingSatPerHour = 2_000_000
      $0.offer.payoutIntervalMs = 1_000
    }
    let machine = world.publisher.machine
    world.blockEveryMs = 600_000
    #expect(world.run(forMs: 4_000_000) { machine.summaries[0].record.exit != nil })
    world.blockEveryMs = 1_000
    world.mine()
    #expect(world.run { machine.isFinished }, "\(world.publisher.lines.suffix(5))")
    #expect(world.publisher.end == .success, "\(world.publisher.lines.suffix(6))")
    #expect(world.publisher.machine.summaries[0].record.usage.runningMs >= 3_600_000)
    try RunTests.checkSettled(world, workers: 1)
  }

  /// The clock that nobody sets is slow by as long as a lid was closed, or begins anew.
  @Test(arguments: [false, true])
  func aPublisherThatSleptGoesOn(isReborn: Bool) throws {
    var behaviour = FakeMachine.Behaviour()
    behaviour.jobMs = 200_000
    behaviour.hourSat = 100_000
    let world = try running(behaviour) { $0.offer.limits.wallMs = 300_000 }
    world.blockEveryMs = 60_000
    world.run(forMs: 60_000) { false }
    sleep(world, 90_000)
    if isReborn {
      world.publisherDied()
      world.publisher = try world.publisher.reborn(sleptMs: world.nowMs - 5_000)
    }
    #expect(world.run { world.publisher.machine.isFinished })
    #expect(world.publisher.end == .success, "\(world.publisher.lines.suffix(6))")
    try RunTests.checkSettled(world, workers: 1)
  }
}
