import Bytes
import Market
import Testing

@testable import Publisher

/// The publisher killed at any moment: it goes on from what it had stored, and nobody loses money.
struct RestartTests {
  private static func quick() -> FakeMachine.Behaviour {
    var behaviour = FakeMachine.Behaviour()
    behaviour.jobMs = 500
    behaviour.results = Array(repeating: 0x62, count: 40_000)
    return behaviour
  }

  /// How many effects a run without accidents has.
  private static func effectCount() throws -> Int {
    let world = try RunTests.world([quick(), quick()])
    #expect(world.run { world.publisher.machine.isFinished })
    return world.publisher.effectCount
  }

  @Test func killedBeforeAnyEffectARunStillSucceeds() throws {
    let count = try RestartTests.effectCount()
    #expect(count > 150)
    for place in stride(from: 1, to: count, by: 1) {
      let world = try RunTests.world([RestartTests.quick(), RestartTests.quick()])
      world.publisher.killBefore = place
      world.run { !world.publisher.isListening || world.publisher.machine.isFinished }
      if !world.publisher.isListening { world.publisher = try world.publisher.reborn() }
      let ended = world.run { world.publisher.machine.isFinished }
      #expect(ended, "killed before effect \(place): \(world.publisher.lines)")
      #expect(
        world.publisher.end == .success,
        "killed before effect \(place): \(world.publisher.lines)")
      try RunTests.checkSettled(world, workers: 2)
    }
  }

  @Test func killedAgainAndAgainARunStillSucceeds() throws {
    for seed in UInt64(1)...20 {
      let world = try RunTests.world([FakeMachine.Behaviour(), RestartTests.quick()], seed: seed)
      var kills = 0
      while kills < 12 {
        world.publisher.killBefore = world.publisher.effectCount + world.random.int(5...80)
        world.run { !world.publisher.isListening || world.publisher.machine.isFinished }
        if world.publisher.isListening { break }
        kills += 1
        world.run(forMs: UInt64(world.random.int(1...1_500))) { false }
        world.publisher = try world.publisher.reborn()
      }
      world.publisher.killBefore = nil
      let ended = world.run { world.publisher.machine.isFinished }
      #expect(ended, "seed \(seed): \(world.publisher.lines)")
      let summaries = world.publisher.machine.summaries
      #expect(summaries.count == 2)
      for summary in summaries {
        // A publisher that is away for long may find its job ended unpaid; what it paid is bounded.
        #expect(summary.paidSat <= summary.record.owedSat + summary.contract.publisherMaxLossSat)
        #expect(summary.spend != nil)
      }
    }
  }

  @Test func brokenConnectionsAreMended() throws {
    for seed in UInt64(1)...20 {
      let world = try RunTests.world([FakeMachine.Behaviour()], seed: seed)
      for _ in 0..<4 {
        let waitMs = UInt64(world.random.int(1...1_500))
        world.run(forMs: waitMs) { world.publisher.machine.isFinished }
        world.cut(0)
      }
      #expect(world.run { world.publisher.machine.isFinished }, "seed \(seed)")
      #expect(world.publisher.end == .success, "seed \(seed)")
      try RunTests.checkSettled(world, workers: 1)
    }
  }

  @Test func recordsComeBackAsTheyWere() throws {
    let world = try RunTests.world([RestartTests.quick()])
    #expect(world.run { world.publisher.machine.isFinished })
    let run = try #require(world.publisher.machine.runRecord)
    #expect(RunRecord.decode(run.encode()) == run)
    let hire = world.publisher.machine.summaries[0].record
    #expect(HireRecord.decode(hire.encode()) == hire)
    for cut in 0..<hire.encode().count {
      #expect(HireRecord.decode(Array(hire.encode().prefix(cut))) == nil)
    }
    for cut in 0..<run.encode().count {
      #expect(RunRecord.decode(Array(run.encode().prefix(cut))) == nil)
    }
  }
}
