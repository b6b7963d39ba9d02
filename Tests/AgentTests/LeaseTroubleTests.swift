import Bitcoin
import Bytes
import Market
import TestSupport
import Testing

@testable import Agent

/// Broken connections, restarts, owners who need their machine, and publishers that send nonsense.
@Suite struct LeaseTroubleTests {
  @Test func aBrokenConnectionLosesNothing() {
    let scene = LeaseScene()
    let publisher = scene.hire { $0.habits.storesLines = false }
    scene.confirm(publisher)
    publisher.run(1, "print one")
    publisher.run(2, "sleep 3000")
    scene.run()
    scene.breakConnection(publisher)
    publisher.run(3, "print three")
    scene.pass(ms: 2000)
    #expect(publisher.isConnected)
    scene.pass(ms: 2000)
    #expect(publisher.lines.map { $0.number }.sorted() == [1, 2, 3])
    #expect(publisher.bytes(.standardOutput, of: 3) == Array("three".utf8))
    publisher.end()
    scene.run()
    #expect(publisher.receipt != nil)
    #expect(publisher.refusals.isEmpty)
  }

  /// Whenever the connection breaks, however often, every task ends once and the books agree.
  @Test(arguments: 0..<20) func brokenAtAnyTime(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let scene = LeaseScene()
    let publisher = scene.hire { $0.habits.storesLines = !random.once(in: 3) }
    scene.confirm(publisher)
    var number: UInt32 = 0
    for _ in 0..<60 {
      switch random.int(0...4) {
      case 0: scene.breakConnection(publisher)
      case 1, 2:
        number += 1
        publisher.run(number, random.once(in: 2) ? "print x\(number)" : "sleep \(number * 7)")
      default: scene.pass(ms: UInt64(random.int(1...900)))
      }
      // Its count of reserved time is a little lower than the machine's.
      publisher.reservedMs = (publisher.lastUsage?.usage.reservedMs ?? 0)
    }
    scene.pass(ms: 40_000)
    #expect(publisher.lines.map { $0.number }.sorted() == Array(1..<(number + 1)))
    #expect(publisher.refusals.isEmpty, "\(publisher.refusals)")
    publisher.habits.signsContract = false
    publisher.end()
    scene.pass(ms: 40_000)
    let receipt = try #require(publisher.receipt)
    #expect(receipt.paidSat == publisher.paidSat)
    #expect(publisher.paidSat >= receipt.owedSat)
  }

  @Test func runningTasksAreLostWithTheAgent() throws {
    let scene = LeaseScene()
    let publisher = scene.hire()
    scene.confirm(publisher)
    publisher.run(1, "true")
    publisher.send(publisher.order(2, "sleep 60000", memoryMiB: 60))
    publisher.send(publisher.order(3, "sleep 60000", memoryMiB: 60))
    scene.pass(ms: 5000)
    publisher.reservedMs = 4500
    let reported = try #require(publisher.lastUsage)
    scene.restart()
    scene.pass(ms: 1000)
    #expect(publisher.lines.map { $0.number } == [1, 2, 3])
    #expect(publisher.lines.map { $0.kind } == [.exited, .lost, .lost])
    let after = try #require(publisher.lastUsage)
    #expect(after.usage.tasks.isAtLeast(reported.usage.tasks))
    publisher.run(4, "print again")
    scene.run()
    #expect(publisher.lines.last?.number == 4)
    publisher.end()
    scene.run()
    #expect(publisher.receipt != nil)
    #expect(publisher.refusals.isEmpty)
  }

  /// A task's number is never run twice, whenever the plug is pulled.
  @Test(arguments: 0..<20) func restartedAtAnyTime(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let scene = LeaseScene()
    let publisher = scene.hire()
    scene.confirm(publisher)
    var number: UInt32 = 0
    for _ in 0..<40 {
      switch random.int(0...5) {
      case 0:
        scene.restart()
      case 1, 2:
        number += 1
        publisher.run(number, random.once(in: 2) ? "print x\(number)" : "sleep \(number * 7)")
      default: scene.pass(ms: UInt64(random.int(1...900)))
      }
      publisher.reservedMs = (publisher.lastUsage?.usage.reservedMs ?? 0)
    }
    scene.pass(ms: 40_000)
    #expect(publisher.lines.map { $0.number }.sorted() == Array(1..<(number + 1)))
    #expect(publisher.refusals.isEmpty, "\(publisher.refusals)")
    publisher.habits.signsContract = false
    publisher.end()
    scene.pass(ms: 40_000)
    let receipt = try #require(publisher.receipt)
    #expect(receipt.paidSat == publisher.paidSat)
    scene.restart()
    scene.mine(scene.broadcasts.last.map { [$0] } ?? [])
    scene.mine(blocks: 6)
    #expect(scene.summary == nil)
  }

  @Test func theOwnersPauseStandsStillUnpaid() throws {
    let scene = LeaseScene { $0.owner.loadMilli = 100 }
    let publisher = scene.hire()
    scene.confirm(publisher)
    publisher.run(1, "sleep 5000")
    scene.pass(ms: 1000)
    var readings = OwnerReadings()
    readings.othersLoadMilli = 900
    scene.machine.ownerRead(readings, scene.now)
    scene.run()
    #expect(publisher.standing == .paused)
    let owedSat = try #require(scene.summary).owedSat
    scene.pass(ms: 20_000)
    #expect(scene.summary?.owedSat == owedSat)
    readings.othersLoadMilli = 0
    scene.pass(ms: 20_000)
    scene.machine.ownerRead(readings, scene.now)
    scene.run()
    #expect(publisher.standing == .running)
    scene.pass(ms: 5000)
    #expect(publisher.lines.first?.kind == .exited)
  }

  @Test func theOwnerStopsTheAgent() throws {
    let scene = LeaseScene()
    let publisher = scene.hire()
    scene.confirm(publisher)
    publisher.run(1, "sleep 60000")
    scene.pass(ms: 3000)
    #expect(!scene.machine.isSettled)
    scene.machine.stopRequested(scene.now)
    scene.run()
    #expect(publisher.lines.first?.kind == .stoppedByOwner)
    #expect(publisher.receipt != nil)
    #expect(scene.machine.isSettled)
    #expect(scene.machine.closesUnderWay == [scene.broadcasts[0].txid])
  }

  @Test func aStoppingAgentDoesNotWaitForEver() {
    let scene = LeaseScene()
    let publisher = scene.hire { $0.habits.pays = false }
    scene.confirm(publisher)
    publisher.run(1, "sleep 60000")
    scene.pass(ms: 300)
    scene.machine.stopRequested(scene.now)
    scene.pass(ms: 10_500)
    #expect(scene.machine.isSettled)
  }

  @Test func aPublisherThatForgotTheLeaseIsClosedWith() {
    let scene = LeaseScene()
    let publisher = scene.hire()
    scene.confirm(publisher)
    publisher.run(1, "sleep 60000")
    scene.pass(ms: 3000)
    scene.breakConnection(publisher)
    let paidSat = publisher.paidSat
    publisher.forgetsLease = true
    scene.pass(ms: 20_000)
    #expect(scene.broadcasts.last?.outputs[0].amountSat == paidSat)
  }

  @Test func anAbsentPublishersLeaseEndsAfterTheHoldTime() {
    let scene = LeaseScene()
    let publisher = scene.hire()
    scene.confirm(publisher)
    publisher.run(1, "sleep 3000")
    scene.pass(ms: 2000)
    publisher.isThere = false
    scene.breakConnection(publisher)
    scene.pass(ms: 55_000)
    #expect(scene.stage == .open)
    scene.pass(ms: 10_000)
    #expect(scene.stage == .ending || scene.stage == .closing)
    #expect(scene.dials.count < 40)
    scene.pass(ms: 70_000)
    #expect(scene.broadcasts.count == 1)
  }

  // MARK: Looking for work

  @Test func offersThatDoNotSuitAreToldWhy() {
    let scene = LeaseScene()
    let dear = scene.hire(scene.offer(ceilingSat: 1000))
    #expect(dear.refusals.map { $0.code } == [.price])
    let cpus = scene.hire(scene.offer(milliCpus: 3000))
    #expect(cpus.refusals.map { $0.code } == [.processors])
    let disk = scene.hire(scene.offer { $0.share.diskMiB = 1000 })
    #expect(disk.refusals.map { $0.code } == [.disk])
    let margin = scene.hire(scene.offer { $0.closeMarginBlocks = 2 })
    #expect(margin.refusals.map { $0.code } == [.channel])
    let ladder = scene.hire(scene.offer { $0.feeLadderSatPerKvB = [1000] })
    #expect(ladder.refusals.map { $0.code } == [.channel])
    let loss = scene.hire(scene.offer { $0.publisherMaxLossSat = 300 })
    #expect(loss.refusals.map { $0.code } == [.risk])
    // Nearly: it is told once a minute at most.
    let memory = scene.hire(scene.offer(memoryMiB: 300))
    #expect(memory.refusals.map { $0.code } == [.memory])
    let far = scene.hire(scene.offer(memoryMiB: 5000))
    #expect(far.messages.isEmpty)
  }

  @Test func aFastMachineWithLittleCreditDoesNotBid() {
    let scene = LeaseScene { $0.hourSat = 100_000_000 }
    let publisher = scene.hire(scene.offer(ceilingSat: 1_000_000_000))
    #expect(publisher.refusals.map { $0.code } == [.risk])
  }

  @Test func aPublisherThatIsAwayIsCalledAgain() {
    let scene = LeaseScene()
    let publisher = scene.hire { $0.isThere = false }
    #expect(scene.dials.count == 1)
    scene.pass(ms: 120_000)
    #expect((5...9).contains(scene.dials.count))
    publisher.isThere = true
    scene.pass(ms: 70_000)
    #expect(publisher.accept != nil)
  }

  @Test func aMachineThatFinishedTakesAnotherPlace() {
    let scene = LeaseScene()
    let publisher = scene.hire()
    scene.confirm(publisher)
    publisher.run(1, "true")
    scene.run()
    publisher.end()
    scene.run()
    let first = publisher.contract?.id
    scene.pass(ms: 2000)
    #expect(publisher.contract?.id != first)
  }

  @Test func rumoursComeAfterWhatABlockHolds() {
    let scene = LeaseScene { $0.leases = 1 }
    for _ in 0..<12 {
      let publisher = scene.publisher { $0.isThere = false }
      scene.tell(.transactionSeen(publisher.announcement))
    }
    let honest = scene.hire()
    #expect(honest.accept != nil)
    let hosts = Set(scene.dials.map { $0.host })
    #expect(hosts.count >= 5)
  }

  @Test func nothingSpins() {
    let scene = LeaseScene { $0.leases = 1 }
    let publisher = scene.hire()
    scene.confirm(publisher)
    for _ in 0..<20 { scene.hire { $0.isThere = false } }
    let before = scene.effects.count
    scene.pass(ms: 60_000)
    // The reservation is reported and paid each second.
    #expect(scene.effects.count - before < 1500)
  }

  @Test func privateAddressesAreNotCalledOnPublicNetworks() {
    for (host, isPublic) in [
      ("127.0.0.1", false), ("10.1.2.3", false), ("192.168.1.1", false), ("169.254.0.1", false),
      ("172.16.0.1", false), ("172.32.0.1", true), ("100.64.0.1", false), ("8.8.8.8", true),
      ("0x7f.1", false), ("2130706433", false), ("127.1", false), ("localhost", false),
      ("printer.local", false), ("publisher.example.org", true), ("::1", false), ("fe80::1", false),
      ("fd00::1", false), ("::ffff:10.0.0.1", false), ("::ffff:8.8.8.8", true),
      ("2a00:1450::1", true), ("64:ff9b::a00:1", false), ("2001:db8::1", false),
      ("08.8.8.8", false),
      ("0.0.0.0", false), ("255.255.255.255", false), ("ff02::1", false), ("2002:a00:1::", false),
    ] {
      #expect(AddressRule.isPublic(Array(host.utf8)) == isPublic, "\(host)")
    }
  }

  // MARK: Nonsense

  @Test(arguments: 0..<30) func hostilePublishersDoNoHarm(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let scene = LeaseScene()
    let publisher = scene.hire()
    scene.confirm(publisher)
    publisher.run(1, "sleep 500")
    for _ in 0..<60 {
      switch random.int(0...9) {
      case 0: publisher.say(.task(publisher.order(UInt32(random.int(1...80)), "print z")))
      case 1: publisher.say(.linesStored(count: UInt32(random.int(0...99))))
      case 2: publisher.say(.taskStop(number: UInt32(random.int(0...9)), text: []))
      case 3: publisher.say(.receiptSigned(publisherSignature: random.bytes(64)))
      case 4:
        publisher.say(
          .statementSigned(digest: random.bytes32(), publisherSignature: random.bytes(64)))
      case 5: publisher.say(.closeWanted(channel: UInt8(random.int(0...7)), fromRung: 0))
      case 6: publisher.say(.topUp(body: random.bytes(50), publisherSignature: random.bytes(64)))
      case 7:
        publisher.say(
          .funding(channel: UInt8(random.int(0...7)), transaction: random.bytes(99), output: 0))
      case 8: publisher.receive(.fileOut, of: UInt32(random.int(0...300)), from: random.next())
      default: publisher.say(.state(publisher.state))
      }
      scene.pass(ms: UInt64(random.int(0...500)))
    }
    #expect(scene.stage == .open || scene.stage == .ending || scene.stage == .closing)
    let summary = try #require(scene.summary)
    #expect(summary.owedSat <= summary.paidSat + publisher.contract!.providerMaxLossSat)
  }
}
