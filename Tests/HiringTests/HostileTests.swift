import Bitcoin
import Bytes
import Market
import Testing

@testable import Hiring

/// Providers that do not do their part: what is lost to them is bounded, and the work is done elsewhere.
struct HostileTests {
  /// Row 1: cheap by the hour, and a network rate with which a KiB costs a fortune.
  @Test func aGreedyBidIsRefused() throws {
    var greedy = ScriptedProvider.Behaviour()
    greedy.hourSat = 1_000
    greedy.networkPsatPerKiB = 20_000 * RateVector.psatPerSat
    let scene = try Scene([greedy, .init()], workers: 1, tasks: 1)
    #expect(scene.finish())
    #expect(scene.world.providers[0].refusals.contains(.price))
    #expect(scene.world.providers[0].paidSat == 0)
    #expect(scene.exited == 1)
  }

  /// Row 1: the same below the ceiling is ranked by what it can cost.
  @Test func theWorstPriceDecides() throws {
    var dear = ScriptedProvider.Behaviour()
    dear.hourSat = 1_000
    dear.networkPsatPerKiB = RateVector.psatPerSat
    let scene = try Scene([dear, .init()], workers: 1, tasks: 1)
    #expect(scene.finish())
    #expect(scene.world.providers[0].executions.isEmpty)
  }

  @Test func usageThatCannotBeTrueIsNotPaid() throws {
    var liar = ScriptedProvider.Behaviour()
    liar.overstatesTenths = 30
    liar.taskMs = 20_000
    liar.hourSat = 100_000
    let scene = try Scene([liar, .init()], workers: 1, tasks: 1)
    #expect(scene.finish())
    let lease = try #require(
      scene.leases.first {
        $0.contract.body.provider == scene.world.providers[0].identity.publicKey
      })
    #expect(lease.fault.contains("implausible usage"))
    #expect(lease.statement == nil || !lease.hasReceipt)
    #expect(lease.paidSat < 1_000)
    #expect(scene.exited == 1 && scene.world.providers[1].executions.count == 1)
  }

  /// Row 3: it ignores the stop and reports on.
  @Test func afterTheStopOnlyTheGraceIsPaid() throws {
    var stubborn = ScriptedProvider.Behaviour()
    stubborn.ignoresStops = true
    stubborn.taskMs = 10_000_000
    let scene = try Scene([stubborn], tasks: 1)
    #expect(scene.world.run { (scene.leases.first?.paidSat ?? 0) > 1_000 })
    scene.machine.stop(pool: scene.pool, scene.publisher.now)
    let owedSat = scene.world.providers[0].owedSat
    scene.world.run(forMs: 29_000) { false }
    // Two seconds of grace and two of tolerance, at 400,000 sat an hour: 111 sat a second.
    let paidSat = try #require(scene.leases.first?.paidSat)
    #expect(paidSat <= owedSat + 600)
    #expect(scene.world.providers[0].owedSat > owedSat + 1_000)
    #expect(scene.finish())
    #expect(scene.leases.first?.paidSat ?? 0 <= owedSat + 600)
    #expect(scene.leases.first?.hasReceipt == false)
  }

  @Test func oneTaskThatDoesNotStopCostsItsMachineTheLease() throws {
    var stubborn = ScriptedProvider.Behaviour()
    stubborn.ignoresStops = true
    stubborn.taskMs = 10_000_000
    let scene = try Scene([stubborn], tasks: 1) { $0.payoutIntervalMs = 60_000 }
    #expect(scene.world.run { scene.tasks.first?.isRunning == true })
    let publisher = scene.publisher
    _ = publisher.machine.stop(task: TaskId(pool: scene.pool, index: 0), publisher.now)
    #expect(scene.world.run(forMs: 400_000) { scene.publisher.says("does not end") })
    #expect(scene.leases.first?.fault.isEmpty == false)
  }

  /// Row 5: it takes the first payment and stops.
  @Test func whoTakesTheFirstPaymentAndStopsIsReplaced() throws {
    var thief = ScriptedProvider.Behaviour()
    thief.vanishesAfterPayments = 1
    thief.taskMs = 30_000
    thief.hourSat = 100_000
    let scene = try Scene([thief, .init()], workers: 1, tasks: 1) { _ in
    } plan: {
      $0.awayMs = 60_000
    }
    #expect(scene.finish(forMs: 2_000_000))
    #expect(scene.exited == 1 && scene.world.providers[1].executions.count == 1)
    #expect(scene.world.providers[0].paidSat <= 330 + 100)
    #expect(scene.publisher.restarted == [0])
  }

  /// Row 5: what may be lost to unknown machines is bounded, and stated.
  @Test func thievesGetNoMoreThanTheLimit() throws {
    var thief = ScriptedProvider.Behaviour()
    thief.vanishesAfterPayments = 1
    thief.taskMs = 30_000
    let scene = try Scene(Array(repeating: thief, count: 6), workers: 1, tasks: 1) { _ in
    } plan: {
      $0.awayMs = 30_000
      $0.reruns = 10
    }
    #expect(scene.finish(forMs: 4_000_000))
    let lostSat = scene.world.providers.reduce(0) { $0 + $1.paidSat }
    let limitSat = scene.machine.record(of: scene.pool)?.plan.unknownLossLimitSat ?? 0
    #expect(lostSat > 0 && lostSat <= limitSat)
    #expect(scene.machine.status(of: scene.pool)?.hireFailed == true)
    #expect(scene.publisher.outcomes[0] == .notHired)
  }

  /// Row 13: accepts nothing, starts nothing, stands still for ever.
  @Test func everyWaitHasAnEnd() throws {
    var silent = ScriptedProvider.Behaviour()
    silent.neverAccepts = true
    silent.hourSat = 100_000
    var idle = ScriptedProvider.Behaviour()
    idle.neverStarts = true
    idle.hourSat = 200_000
    let scene = try Scene([silent, idle, .init()], workers: 1, tasks: 1)
    #expect(scene.finish(forMs: 2_000_000))
    #expect(scene.exited == 1)
    #expect(scene.publisher.says("did not sign in time"))
    #expect(scene.publisher.says("does not start a task that fits"))
    // What it did nothing for is hardly paid: the first payment at most.
    #expect(scene.world.providers[1].paidSat <= 330 + 600)
  }

  @Test func aPauseThatIsLongerThanTheNoticeEndsTheLease() throws {
    var paused = ScriptedProvider.Behaviour()
    paused.taskMs = 20_000
    let scene = try Scene([paused], tasks: 1) { $0.noticeMs = 60_000 }
    #expect(scene.world.run { scene.tasks.first?.isRunning == true })
    scene.world.providers[0].stand(.paused)
    let owedSat = scene.world.providers[0].owedSat
    #expect(scene.world.run(forMs: 120_000) { scene.leases.first?.stage ?? .open > .open })
    #expect(scene.publisher.says("paused"))
    // A pause costs nothing.
    #expect((scene.leases.first?.owedSat ?? 0) <= owedSat + 10)
  }

  @Test func afterAFreezeItRunsOn() throws {
    var behaviour = ScriptedProvider.Behaviour()
    behaviour.taskMs = 5_000
    let scene = try Scene([behaviour], tasks: 1)
    #expect(scene.world.run { scene.tasks.first?.isRunning == true })
    scene.world.providers[0].stand(.frozen)
    scene.world.run(forMs: 30_000) { false }
    #expect(scene.leases.first?.standing == .frozen)
    scene.world.providers[0].stand(.running)
    #expect(scene.finish())
    #expect(scene.leases.first?.hasReceipt == true)
    #expect(scene.exited == 1)
  }

  @Test func resultsThatDifferFromTheirDigestAreNotTaken() throws {
    var forger = ScriptedProvider.Behaviour()
    forger.resultBytes = 10_000
    forger.corruptsResults = true
    let scene = try Scene([forger], tasks: 1)
    #expect(scene.finish())
    guard case .line(_, hasResults: false)? = scene.publisher.outcomes[0] else {
      Issue.record("forged results were taken")
      return
    }
    #expect(scene.leases.first?.hasReceipt == false)
  }

  /// Row 4: a debt that both ledgers hold is named, and is the first thing owed.
  @Test func aKnownDebtIsPaidAndAnInventedOneIsRefused() throws {
    var behaviour = ScriptedProvider.Behaviour()
    behaviour.debt = Debt(lease: Bytes32([UInt8](repeating: 9, count: 32)), amountSat: 70)
    let scene = try Scene([behaviour], tasks: 1) { _ in
    } plan: {
      $0.hireTimeoutMs = 10_000
    }
    #expect(scene.finish())
    #expect(scene.world.providers[0].refusals.contains(.debt))

    let known = try Scene([behaviour], tasks: nil)
    var book = ProviderBook()
    let provider = known.world.providers[0].identity.publicKey
    book.owes(Debt(lease: Bytes32([UInt8](repeating: 9, count: 32)), amountSat: 80), to: provider)
    try known.machine.restored(providers: book.encode())
    _ = known.machine.addTask(Scene.spec("0"), to: known.pool, known.publisher.now)
    known.machine.noMoreTasks(known.pool, known.publisher.now)
    #expect(known.finish())
    let lease = try #require(known.leases.first)
    #expect(lease.contract.body.debt?.amountSat == 70 && lease.owedSat >= 70 && lease.hasReceipt)
    #expect(known.machine.providerBook.entries.first?.debts.isEmpty == true)
    #expect(known.machine.providerBook.isKnown(provider))
  }

  /// Row 2: the receipt is signed by both, and the close never leaves the provider.
  @Test func withTheReceiptInHandThisSideSendsTheClose() throws {
    var forgetful = ScriptedProvider.Behaviour()
    forgetful.keepsClose = true
    let scene = try Scene([forgetful], tasks: 1)
    #expect(scene.finish())
    let lease = try #require(scene.leases.first)
    let spend = try #require(lease.channels[0].spend)
    #expect(spend.kind == .close && spend.payoutSat == lease.paidSat && lease.paidSat > 0)
    #expect((lease.channels[0].spendHeight ?? 999) < 100)
  }

  @Test func whoNeverHangsUpHoldsNobodyUp() throws {
    var clinging = ScriptedProvider.Behaviour()
    clinging.staysOnTheLine = true
    clinging.keepsClose = true
    let scene = try Scene([clinging], tasks: 1) { _ in
    } plan: {
      $0.waitsForClose = false
    }
    scene.world.blockEveryMs = 600_000
    #expect(scene.finish(forMs: 60_000))
    #expect(scene.leases.first?.stage == .settled && scene.leases.first?.hasReceipt == true)
  }

  @Test func whoNeverClosesIsLeftWithNothing() throws {
    var thief = ScriptedProvider.Behaviour()
    thief.vanishesAfterPayments = 1
    thief.taskMs = 30_000
    let scene = try Scene([thief], tasks: 1) { _ in
    } plan: {
      $0.awayMs = 30_000
      $0.reruns = 0
    }
    #expect(scene.finish(forMs: 200_000))
    #expect(scene.publisher.outcomes[0] == .lost)
    #expect(scene.world.run(forMs: 600_000) { scene.leases.first?.stage == .closed })
    #expect(scene.leases.first?.channels[0].spend?.kind == .refund)
  }

  /// Row 12: silent connections displace nobody.
  @Test func silentCallersDisplaceNobody() throws {
    let scene = try Scene([.init()], tasks: 1)
    let publisher = scene.publisher
    for call in 0..<80 {
      publisher.machine.connected(
        CallKey(1_000_000 + UInt64(call)), address: "198.51.100.\(call % 20)", publisher.now)
    }
    #expect(scene.finish())
    #expect(scene.exited == 1)
  }
}
