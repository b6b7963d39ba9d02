import Bytes
import Market
import Testing

@testable import Hiring

/// From the announcement to the last close, with providers that do their part.
struct HireTests {
  @Test func oneTaskOnOneLease() throws {
    var behaviour = ScriptedProvider.Behaviour()
    behaviour.resultBytes = 300_000
    let scene = try Scene([behaviour], tasks: 1, isPinned: true)
    #expect(scene.finish())
    let lease = try #require(scene.leases.first)
    #expect(lease.stage == .closed && lease.hasReceipt)
    #expect(lease.paidSat >= lease.owedSat && lease.owedSat > 0)
    #expect(lease.statement?.isComplete == true && lease.statement?.body.isFinal == true)
    #expect(lease.channels[0].spend?.payoutSat == lease.paidSat)
    #expect(scene.publisher.output[0] == ScriptedProvider.output(Array("0".utf8)))
    #expect(scene.publisher.disk.results[0]?.count == 300_000)
    #expect(scene.publisher.disk.kept == [0])
    #expect(scene.exited == 1 && scene.booksAgree)
    guard case .line(_, hasResults: true)? = scene.publisher.outcomes[0] else {
      Issue.record("no results")
      return
    }
    #expect(scene.publisher.finished == [scene.pool])
  }

  @Test func manyTasksOnThreeLeases() throws {
    let scene = try Scene(Array(repeating: .init(), count: 3), tasks: 60)
    #expect(scene.finish())
    #expect(scene.exited == 60 && scene.booksAgree)
    #expect(scene.leases.count == 3 && scene.leases.allSatisfy { $0.stage == .closed })
    for provider in scene.world.providers {
      #expect(provider.executions.values.allSatisfy { $0 == 1 })
      // Nobody stands idle while another has a queue.
      #expect((17...23).contains(provider.lines.count))
      #expect(provider.pulled[Scene.baseRef.digest] == Scene.base.count)
      #expect(provider.payments >= 3)
    }
    // One transaction funds all three.
    #expect(Set(scene.leases.compactMap { $0.channels[0].funding?.txid }).count == 1)
  }

  @Test func tasksThatComeLaterFindWarmLeases() throws {
    var behaviour = ScriptedProvider.Behaviour()
    behaviour.taskMs = 20
    let scene = try Scene([behaviour], tasks: nil)
    let publisher = scene.publisher
    #expect(scene.world.run { scene.machine.status(of: scene.pool)?.open == 1 })
    for index in 0..<5 {
      let task = publisher.machine.addTask(Scene.spec("\(index)"), to: scene.pool, publisher.now)
      let before = scene.world.nowMs
      #expect(scene.world.run(forMs: 60_000) { publisher.outcomes[task] != nil })
      #expect(scene.world.nowMs - before < 1_000)
    }
    #expect(scene.leases.first?.stage == .open)
    publisher.machine.noMoreTasks(scene.pool, publisher.now)
    #expect(scene.finish())
    #expect(scene.exited == 5)
  }

  @Test func theCheapestAreHiredAndNobodySpins() throws {
    var behaviours: [ScriptedProvider.Behaviour] = []
    for place in 0..<8 {
      var behaviour = ScriptedProvider.Behaviour()
      behaviour.hourSat = 200_000 + UInt64(place) * 100_000
      behaviour.taskMs = 20_000
      behaviours.append(behaviour)
    }
    let scene = try Scene(behaviours, workers: 2, tasks: 2, isPinned: true) {
      $0.payoutIntervalMs = 10_000
    }
    scene.world.blockEveryMs = 600_000
    #expect(
      scene.world.run { scene.leases.count == 2 && scene.leases.allSatisfy { $0.stage >= .open } })
    let hired = scene.leases.map(\.contract.body.provider)
    let cheapest = scene.world.providers.prefix(2).map(\.identity.publicKey)
    #expect(Set(hired) == Set(cheapest))
    // Row 14: while it waits, it sleeps.
    let before = scene.publisher.wakeUps
    scene.world.run(forMs: 15_000) { false }
    #expect(scene.publisher.wakeUps - before < 40)
    scene.world.blockEveryMs = 2_000
    scene.world.mine()
    #expect(scene.finish())
    #expect(scene.world.providers.suffix(6).allSatisfy { $0.refusals.first == .busy })
  }

  @Test func theWindowEndsAtThreeBidsAPlace() throws {
    let scene = try Scene(Array(repeating: .init(), count: 3), workers: 1, tasks: 1) { _ in
    } plan: {
      $0.bidWindowMs = 30_000
    }
    #expect(scene.world.run { !scene.publisher.disk.pools.isEmpty })
    #expect(scene.world.run(forMs: 1_000) { scene.leases.first?.stage == .open })
    #expect(scene.finish())
  }

  @Test func aLeaseThatWasNeverUsedIsPaidNothing() throws {
    var behaviour = ScriptedProvider.Behaviour()
    // Its reservation costs nothing.
    behaviour.hourSat = 0
    let scene = try Scene([behaviour], tasks: nil)
    #expect(scene.world.run { scene.machine.status(of: scene.pool)?.open == 1 })
    scene.machine.noMoreTasks(scene.pool, scene.publisher.now)
    #expect(scene.finish())
    let lease = try #require(scene.leases.first)
    #expect(lease.paidSat == 0 && lease.stage == .closed && lease.hasReceipt)
    let spend = try #require(lease.channels[0].spend)
    #expect(spend.kind == .close && spend.payoutSat == 0)
    // This side sent it: long before the expiry.
    #expect((lease.channels[0].spendHeight ?? 999) < 100)
  }

  @Test func aFundingThatComesTooLateIsClosedAtOnce() throws {
    var late = ScriptedProvider.Behaviour()
    late.fundsTooLate = true
    late.hourSat = 100_000
    let scene = try Scene([late, .init()], workers: 1, tasks: 1)
    #expect(scene.finish())
    #expect(scene.exited == 1)
    let first = try #require(
      scene.leases.first {
        $0.contract.body.provider == scene.world.providers[0].identity.publicKey
      })
    #expect(first.paidSat == 0 && first.channels[0].spend?.kind == .close)
  }

  @Test func channelsFollowEachOther() throws {
    var behaviour = ScriptedProvider.Behaviour()
    behaviour.taskMs = 4_000
    let scene = try Scene([behaviour], tasks: 6) { _ in
    } plan: {
      $0.capacitySat = 1_000
    }
    #expect(scene.finish())
    let lease = try #require(scene.leases.first)
    #expect(scene.exited == 6 && scene.booksAgree)
    #expect(
      lease.channels.count >= 2 && scene.world.providers[0].topUps == lease.channels.count - 1)
    #expect(lease.channels.dropLast().allSatisfy { $0.paidSat > 0 })
    #expect(lease.channels.allSatisfy { $0.spend != nil })
    #expect(lease.channels.reduce(0) { $0 + ($1.spend?.payoutSat ?? 0) } == lease.paidSat)
  }

  @Test func aHigherLadderIsOpenedWhenAskedFor() throws {
    var behaviour = ScriptedProvider.Behaviour()
    behaviour.taskMs = 10_000
    let scene = try Scene([behaviour], tasks: 1)
    #expect(scene.world.run { scene.tasks.first?.isRunning == true })
    scene.world.providers[0].wantsHigherLadder(55_000)
    #expect(scene.finish())
    let lease = try #require(scene.leases.first)
    #expect(lease.channels.count == 2)
    #expect(lease.channels[1].terms.topRateSatPerKvB >= 55_000)
    #expect(lease.channels[1].terms.maxPayableSat == lease.channels[0].terms.maxPayableSat)
  }

  @Test func aRefusedTaskGoesToAnother() throws {
    var refusing = ScriptedProvider.Behaviour()
    refusing.refuses = [1, 2, 3, 4, 5, 6, 7, 8]
    refusing.hourSat = 100_000
    let scene = try Scene([refusing, .init()], tasks: 4)
    #expect(scene.finish())
    #expect(scene.exited == 4)
    #expect(scene.world.providers[0].executions.isEmpty)
    #expect(scene.world.providers[1].executions.count == 4)
  }

  @Test func aTaskIsStoppedByItself() throws {
    var behaviour = ScriptedProvider.Behaviour()
    behaviour.taskMs = 30_000
    let scene = try Scene([behaviour], tasks: 2)
    #expect(scene.world.run { scene.tasks.first?.isRunning == true })
    let publisher = scene.publisher
    #expect(publisher.machine.stop(task: TaskId(pool: scene.pool, index: 0), publisher.now) == nil)
    #expect(publisher.machine.stop(task: TaskId(pool: scene.pool, index: 9), publisher.now) != nil)
    #expect(scene.finish())
    guard case .line(let line, _)? = publisher.outcomes[0] else {
      Issue.record("no line")
      return
    }
    #expect(line.kind == .stoppedByPublisher)
    #expect(scene.exited == 1)
  }

  @Test func theRunIsStopped() throws {
    var behaviour = ScriptedProvider.Behaviour()
    behaviour.taskMs = 60_000
    let scene = try Scene([behaviour, behaviour], tasks: 5)
    #expect(scene.world.run { scene.tasks.filter(\.isRunning).count == 2 })
    scene.machine.stop(pool: scene.pool, scene.publisher.now)
    #expect(scene.finish())
    #expect(scene.leases.allSatisfy { $0.hasReceipt })
    #expect(scene.tasks.filter { $0.outcome == .stopped }.count == 3)
    #expect(scene.booksAgree)
  }

  /// The receipt is agreed sooner than so much is fetched.
  @Test func theResultsOfAStoppedTaskAreTaken() throws {
    var behaviour = ScriptedProvider.Behaviour()
    behaviour.taskMs = 60_000
    behaviour.resultBytes = 1_000_000
    let scene = try Scene([behaviour], tasks: 1)
    #expect(scene.world.run { scene.tasks.filter(\.isRunning).count == 1 })
    scene.machine.stop(pool: scene.pool, scene.publisher.now)
    #expect(scene.finish())
    #expect(scene.publisher.disk.results[0]?.count == 1_000_000)
    #expect(scene.publisher.disk.kept == [0])
    #expect(scene.leases.allSatisfy { $0.hasReceipt } && scene.booksAgree)
  }

  @Test func nobodyFits() throws {
    var declining = ScriptedProvider.Behaviour()
    declining.declines = .memory
    var small = ScriptedProvider.Behaviour()
    small.memoryMiB = 32
    let scene = try Scene([declining, declining, small], workers: 1, tasks: 1) { _ in
    } plan: {
      $0.hireTimeoutMs = 20_000
    }
    #expect(scene.finish(forMs: 60_000))
    let status = try #require(scene.machine.status(of: scene.pool))
    #expect(status.hireFailed)
    #expect(status.refusals == [PoolStatus.Refusals(code: .memory, providers: 3)])
    #expect(scene.publisher.outcomes == [0: .notHired])
    #expect(scene.publisher.says("3 x memory"))
  }

  @Test func twoPoolsShareOneWallet() throws {
    let scene = try Scene([.init()], tasks: 1)
    let publisher = scene.publisher
    let endpoint = try #require(Endpoint(text: "192.0.2.1:7000"))
    var plan = PoolPlan(offer: Scene.offer(workers: 1), endpoint: endpoint)
    plan.capacitySat = 99_900_000
    let other = publisher.machine.addPool(plan, publisher.now)
    // What the first pool was promised is not the other's.
    #expect(scene.world.run { scene.exited == 1 })
    #expect(publisher.machine.record(of: other) == nil)
    #expect(publisher.says("waiting for coins"))
    #expect(scene.finish())
    publisher.machine.stop(pool: other, publisher.now)
    #expect(publisher.machine.isFinished(other))
  }
}
