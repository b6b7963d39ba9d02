import Bytes
import Channel
import Crypto
import Market
import Testing

@testable import Publisher

/// What a hire refuses from the machine that it deals with.
struct HireTests {
  @Test func aContractThatTheMachineDidNotSignIsAbandoned() throws {
    let world = try RunTests.world([FakeMachine.Behaviour()])
    let machine = world.publisher.machine
    #expect(world.run { machine.calls.contains { $0.candidate != nil } })
    let call = try #require(machine.calls.first { $0.candidate != nil })
    let hire = try Hire.make(
      try #require(call.candidate), worker: 0, channelIndex: 0,
      changeScript: machine.wallet.receiveScript, run: try #require(machine.runRecord).id,
      context: machine.context)
    hire.propose(on: call)
    // Another machine's signature over the very same contract.
    let other = Ed25519.KeyPair(seed: Bytes32([UInt8](repeating: 5, count: 32)))
    hire.received(.accept(providerSignature: hire.contract.sign(other)))
    #expect(hire.stage == .abandoned)
    // And nothing more comes of it.
    hire.received(
      .accept(providerSignature: hire.contract.sign(world.machines[0].secrets.identity)))
    #expect(hire.stage == .abandoned && hire.channel.funding == nil)
  }

  /// A hire whose job has ended and been paid, that waits for its receipt; and that receipt.
  private func settling() throws -> (Hire, Receipt, World) {
    let world = try RunTests.world([FakeMachine.Behaviour()])
    #expect(world.run { world.publisher.machine.isFinished })
    let summary = world.publisher.machine.summaries[0]
    var record = summary.record
    let receipt = try #require(record.receipt).receipt
    record.stage = .settling
    record.receipt = nil
    let state = try #require(world.publisher.disk.channels[summary.contract.id]).state
    let context = world.publisher.machine.context
    let channel = try PublisherChannel(
      restoring: state, secret: try context.secrets.channelSecret(record.channelIndex))
    return (Hire(record: record, channel: channel, context: context), receipt, world)
  }

  @Test func aReceiptWithAnyOtherNumberIsRefused() throws {
    let (hire, receipt, world) = try settling()
    let identity = world.machines[0].secrets.identity
    func offer(_ receipt: Receipt, by signer: Ed25519.KeyPair) {
      hire.received(.receipt(body: receipt.encode(), providerSignature: receipt.sign(signer)))
    }
    let changes: [(inout Receipt) -> Void] = [
      { $0.contract = .zero }, { $0.owedSat += 1 }, { $0.paidSat += 1 }, { $0.paidSat -= 1 },
      { $0.payments += 1 }, { $0.exitStatus = 1 }, { $0.exitKind = .signalled },
      { $0.resultDigest = .zero }, { $0.usage.cpuMs += 3_600_000 },
      // Consistent in itself, and above what was paid.
      { receipt in
        receipt.usage.cpuMs += 3_600_000
        receipt.owedSat = Price.owedSat(hire.contract.rates, receipt.usage) ?? 0
      },
    ]
    for (index, change) in changes.enumerated() {
      var changed = receipt
      change(&changed)
      offer(changed, by: identity)
      #expect(hire.record.receipt == nil && hire.stage == .settling, "change \(index)")
    }
    offer(receipt, by: Ed25519.KeyPair(seed: Bytes32([UInt8](repeating: 5, count: 32))))
    #expect(hire.record.receipt == nil)
    offer(receipt, by: identity)
    #expect(hire.stage == .receipted)
    try #require(hire.record.receipt).verify(hire.contract)
  }

  @Test func moreResultsThanTheOfferAllowsEndTheHire() throws {
    let (hire, _, world) = try settling()
    hire.record.stage = .running
    hire.record.exit = nil
    hire.record.resultsAreHeld = false
    hire.received(
      .exited(
        JobExit(
          kind: .exited, status: 0, resultBytes: world.publisher.plan.offer.maxResultBytes + 1,
          resultDigest: .zero)))
    #expect(hire.isGivenUp && hire.record.exit == nil)
  }

  @Test func messagesOutOfPlaceChangeNothing() throws {
    let (hire, _, _) = try settling()
    let before = hire.record
    let paidSat = hire.paidSat
    for message: SessionMessage in [
      .funded(height: 1), .started(unixSeconds: 1), .bundleComplete, .paymentStored(sequence: 9),
      .accept(providerSignature: [UInt8](repeating: 0, count: 64)), .offer([]), .stop(text: []),
    ] { hire.received(message) }
    #expect(hire.record == before && hire.paidSat == paidSat)
  }

  @Test func aRunThatIsStoppedPaysWhatWasUsedAndEnds() throws {
    var long = FakeMachine.Behaviour()
    long.jobMs = 30_000
    let world = try RunTests.world([long])
    #expect(world.run { world.publisher.machine.summaries.first?.payments ?? 0 > 5 })
    world.publisher.machine.stopRequested(world.publisher.now)
    #expect(world.run(forMs: 20_000) { world.publisher.machine.isFinished })
    #expect(world.publisher.end == .stoppedByPublisher)
    let summary = world.publisher.machine.summaries[0]
    #expect(summary.record.exit?.kind == .stoppedByPublisher)
    #expect(summary.record.receipt != nil && summary.spend?.kind == .close)
    #expect(summary.paidSat >= summary.record.owedSat)
  }

  @Test func eachWorkerGetsItsOwnBundle() throws {
    let bundles: [[UInt8]] = [
      Array(repeating: 0x41, count: 1_000), Array(repeating: 0x42, count: 2_000),
    ]
    let behaviours = [FakeMachine.Behaviour(), FakeMachine.Behaviour()]
    let world = try RunTests.world(behaviours) { $0.bundles = bundles }
    #expect(world.run { world.publisher.machine.isFinished })
    #expect(world.publisher.end == .success)
    let contracts = world.publisher.machine.summaries.map(\.contract)
    #expect(contracts.map(\.bundleDigest) == bundles.map(Sha256.hash))
    #expect(contracts.map(\.workerIndex) == [0, 1])
  }
}
