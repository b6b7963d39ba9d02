import Agent
import Market
import Testing

@testable import Publisher

/// How jobs end that stood still for a while, or whose machine lost them at the last moment.
struct EndingTests {
  private func battery(_ isFeeding: Bool, _ world: World) {
    var readings = OwnerReadings()
    readings.isOnBattery = isFeeding
    world.machines[0].machine.ownerRead(
      readings, Instant(nowMs: world.nowMs, unixSeconds: world.unixSeconds))
  }

  /// A job that runs for `jobMs` and may run for ten seconds, paused in the midst of it.
  private func paused(jobMs: UInt64, forMs pauseMs: UInt64) throws -> World {
    var behaviour = FakeMachine.Behaviour()
    behaviour.jobMs = jobMs
    let world = try RunTests.world([behaviour]) {
      $0.offer.limits.wallMs = 10_000
      $0.offer.payoutIntervalMs = 1_000
    }
    let machine = world.publisher.machine
    #expect(world.run { machine.summaries.first?.payments ?? 0 > 2 })
    // The channel's end is not what this is about.
    world.blockEveryMs = 3_600_000
    battery(true, world)
    #expect(!world.run(forMs: pauseMs) { machine.summaries[0].record.stage != .running })
    #expect(machine.summaries[0].isFrozen)
    world.blockEveryMs = 1_000
    world.mine()
    battery(false, world)
    #expect(world.run { machine.isFinished })
    return world
  }

  /// The longer one is longer than publishers wait for whoever does nothing.
  @Test(arguments: [60_000, 1_900_000] as [UInt64])
  func aPauseDoesNotCountTowardsTheTimeLimit(pauseMs: UInt64) throws {
    let world = try paused(jobMs: 8_000, forMs: pauseMs)
    let record = world.publisher.machine.summaries[0].record
    #expect(record.exit?.kind == .exited && record.exit?.status == 0)
    #expect(record.usage.frozenMs >= pauseMs && record.usage.runningMs <= 10_000)
    #expect(record.usage.wallMs >= pauseMs + 8_000)
    try RunTests.checkSettled(world, workers: 1)
  }

  @Test func theTimeLimitCountsWhatRan() throws {
    let world = try paused(jobMs: 60_000, forMs: 60_000)
    let record = world.publisher.machine.summaries[0].record
    #expect(record.exit?.kind == .timeLimit)
    #expect(record.usage.frozenMs >= 60_000)
    #expect(record.usage.runningMs >= 10_000 && record.usage.runningMs < 12_000)
    #expect(record.receipt != nil)
  }

  /// Whoever is patient for results that cannot come keeps machine and publisher waiting.
  @Test func resultsThatAreLostEndTheJobAtOnceAndAsLost() throws {
    var behaviour = FakeMachine.Behaviour()
    behaviour.losesResults = true
    let world = try RunTests.world([behaviour])
    let machine = world.publisher.machine
    #expect(world.run { machine.summaries.first?.record.exit != nil })
    let exit = try #require(machine.summaries[0].record.exit)
    #expect(exit.kind == .lost && exit.status == 0 && exit.resultBytes == 0)
    // The machine's patience is thirty seconds.
    #expect(world.run(forMs: 10_000) { machine.summaries[0].record.receipt != nil })
    #expect(world.run { machine.isFinished })
    #expect(world.publisher.end == .lost)
    #expect(machine.summaries[0].record.receipt?.receipt.exitKind == .lost)
  }

  /// The machine dropped them, as they were larger than the offer allows.
  @Test func aRunWithoutItsResultsHasFailed() throws {
    var behaviour = FakeMachine.Behaviour()
    behaviour.results = []
    let world = try RunTests.world([behaviour])
    #expect(world.run { world.publisher.machine.isFinished })
    #expect(world.publisher.end == .noResults)
    #expect(world.publisher.lines.contains { $0.contains("the machine has no results") })
    let unwanted = try RunTests.world([behaviour]) { $0.offer.maxResultBytes = 0 }
    #expect(unwanted.run { unwanted.publisher.machine.isFinished })
    #expect(unwanted.publisher.end == .success)
  }

  /// That the limit ended it is worth more.
  @Test func anyOtherEndIsToldAlsoWithoutResults() throws {
    var behaviour = FakeMachine.Behaviour()
    behaviour.losesResults = true
    behaviour.jobMs = 60_000
    let world = try RunTests.world([behaviour]) { $0.offer.limits.wallMs = 10_000 }
    #expect(world.run { world.publisher.machine.isFinished })
    let record = world.publisher.machine.summaries[0].record
    #expect(record.exit?.kind == .timeLimit && record.exit?.resultBytes == 0)
    #expect(record.receipt != nil)
  }
}
