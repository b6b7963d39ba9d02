import Bitcoin
import Bytes
import Market
import Testing

@testable import Agent

/// What bounds the owner's loss, and what happens where a publisher does not pay or does not fund.
@Suite struct LeaseMoneyTests {
  @Test func whatIsNotPaidIsFrozenAndGoesOnWhenItIs() throws {
    let scene = LeaseScene()
    let publisher = scene.hire { $0.habits.pays = false }
    scene.confirm(publisher)
    publisher.run(1, "sleep 5000")
    scene.pass(ms: 20_000)
    #expect(publisher.standing == .frozen)
    #expect(scene.frozen.count == 1)
    let summary = try #require(scene.summary)
    let lossSat = publisher.contract!.providerMaxLossSat
    #expect(lossSat == 100)
    #expect(summary.owedSat <= lossSat)
    #expect(summary.owedSat > lossSat / 2)
    let owedSat = summary.owedSat
    scene.pass(ms: 10_000)
    #expect(scene.summary?.owedSat == owedSat)

    publisher.habits.pays = true
    publisher.pay(owedSat)
    scene.run()
    #expect(publisher.standing == .running)
    scene.pass(ms: 6000)
    #expect(publisher.lines.first?.kind == .exited)
    #expect(publisher.lines.first!.usage.frozenMs > 10_000)
  }

  @Test func frozenForTheHoldTimeEndsTheLeaseAndIsADebt() throws {
    let scene = LeaseScene()
    let publisher = scene.hire { $0.habits.pays = false }
    scene.confirm(publisher)
    publisher.run(1, "sleep 50000")
    scene.pass(ms: 65_000)
    #expect(publisher.lines.first?.kind == .unpaid)
    #expect(publisher.leaving != nil)
    let owedSat = try #require(scene.summary).owedSat
    let first = try #require(publisher.contract).id
    publisher.habits.signsContract = false
    scene.pass(ms: 11_000)
    #expect(scene.disk.archived == [first], "nothing was paid: nothing is left to collect")

    // The next bid names the debt, and it is the first thing owed.
    publisher.habits.signsContract = true
    scene.pass(ms: 45_000)
    let bid = try #require(publisher.bids.last)
    #expect(bid.debt == Debt(lease: first, amountSat: owedSat))
    #expect(publisher.contract!.debt == bid.debt)
    #expect(scene.summary?.owedSat ?? 0 >= owedSat)
  }

  @Test func aPublisherThatEndsWithoutPayingOwes() throws {
    let scene = LeaseScene()
    let publisher = scene.hire { $0.habits.pays = false }
    scene.confirm(publisher)
    publisher.run(1, "sleep 100")
    scene.pass(ms: 200)
    publisher.end()
    scene.run()
    #expect(publisher.statement?.isFinal == true)
    #expect(publisher.receipt == nil)
    scene.pass(ms: 60_500)
    let memory = try #require(scene.disk.memory[.debtors])
    #expect(Debtors.decode(memory)?.debt(of: publisher.identity.publicKey)?.amountSat ?? 0 > 0)
  }

  @Test func aPaidDebtIsForgotten() throws {
    let scene = LeaseScene()
    let publisher = scene.hire { $0.habits.pays = false }
    scene.confirm(publisher)
    publisher.run(1, "sleep 100")
    scene.pass(ms: 200)
    publisher.end()
    scene.pass(ms: 60_500)
    publisher.habits.pays = true
    scene.pass(ms: 35_000)
    #expect(publisher.bids.last?.debt != nil)
    scene.confirm(publisher)
    scene.pass(ms: 1500)
    publisher.end()
    scene.run()
    #expect(publisher.receipt != nil)
    let memory = try #require(scene.disk.memory[.debtors])
    #expect(Debtors.decode(memory)?.count == 0)
    #expect(
      History.decode(scene.disk.memory[.history] ?? [])?.contains(publisher.identity.publicKey)
        == true)
  }

  @Test func knownPublishersGetFiveMinutesOfCredit() throws {
    let scene = LeaseScene()
    let publisher = scene.hire()
    scene.confirm(publisher)
    publisher.run(1, "sleep 1000")
    scene.pass(ms: 1500)
    publisher.end()
    scene.run()
    scene.mine(scene.broadcasts)
    scene.pass(ms: 3000)
    #expect(publisher.bids.count == 2)
    #expect(publisher.bids[0].maxLossSat == 100)
    #expect(publisher.bids[1].maxLossSat > 10_000)
  }

  // MARK: Funding

  @Test func anUnfundedContractHoldsAPlaceForAMinute() {
    let scene = LeaseScene { $0.leases = 1 }
    let first = scene.hire { $0.habits.funds = false }
    #expect(scene.stage == .awaitingFunding)
    let second = scene.hire()
    scene.pass(ms: 30_000)
    #expect(second.contract == nil || second.refusals.contains { $0.code == .busy })
    scene.pass(ms: 31_000)
    scene.pass(ms: 120_000)
    #expect(second.sights[0] == .relayed)

    // The funding comes at last: it is closed with nothing, for the publisher to send.
    first.fund()
    scene.run()
    #expect(first.closes.count == 1)
    #expect(first.closes.first?.signatures.amountSat == 0)
    #expect(first.channels[0].closeSignatures != nil)
  }

  @Test func aPublisherHoldsOnePlaceUnfunded() {
    let scene = LeaseScene {
      $0.leases = 8
      $0.milliCpus = 8000
      $0.memoryMiB = 1024
    }
    let first = scene.hire { $0.habits.funds = false }
    #expect(first.accept != nil)
    let second = scene.hire { $0.habits.funds = false }
    #expect(second.accept != nil, "two of eight places")
    let third = scene.hire { $0.habits.funds = false }
    #expect(third.accept == nil)
    #expect(third.refusals.last?.code == .busy)
  }

  @Test func peersThatDoNotAskDelayTheStart() {
    let scene = LeaseScene()
    scene.peersAsk = false
    let publisher = scene.hire()
    publisher.run(1, "true")
    scene.run()
    #expect(scene.stage == .awaitingFunding)
    #expect(publisher.lines.isEmpty)
    scene.pass(ms: 15_000)
    #expect(scene.stage == .open)
    #expect(publisher.lines.count == 1)
  }

  @Test func aWrongFundingIsRefused() {
    let scene = LeaseScene()
    let publisher = scene.hire { $0.habits.funds = false }
    var transaction = publisher.funding(0)
    transaction.outputs[0].amountSat -= 1
    publisher.say(.funding(channel: 0, transaction: transaction.bytes(), output: 0))
    scene.run()
    #expect(publisher.refusals.last?.code == .money)
    #expect(scene.stage == .awaitingFunding)
    #expect(scene.relays.isEmpty)
  }

  // MARK: Before the block

  @Test func unconfirmedFundingsAreWorkedForUpToTheNumber() throws {
    let scene = LeaseScene { $0.unconfirmedSat = 60 }
    let publisher = scene.hire()
    publisher.run(1, "sleep 60000")
    scene.pass(ms: 10_000)
    #expect(publisher.standing == .unconfirmed)
    let owedSat = try #require(scene.summary).owedSat
    #expect(owedSat <= 60 && owedSat > 20)
    // Frozen for a minute: others may have its place, but nothing ends.
    scene.pass(ms: 100_000)
    #expect(publisher.lines.isEmpty)
    #expect(scene.stage == .open)
    scene.confirm(publisher)
    #expect(publisher.standing == .running)
    scene.pass(ms: 60_000)
    #expect(publisher.lines.first?.kind == .exited)
  }

  @Test func theNumberIsForTheWholeMachine() throws {
    let scene = LeaseScene {
      $0.unconfirmedSat = 100
      $0.leases = 2
    }
    let share = scene.offer(memoryMiB: 64, milliCpus: 500)
    let first = scene.hire(share)
    first.run(1, "sleep 60000")
    let second = scene.hire(share)
    second.run(1, "sleep 60000")
    scene.pass(ms: 30_000)
    let owed = scene.machine.leaseSummaries.map { $0.owedSat }
    #expect(owed.count == 2)
    #expect(owed.reduce(0, +) <= 100)
    #expect(first.standing == .unconfirmed && second.standing == .unconfirmed)
  }

  @Test func aDoubleSpendCostsTheNumberForADay() throws {
    let scene = LeaseScene { $0.unconfirmedSat = 60 }
    let publisher = scene.hire()
    publisher.run(1, "sleep 60000")
    scene.pass(ms: 10_000)
    let lostSat = try #require(scene.summary).owedSat
    publisher.isThere = false
    scene.tell(
      .transactionConflicted(
        txid: publisher.funding(0).txid, by: Bytes32([UInt8](repeating: 3, count: 32)),
        height: scene.height))
    #expect(scene.summary == nil)
    let losses = try #require(Losses.decode(scene.disk.memory[.losses] ?? []))
    #expect(losses.totalSat(unixSeconds: scene.now.unixSeconds) == lostSat)

    // Another publisher gets what is left of the number.
    let next = scene.hire()
    next.run(1, "sleep 60000")
    scene.pass(ms: 10_000)
    let owedSat = scene.machine.leaseSummaries.last?.owedSat ?? 0
    #expect(next.standing == .unconfirmed)
    #expect(owedSat + lostSat <= 60)
  }

  @Test func aFundingThatDoesNotConfirmEndsAfterSixBlocks() {
    let scene = LeaseScene()
    let publisher = scene.hire()
    publisher.run(1, "sleep 600000")
    scene.pass(ms: 500)
    scene.mine(blocks: 5)
    #expect(scene.stage == .open)
    publisher.habits.signsContract = false
    scene.mine(blocks: 1)
    #expect(publisher.lines.first?.kind == .unpaid)
    scene.pass(ms: 11_000)
    #expect(scene.stage == nil || scene.stage == .closing)
  }

  @Test func aReorganisationFreezesAndEndsNothing() throws {
    let scene = LeaseScene { $0.unconfirmedSat = 60 }
    let publisher = scene.hire()
    scene.confirm(publisher)
    let height = scene.height
    publisher.run(1, "sleep 30000")
    scene.pass(ms: 10_000)
    let owedSat = try #require(scene.summary).owedSat
    #expect(owedSat > 300)
    scene.disconnectBlocks(to: height - 1)
    #expect(publisher.sights[0] == .lost)
    scene.pass(ms: 30_000)
    #expect(publisher.standing == .unconfirmed)
    #expect(publisher.lines.isEmpty)
    #expect(try #require(scene.summary).owedSat - owedSat <= 60)
    scene.confirm(publisher)
    scene.pass(ms: 30_000)
    #expect(publisher.lines.first?.kind == .exited)
  }

  @Test func anIdleUnconfirmedLeaseYieldsToAContract() {
    let scene = LeaseScene { $0.leases = 1 }
    let first = scene.hire()
    #expect(first.sights[0] == .relayed)
    let second = scene.hire()
    scene.pass(ms: 30_000)
    #expect(second.accept == nil)
    scene.pass(ms: 120_000)
    #expect(second.sights[0] == .relayed)
    let hasLeft = first.messages.contains { message in
      if case .leaving = message { return true }
      return false
    }
    #expect(hasLeft)
  }

  // MARK: Channels

  @Test func theTermEndsAtTheCloseMargin() throws {
    let scene = LeaseScene()
    let publisher = scene.hire { $0.habits.pays = true }
    scene.confirm(publisher)
    publisher.run(1, "sleep 600000")
    scene.pass(ms: 3000)
    #expect(publisher.paidSat >= 330)
    scene.mine(blocks: 93)
    scene.pass(ms: 500)
    #expect(publisher.lines.first?.kind == .stoppedByOwner)
    #expect(publisher.receipt != nil)
    #expect(scene.broadcasts.count == 1)
  }

  /// A publisher that ends its lease and pays nothing more must not get the channels back.
  @Test func channelsOfALeaseThatEndsAreClosedInTimeToo() {
    let scene = LeaseScene()
    let publisher = scene.hire { $0.capacitySat = 7000 }
    scene.confirm(publisher)
    publisher.run(1, "sleep 600000")
    scene.pass(ms: 10_000)
    publisher.topUp(blocks: 200)
    publisher.fund(1)
    scene.confirm(publisher, channel: 1)
    scene.pass(ms: 55_000)
    #expect(publisher.channels.allSatisfy { $0.paidSat > 0 })
    publisher.habits.pays = false
    publisher.habits.signsContract = false
    publisher.end()
    scene.pass(ms: 1000)
    #expect(scene.stage == .ending)
    scene.mine(blocks: 95)
    #expect(scene.broadcasts.first?.inputs[0].previous.txid == publisher.funding(0).txid)
    scene.mine(blocks: 100)
    scene.pass(ms: 10_500)
    let closed = Set(scene.broadcasts.map { $0.inputs[0].previous.txid })
    #expect(closed == [publisher.funding(0).txid, publisher.funding(1).txid])
  }

  @Test func nobodyWaitsForWhatCannotBePaid() {
    let scene = LeaseScene()
    let publisher = scene.hire { $0.capacitySat = 7000 }
    scene.confirm(publisher)
    publisher.run(1, "sleep 600000")
    scene.pass(ms: 60_000)
    #expect(publisher.standing == .frozen)
    publisher.end()
    scene.run()
    #expect(scene.stage == .closing)
  }

  @Test func anOwnerWhoStopsWaitsForNoPublisherThatEnds() {
    let scene = LeaseScene()
    let publisher = scene.hire { $0.habits.pays = false }
    scene.confirm(publisher)
    publisher.run(1, "sleep 100")
    scene.pass(ms: 200)
    publisher.end()
    scene.pass(ms: 5000)
    #expect(!scene.machine.isSettled)
    scene.machine.stopRequested(scene.now)
    scene.pass(ms: 10_500)
    #expect(scene.machine.isSettled)
  }

  @Test func aTopUpThatIsNotSeenInTimeFreezes() {
    let scene = LeaseScene()
    let publisher = scene.hire()
    scene.confirm(publisher)
    publisher.run(1, "sleep 600000")
    scene.pass(ms: 3000)
    publisher.topUp(blocks: 200)
    publisher.fund(1)
    scene.run()
    scene.mine(blocks: 88)
    scene.pass(ms: 500)
    #expect(publisher.standing == .awaitingTopUp)
    scene.confirm(publisher, channel: 1)
    #expect(publisher.standing == .running)
    scene.mine(blocks: 10)
    #expect(scene.stage == .open)
    // The first channel is closed at its margin; the close follows the fees upwards.
    #expect(Set(scene.broadcasts.map { $0.inputs[0].previous }).count == 1)
  }

  @Test func risingFeesAskForAHigherLadder() {
    let scene = LeaseScene()
    let publisher = scene.hire()
    scene.confirm(publisher)
    for height in 200...214 {
      scene.machine.chainTold(
        .tipChanged(height: UInt32(height - 95), hash: .zero), scene.now,
        authenticatedHeight: UInt32(height - 95), feeRateSatPerKvB: 50_000)
      scene.run()
    }
    let wanted = publisher.messages.compactMap { message -> UInt32? in
      if case .topUpWanted(let rate) = message { return rate }
      return nil
    }
    #expect(wanted == [200_000])
    #expect(publisher.leaving != nil)
  }
}
