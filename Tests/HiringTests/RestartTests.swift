import Bytes
import Market
import Testing

@testable import Hiring

/// Broken connections, lost programs, messages that come twice.
struct RestartTests {
  @Test func everyMessageTwice() throws {
    var behaviour = ScriptedProvider.Behaviour()
    behaviour.repeatsItself = true
    behaviour.resultBytes = 5_000
    let scene = try Scene([behaviour, behaviour], tasks: 8)
    #expect(scene.world.run { scene.exited == 2 })
    scene.world.cut(0)
    #expect(scene.world.run { scene.exited == 4 })
    scene.world.cut(1)
    #expect(scene.finish())
    #expect(scene.exited == 8 && scene.booksAgree)
    #expect(scene.leases.allSatisfy { $0.hasReceipt })
    for provider in scene.world.providers {
      #expect(provider.executions.values.allSatisfy { $0 == 1 })
    }
    #expect(scene.publisher.disk.results.count == 8)
  }

  @Test func brokenConnectionsAtAnyTime() throws {
    for seed in 1...12 {
      var behaviour = ScriptedProvider.Behaviour()
      behaviour.taskMs = 700
      behaviour.resultBytes = 200_000
      let scene = try Scene([behaviour, behaviour], tasks: 10, seed: UInt64(seed))
      while !scene.isFinished {
        let pauseMs = UInt64(scene.world.random.int(1...6_000))
        scene.world.run(forMs: pauseMs) { scene.isFinished }
        if scene.world.nowMs > 3_000_000 { break }
        scene.world.cut(scene.world.random.int(0...1))
      }
      #expect(scene.isFinished && scene.exited == 10 && scene.booksAgree, "seed \(seed)")
      for provider in scene.world.providers {
        #expect(provider.executions.values.allSatisfy { $0 == 1 }, "seed \(seed)")
      }
    }
  }

  /// The receipt of a stopped run is agreed before all results are here; the answer waits for them.
  @Test func theResultsOfAStoppedTaskSurviveBrokenConnections() throws {
    for seed in 1...12 {
      var behaviour = ScriptedProvider.Behaviour()
      behaviour.taskMs = 600_000
      behaviour.resultBytes = 1_000_000
      let scene = try Scene([behaviour], tasks: 1, seed: UInt64(seed))
      #expect(scene.world.run { scene.tasks.filter(\.isRunning).count == 1 })
      scene.machine.stop(pool: scene.pool, scene.publisher.now)
      for _ in 0..<4 {
        scene.world.run(forMs: UInt64(scene.world.random.int(1...400))) { scene.isFinished }
        scene.world.cut(0)
      }
      if seed % 2 == 0 && !scene.isFinished { try scene.restartPublisher() }
      #expect(scene.finish(), "seed \(seed)")
      #expect(scene.publisher.disk.results[0]?.count == 1_000_000, "seed \(seed)")
      #expect(scene.publisher.disk.kept == [0] && scene.booksAgree, "seed \(seed)")
    }
  }

  /// `kill -9` before every effect: every task's result is taken once and paid once, or reported as lost.
  ///
  /// - Parameter capacitySat: a small one needs several channels.
  @Test(arguments: [100_000, 600] as [UInt64])
  func thePublisherIsKilledBeforeEveryEffect(capacitySat: UInt64) throws {
    var behaviour = ScriptedProvider.Behaviour()
    behaviour.taskMs = capacitySat < 1_000 ? 3_000 : 400
    behaviour.resultBytes = 3_000
    var number = 1
    var names = Set<String>()
    while true {
      let scene = try Scene([behaviour, behaviour], tasks: nil) { _ in
      } plan: {
        $0.capacitySat = capacitySat
      }
      var added = 0
      let total = 5
      // Until the announcement is stored there is no pool to be taken up again.
      #expect(scene.world.run { !scene.publisher.disk.pools.isEmpty })
      let offset = scene.publisher.effectCount
      scene.publisher.killBefore = offset + number
      for index in 0..<total where scene.publisher.isRunning {
        _ = scene.machine.addTask(Scene.spec("\(index)"), to: scene.pool, scene.publisher.now)
        added += 1
      }
      scene.machine.noMoreTasks(scene.pool, scene.publisher.now)
      scene.world.run { !scene.publisher.isRunning || scene.isFinished }
      guard let name = scene.publisher.killedBefore else { break }
      names.insert("\(name)")
      try scene.restartPublisher()
      scene.world.run(forMs: 1) { true }
      let known = scene.tasks.count
      for index in known..<total {
        _ = scene.machine.addTask(Scene.spec("\(index)"), to: scene.pool, scene.publisher.now)
      }
      scene.machine.noMoreTasks(scene.pool, scene.publisher.now)
      #expect(scene.finish(), "killed before effect \(number), \(name)")
      #expect(scene.exited == total, "killed before effect \(number), \(name)")
      #expect(scene.booksAgree, "killed before effect \(number), \(name)")
      var executions: [String: Int] = [:]
      for provider in scene.world.providers {
        executions.merge(provider.executions) { $0 + $1 }
      }
      #expect(executions.count == total, "killed before effect \(number), \(name)")
      #expect(
        executions.values.allSatisfy { $0 == 1 }, "killed before effect \(number), \(name)")
      #expect(scene.publisher.disk.kept.count == total, "killed before effect \(number), \(name)")
      number += number < 60 ? 1 : 11
    }
    #expect(
      names.isSuperset(of: [
        "storeTask", "storeChannel", "storeLeaseState", "broadcast", "transmit",
      ]))
    #expect(number > 100)
  }

  @Test func aRestartedMachineLosesWhatRan() throws {
    var behaviour = ScriptedProvider.Behaviour()
    behaviour.taskMs = 5_000
    let scene = try Scene([behaviour, behaviour], tasks: 4)
    #expect(scene.world.run { scene.tasks.filter(\.isRunning).count == 2 })
    scene.world.providers[0].restart()
    #expect(scene.finish())
    #expect(scene.exited == 4 && scene.booksAgree)
    #expect(scene.publisher.restarted.count == 1)
    #expect(scene.tasks.reduce(0) { $0 + Int($1.losses) } == 1)
  }

  @Test func aRunReportsWhatWasLost() throws {
    var behaviour = ScriptedProvider.Behaviour()
    behaviour.taskMs = 5_000
    let scene = try Scene([behaviour], tasks: 1, isPinned: true) { _ in
    } plan: {
      $0.reruns = 0
    }
    #expect(scene.world.run { scene.tasks.first?.isRunning == true })
    scene.world.providers[0].restart()
    #expect(scene.finish())
    guard case .line(let line, _)? = scene.publisher.outcomes[0] else {
      Issue.record("no line")
      return
    }
    #expect(line.kind == .lost)
    #expect(scene.leases.first?.hasReceipt == true)
  }

  @Test func theOwnerLeaves() throws {
    var behaviour = ScriptedProvider.Behaviour()
    behaviour.taskMs = 5_000
    behaviour.hourSat = 100_000
    let scene = try Scene([behaviour, .init()], workers: 1, tasks: 2)
    #expect(scene.world.run { scene.tasks.first?.isRunning == true })
    scene.world.providers[0].leave()
    #expect(scene.finish())
    #expect(scene.exited == 2 && scene.booksAgree)
    #expect(scene.leases.count == 2 && scene.leases.allSatisfy { $0.hasReceipt })
  }

  @Test func recordsSurviveTheirEncoding() throws {
    let scene = try Scene([.init()], tasks: 2)
    #expect(scene.world.run { scene.exited == 1 })
    let disk = scene.publisher.disk
    for bytes in disk.pools.values { #expect(PoolRecord.decode(bytes)?.encode() == bytes) }
    for bytes in disk.leases.values { #expect(LeaseRecord.decode(bytes)?.encode() == bytes) }
    for bytes in disk.states.values { #expect(LeaseProgress.decode(bytes)?.encode() == bytes) }
    for bytes in disk.tasks.values { #expect(TaskRecord.decode(bytes)?.encode() == bytes) }
    for bytes in disk.states.values {
      #expect(LeaseProgress.decode(bytes + [0]) == nil)
      #expect(LeaseProgress.decode([UInt8](bytes.dropLast())) == nil)
      #expect(LeaseProgress.decode([99] + bytes.dropFirst()) == nil)
    }
  }
}
