import Bitcoin
import Bytes
import Channel
import Market
import TestSupport
import Testing
import Wallet

@testable import Publisher

/// The publisher's run against real agents' minds, from the announcement to the last close.
struct RunTests {
  static func offer(workers: UInt16 = 1) -> Offer {
    Offer(
      network: Network.regtest.identity, title: Array("test".utf8),
      arguments: [Array("/bin/true".utf8)],
      limits: ResourceLimits(
        memoryMiB: 64, milliCpus: 1000, pids: 16, diskMiB: 16, wallMs: 60_000),
      workers: workers, priceCeilingSatPerHour: 100_000_000, payoutIntervalMs: 200,
      providerMaxLossSat: 20_000, publisherMaxLossSat: 20_000, openingPaymentSat: 600,
      graceMs: 5_000, channelBlocks: 144, maxBundleBytes: 1 << 20, maxResultBytes: 1 << 20)
  }

  /// A publisher with coins, and one machine for each behaviour.
  static func world(
    _ behaviours: [FakeMachine.Behaviour], workers: UInt16? = nil, seed: UInt64 = 1,
    coinsSat: UInt64 = 100_000_000, change: (inout RunPlan) -> Void = { _ in }
  ) throws -> World {
    let world = World(seed: seed)
    var plan = RunPlan(
      offer: offer(workers: workers ?? UInt16(behaviours.count)),
      endpoint: Endpoint(text: "192.0.2.1:7000")!,
      bundles: [Array(repeating: 0x42, count: 50_000)])
    change(&plan)
    let keys = try WalletKeys(
      phrase: Phrase(entropy: [UInt8](repeating: 7, count: 16)), network: .regtest)
    let wallet = try Wallet(keys: keys, network: .regtest, birthHeight: 0)
    world.publisher = try FakePublisher(world, plan, keys: keys)
    if coinsSat > 0 { world.give(coinsSat, to: wallet.receiveScript) }
    for (index, behaviour) in behaviours.enumerated() {
      world.machines.append(FakeMachine(world, index, behaviour))
    }
    return world
  }

  /// What holds of every job that went well, on both sides and on the chain.
  static func checkSettled(_ world: World, workers: Int) throws {
    let summaries = world.publisher.machine.summaries
    #expect(summaries.count == workers)
    for summary in summaries {
      let record = summary.record
      let receipt = try #require(record.receipt)
      try receipt.verify(summary.contract)
      #expect(record.stage == .closed)
      #expect(receipt.receipt.paidSat == summary.paidSat)
      #expect(receipt.receipt.owedSat <= summary.paidSat)
      #expect(receipt.receipt.payments == summary.payments)
      #expect(summary.paidSat <= max(record.owedSat, summary.contract.openingPaymentSat))
      let spend = try #require(summary.spend)
      #expect(spend.kind == .close)
      #expect(spend.payoutSat > 0 && spend.payoutSat <= summary.paidSat)
      let close = try #require(world.transaction(spend.txid))
      #expect(close.outputs[0].scriptPubKey == summary.contract.terms.payoutScript)
      #expect(record.exit?.status == 0 && record.resultsAreHeld)
    }
  }

  @Test func twoWorkersAreHiredPaidAndCollect() throws {
    var dear = FakeMachine.Behaviour()
    dear.hourSat = 60_000_000
    let world = try RunTests.world([dear, FakeMachine.Behaviour()])
    #expect(world.run { world.publisher.machine.isFinished })
    #expect(world.publisher.end == .success)
    try RunTests.checkSettled(world, workers: 2)
    // The cheaper machine is worker 0; one transaction funds both channels.
    let summaries = world.publisher.machine.summaries
    #expect(summaries[0].contract.provider == world.machines[1].secrets.identity.publicKey)
    #expect(summaries[0].funding?.txid == summaries[1].funding?.txid)
    #expect(summaries[0].payments > 10)
    for worker in UInt16(0)...1 {
      #expect(world.publisher.disk.results[worker] == FakeMachine.Behaviour().results)
      #expect(world.publisher.printed[worker] == Array("hello\n".utf8))
    }
    #expect(RunRecord.decode(world.publisher.disk.run!)?.isFinished == true)
  }

  @Test func theCheapestOfThreeIsHired() throws {
    var behaviours = [FakeMachine.Behaviour](repeating: FakeMachine.Behaviour(), count: 3)
    behaviours[0].hourSat = 70_000_000
    behaviours[2].hourSat = 60_000_000
    let world = try RunTests.world(behaviours, workers: 1)
    #expect(world.run { world.publisher.machine.isFinished })
    #expect(
      world.publisher.machine.summaries.map(\.contract.provider)
        == [world.machines[1].secrets.identity.publicKey])
  }

  @Test func aMachineAboveTheCeilingIsNotHired() throws {
    var dear = FakeMachine.Behaviour()
    dear.hourSat = 200_000_000
    let world = try RunTests.world([dear])
    #expect(!world.run(forMs: 60_000) { world.publisher.machine.isFinished })
    #expect(world.publisher.machine.summaries.isEmpty)
  }

  /// Whose number is used up from one look at the job to the next: it would stand still all the time.
  @Test func noMachineBidsForAJobThatCouldNotRun() throws {
    let world = try RunTests.world([FakeMachine.Behaviour()]) {
      $0.offer.providerMaxLossSat = 20
    }
    #expect(!world.run(forMs: 60_000) { world.publisher.machine.isFinished })
    #expect(world.publisher.machine.summaries.isEmpty)
    #expect(world.machines[0].lines.contains { $0.contains("puts 20 sat at risk") })
    #expect(world.publisher.lines.contains { $0.contains("puts 20 sat at risk") })
  }

  @Test func aReportThatAnotherKeySignedIsRefused() throws {
    var liar = FakeMachine.Behaviour()
    liar.signsWithOtherKey = true
    let world = try RunTests.world([liar, FakeMachine.Behaviour()], workers: 1)
    #expect(world.run { world.publisher.machine.isFinished })
    #expect(
      world.publisher.machine.summaries.map(\.contract.provider)
        == [world.machines[1].secrets.identity.publicKey])
    #expect(world.publisher.lines.contains { $0.hasPrefix("bid refused: report: ") })
  }

  /// All signets begin with the same block: what they sign must tell them apart.
  @Test func aMachineOnAnotherSignetRefuses() throws {
    let signets = try [[0x51], Script.p2wsh(witnessScript: [0x51])].map {
      try Network.customSignet(name: Array("zen".utf8), challenge: $0)
    }
    #expect(signets[0].genesis == signets[1].genesis)
    var other = FakeMachine.Behaviour()
    other.network = signets[1]
    other.hourSat = 40_000_000
    var here = FakeMachine.Behaviour()
    here.network = signets[0]
    let world = try RunTests.world([other, here], workers: 1) {
      $0.offer.network = signets[0].identity
    }
    #expect(world.run { world.publisher.machine.isFinished })
    #expect(
      world.publisher.machine.summaries.map(\.contract.provider)
        == [world.machines[1].secrets.identity.publicKey])
    let isRefused = world.machines[0].lines.contains {
      $0.contains("the offer is for another network")
    }
    #expect(isRefused)
  }

  @Test func withoutCoinsNothingIsAnnounced() throws {
    let world = try RunTests.world([FakeMachine.Behaviour()], coinsSat: 0)
    #expect(!world.run(forMs: 30_000) { world.publisher.machine.runRecord != nil })
    #expect(world.publisher.lines.filter { $0.hasPrefix("waiting for coins") }.count == 1)
    world.give(100_000_000, to: world.publisher.machine.wallet.receiveScript)
    #expect(world.run { world.publisher.machine.isFinished })
    #expect(world.publisher.end == .success)
  }

  @Test func aProgramThatFailsFailsTheRun() throws {
    var failing = FakeMachine.Behaviour()
    failing.exitStatus = 3
    let world = try RunTests.world([failing])
    #expect(world.run { world.publisher.machine.isFinished })
    #expect(world.publisher.end == ExitStatus(.exited, 3))
    #expect(world.publisher.machine.summaries[0].record.exit?.status == 3)
  }

  @Test func moreProcessorTimeThanTheLimitIsNotPaid() throws {
    var liar = FakeMachine.Behaviour()
    liar.cpuPermille = 9_000
    let world = try RunTests.world([liar])
    #expect(world.run { world.publisher.machine.isFinished })
    #expect(world.publisher.end == .stoppedByPublisher)
    let summary = world.publisher.machine.summaries[0]
    // What was paid before it was noticed is bounded by what the contract lets be lost.
    #expect(summary.record.receipt == nil)
    #expect(summary.record.exit?.kind == .stoppedByPublisher)
    #expect(summary.paidSat < summary.contract.publisherMaxLossSat + 4_000 * 30)
    #expect(world.publisher.lines.contains { $0.contains("more processor time") })
  }

  @Test func resultsOfAnotherDigestAreNotTaken() throws {
    var liar = FakeMachine.Behaviour()
    liar.corruptsResults = true
    let world = try RunTests.world([liar])
    #expect(world.run { world.publisher.machine.isFinished })
    #expect(world.publisher.end == .noResults)
    #expect(world.publisher.machine.summaries[0].record.receipt == nil)
    #expect(world.publisher.disk.kept.isEmpty)
  }

  /// Long enough that much more becomes owed than the contract lets anybody lose.
  private static var long: FakeMachine.Behaviour {
    var behaviour = FakeMachine.Behaviour()
    behaviour.jobMs = 30_000
    return behaviour
  }

  @Test func aPublisherThatStopsPayingFreezesItsJobAndThawsItByPaying() throws {
    let world = try RunTests.world([RunTests.long]) { plan in
      plan.stopPayingAfter = 3
      plan.payAgainAfterMs = 8_000
    }
    #expect(world.run { world.publisher.machine.isFinished })
    #expect(world.machines[0].wasFrozen)
    #expect(world.publisher.end == .success)
    let usage = world.publisher.machine.summaries[0].record.usage
    #expect(usage.frozenMs > 500)
    try RunTests.checkSettled(world, workers: 1)
  }

  @Test func aPublisherThatNeverPaysAgainLosesItsJobAndTheMachineCollects() throws {
    let world = try RunTests.world([RunTests.long]) { $0.stopPayingAfter = 3 }
    #expect(world.run { world.publisher.machine.isFinished })
    let summary = world.publisher.machine.summaries[0]
    #expect(summary.record.exit?.kind == .unpaid)
    #expect(summary.payments == 3)
    #expect(summary.record.receipt == nil)
    #expect(summary.spend?.kind == .close)
    // The provider's loss stays within the contract's number.
    #expect(summary.record.owedSat - summary.paidSat <= summary.contract.providerMaxLossSat)
  }

  @Test func aBundleThatIsCachedIsNotTransferred() throws {
    var behaviours = [FakeMachine.Behaviour(), FakeMachine.Behaviour()]
    behaviours[1].hasBundle = true
    let world = try RunTests.world(behaviours)
    #expect(world.run { world.publisher.machine.isFinished })
    #expect(world.publisher.end == .success)
    try RunTests.checkSettled(world, workers: 2)
    let digest = world.publisher.machine.summaries[0].contract.bundleDigest
    #expect(world.machines.map(\.askedFor) == [[digest], [digest]])
    #expect(world.machines.map(\.transferredBytes) == [50_000, 0])
    // What was transferred is offered to the cache.
    #expect(world.machines.map(\.cached) == [digest, digest])
  }

  @Test func aMachineThatVanishesIsGivenUpAndItsChannelTakenBack() throws {
    let world = try RunTests.world([FakeMachine.Behaviour()]) { $0.awayMs = 20_000 }
    #expect(world.run { world.publisher.machine.summaries.first?.record.stage == .running })
    world.cut(0)
    world.machines[0].isGone = true
    #expect(world.run(forMs: 60_000) { world.publisher.machine.isFinished })
    #expect(world.publisher.end == .lost)
    // What was begun is not forgotten before the refund is in a block.
    let stillOpen = world.publisher.machine.summaries[0]
    #expect(stillOpen.spend == nil)
    #expect(RunRecord.decode(world.publisher.disk.run!)?.isFinished == false)
    #expect(world.run { world.publisher.machine.summaries[0].spend != nil })
    let spend = world.publisher.machine.summaries[0].spend
    #expect(spend?.kind == .refund)
    #expect((spend?.changeSat ?? 0) > stillOpen.contract.terms.capacitySat - 1_000)
    #expect(
      (world.publisher.machine.summaries[0].spendHeight ?? 0)
        > stillOpen.contract.terms.expiryHeight)
  }

  @Test func aMachineThatIsThereAndDoesNothingIsGivenUp() throws {
    var idle = FakeMachine.Behaviour()
    idle.jobMs = 10_000_000
    idle.ignoresTimeLimit = true
    idle.cpuPermille = 0
    let world = try RunTests.world([idle])
    #expect(world.run(forMs: 8_000_000) { world.publisher.machine.isFinished })
    #expect(world.publisher.end == .lost)
    // What it says it used beyond the time limit is not paid.
    let summary = world.publisher.machine.summaries[0]
    #expect(summary.paidSat <= summary.record.owedSat + summary.contract.openingPaymentSat)
    #expect(summary.record.usage.wallMs <= 62_000)
  }
}
