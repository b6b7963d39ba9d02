import Bitcoin
import Bytes
import Channel
import Market
import Testing

@testable import Agent

/// A lease from the announcement to the archive, on the ordinary path.
@Suite struct LeaseTests {
  /// Peers take a while to ask for the funding; tasks and their bundles are sent meanwhile.
  @Test func bundlesTravelWhileTheFundingIsRelayed() {
    let scene = LeaseScene()
    scene.peersAsk = false
    let publisher = scene.hire()
    #expect(scene.stage == .awaitingFunding)
    publisher.run(1, "print hello")
    scene.run()
    #expect(publisher.lines.isEmpty)
    scene.confirm(publisher)
    scene.run()
    #expect(publisher.bytes(.standardOutput, of: 1) == Array("hello".utf8))
  }

  @Test func aLeaseRunsTasksIsPaidAndEnds() throws {
    let scene = LeaseScene()
    let publisher = scene.hire()
    #expect(scene.stage == .open)
    #expect(publisher.sights[0] == .relayed)
    scene.confirm(publisher)
    #expect(publisher.sights[0] == .confirmed(height: scene.height))

    publisher.run(1, "print hello")
    publisher.run(2, "sleep 3000")
    publisher.run(3, "missing")
    scene.run()
    #expect(publisher.bytes(.standardOutput, of: 1) == Array("hello".utf8))
    #expect(publisher.lines.map { $0.number } == [1, 3])
    scene.pass(ms: 4000)
    #expect(publisher.lines.map { $0.number } == [1, 3, 2])
    #expect(publisher.lines.first { $0.number == 3 }?.kind == .neverRan)
    #expect(publisher.lines.first { $0.number == 2 }?.usage.wallMs == 3000)
    #expect(publisher.paidSat >= 330)

    publisher.end()
    scene.run()
    let receipt = try #require(publisher.receipt)
    #expect(receipt.owedSat <= publisher.paidSat)
    #expect(receipt.paidSat == publisher.paidSat)
    #expect(publisher.refusals.isEmpty)
    #expect(scene.stage == .closing)
    #expect(scene.erasures == 1)
    #expect(scene.shares.isEmpty)
    let close = try #require(scene.broadcasts.last)
    #expect(close.outputs[0].amountSat == publisher.paidSat)

    scene.mine([close])
    #expect(scene.stage == .closed)
    scene.mine(blocks: 6)
    #expect(scene.summary == nil)
    #expect(scene.disk.archived == [publisher.contract!.id])
  }

  @Test func aTaskCostsAtMostTwoCommits() {
    let scene = LeaseScene()
    let publisher = scene.hire()
    scene.confirm(publisher)
    publisher.run(1, "true")
    scene.run()
    let before = scene.disk.commits
    for number in UInt32(2)...101 {
      publisher.run(number, "true")
      scene.run()
    }
    #expect(publisher.lines.count == 101)
    // Half a second of reports and payments apart.
    #expect(scene.disk.commits - before <= 200)
  }

  @Test func whatIsSentAtOnceIsStoredAtOnce() {
    let scene = LeaseScene()
    let publisher = scene.hire()
    scene.confirm(publisher)
    publisher.run(1, "true")
    scene.run()
    let before = scene.disk.commits
    for number in UInt32(2)...51 { publisher.run(number, "true") }
    scene.run()
    #expect(publisher.lines.count == 51)
    #expect(scene.disk.commits - before <= 60)
  }

  @Test func rowsOfStoredLinesGoFromTheDisk() throws {
    let scene = LeaseScene()
    let publisher = scene.hire()
    scene.confirm(publisher)
    for number in UInt32(1)...600 {
      publisher.run(number, "true")
      scene.run()
    }
    let rows = try #require(scene.disk.rows[publisher.contract!.id])
    #expect(rows.count <= 258)
  }

  @Test func resultsAreFetchedAndDropped() throws {
    let scene = LeaseScene()
    let publisher = scene.hire()
    scene.confirm(publisher)
    publisher.send(publisher.order(1, "true", results: 1 << 20))
    scene.run()
    let line = try #require(publisher.lines.first)
    #expect(line.resultBytes == 50_000)
    publisher.receive(.fileOut, of: 1)
    scene.run()
    #expect(publisher.bytes(.fileOut, of: 1).count == 50_000)
    #expect(scene.effects.contains("dropResults"))
  }

  @Test func aBundleIsMovedOnceAndKept() {
    let scene = LeaseScene()
    let publisher = scene.hire()
    scene.confirm(publisher)
    let base = publisher.addBundle([UInt8](repeating: 1, count: 300_000))
    for number in UInt32(1)...20 {
      let input = publisher.addBundle([UInt8(number)])
      publisher.send(publisher.order(number, "true", bundles: [base, input]))
    }
    scene.run()
    #expect(publisher.lines.count == 20)
    #expect(publisher.lines.allSatisfy { $0.kind == .exited })
    #expect(publisher.bundleBytesSent == 300_020)
  }

  @Test func tasksWaitForMemoryInOrder() {
    let scene = LeaseScene()
    let publisher = scene.hire()
    scene.confirm(publisher)
    publisher.send(publisher.order(1, "sleep 500", memoryMiB: 40))
    publisher.send(publisher.order(2, "sleep 500", memoryMiB: 40))
    publisher.send(publisher.order(3, "sleep 500", memoryMiB: 8))
    scene.run()
    #expect(scene.summary?.running == 1)
    #expect(scene.summary?.queued == 2)
    scene.pass(ms: 600)
    #expect(scene.summary?.running == 2)
    scene.pass(ms: 600)
    #expect(publisher.lines.map { $0.number } == [1, 2, 3])
  }

  @Test func inputReachesTheTask() throws {
    let scene = LeaseScene()
    let publisher = scene.hire()
    scene.confirm(publisher)
    let order = publisher.order(1, "sleep 1000", hasInput: true)
    publisher.bundles[TaskKey.of(contract: publisher.contract!.id, number: 1)] = [1, 2, 3]
    publisher.send(order)
    scene.run()
    let task = try #require(scene.tasks.values.first)
    #expect(task.input == [1, 2, 3])
    #expect(scene.effects.contains("closeInput"))
  }

  @Test func aTaskIsStoppedWithinItsGrace() throws {
    let scene = LeaseScene()
    let publisher = scene.hire()
    scene.confirm(publisher)
    publisher.send(publisher.order(1, "sleep 60000", stopMs: 1000))
    scene.pass(ms: 500)
    publisher.say(.taskStop(number: 1, text: []))
    scene.pass(ms: 500)
    #expect(publisher.lines.isEmpty)
    #expect(scene.effects.contains("signalTask"))
    scene.pass(ms: 600)
    let line = try #require(publisher.lines.first)
    #expect(line.kind == .stoppedByPublisher)
    #expect(line.usage.wallMs <= 1600)
  }

  @Test func theTimeLimitOfATaskHolds() throws {
    let scene = LeaseScene()
    let publisher = scene.hire()
    scene.confirm(publisher)
    publisher.send(publisher.order(1, "sleep 60000", wallMs: 1000))
    scene.pass(ms: 2000)
    #expect(publisher.lines.first?.kind == .timeLimit)
  }

  @Test func ordersThatCannotBeAreRefused() {
    let scene = LeaseScene()
    let publisher = scene.hire()
    scene.confirm(publisher)
    publisher.send(publisher.order(1, "true", memoryMiB: 65))
    let large = publisher.addBundle([UInt8](repeating: 3, count: 9 << 20))
    publisher.send(publisher.order(2, "true", bundles: [large]))
    for number in UInt32(3)...70 {
      publisher.send(publisher.order(number, "sleep 100000", memoryMiB: 40))
    }
    scene.run()
    #expect(publisher.refusedTasks.map { $0.number } == [1, 2, 67, 68, 69, 70])
    #expect(
      publisher.refusedTasks.map { $0.code } == [.unacceptable, .disk, .busy, .busy, .busy, .busy])
  }

  @Test func aMachineThatStartsNothingIsNotPaidForItsReservation() throws {
    let scene = LeaseScene()
    let publisher = scene.hire()
    scene.confirm(publisher)
    scene.pass(ms: 2000)
    scene.sandboxesStart = false
    publisher.run(1, "sleep 1000")
    scene.pass(ms: 20_000)
    #expect(scene.summary?.usage.reservedMs == 7000)
  }

  @Test func aTopUpGoesOnWhereTheFirstChannelIsFull() throws {
    let scene = LeaseScene()
    let publisher = scene.hire { $0.capacitySat = 7000 }
    scene.confirm(publisher)
    publisher.run(1, "sleep 60000")
    scene.pass(ms: 2000)
    publisher.topUp(blocks: 200)
    scene.run()
    #expect(publisher.refusals.isEmpty)
    publisher.fund(1)
    scene.run()
    #expect(publisher.sights[1] == .relayed)
    scene.confirm(publisher, channel: 1)
    scene.pass(ms: 58_500)
    #expect(publisher.lines.first?.kind == .exited)
    #expect(publisher.channels[1].paidSat >= 330)
    publisher.end()
    scene.run()
    #expect(publisher.receipt?.paid.count == 2)
    #expect(scene.broadcasts.count == 2)
    scene.mine(scene.broadcasts)
    scene.mine(blocks: 6)
    #expect(scene.summary == nil)
  }
}
