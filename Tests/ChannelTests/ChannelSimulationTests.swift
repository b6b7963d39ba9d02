import Bitcoin
import Bytes
import Channel
import Crypto
import Foundation
import TestSupport
import Testing

/// Both sides over a link that loses messages, each killed at any effect and restored from what
/// its disk holds. `ZENNET_SEEDS` says how many runs.
struct ChannelSimulationTests {
  private static let seeds =
    Int(ProcessInfo.processInfo.environment["ZENNET_SEEDS"] ?? "") ?? 150

  @Test func nothingAcknowledgedIsEverLost() throws {
    for seed in 1...Self.seeds {
      var run = try SimulatedChannel(seed: UInt64(seed))
      do { try run.play() } catch { Issue.record("seed \(seed): \(error)") }
    }
  }
}

private struct SimulatedChannel {
  struct Broken: Error { var rule: String }

  let fixture: Fixture
  var random: SeededGenerator
  var provider: ProviderChannel
  var publisher: PublisherChannel
  var providerDisk: [UInt8] = []
  var publisherDisk: [UInt8] = []
  /// What the provider said to have stored: the most that it may never lose.
  var acknowledgedSat: UInt64 = 0
  /// Every payment that left the publisher, by sequence.
  var sent: [UInt64: ChannelPayment] = [:]
  var inbox: [ChannelPayment] = []
  /// What the provider gave away, once its state was stored.
  var released: CloseSignatures?

  init(seed: UInt64) throws {
    fixture = try Fixture(capacitySat: 50_000, reserveSat: 2000, ladder: [1000, 3000, 9000])
    random = SeededGenerator(seed: seed)
    provider = try fixture.provider()
    publisher = try fixture.publisher()
  }

  mutating func play() throws {
    _ = try runPublisher(mayDie: false)
    try publisher.fundingBuilt(fixture.fundingTransaction)
    _ = try runPublisher(mayDie: false)
    _ = try runProvider(mayDie: false)
    try provider.fundingOffered(fixture.fundingTransaction)
    _ = try runProvider(mayDie: false)
    for _ in 0..<25 {
      try step()
      try checkDisks()
    }
    try finish()
  }

  private mutating func step() throws {
    switch random.int(0...10) {
    case 0...3:
      let amount = min(48_000, max(330, publisher.paidSat + UInt64(random.int(0...4000))))
      do { try publisher.pay(amountSat: amount) } catch {
        if publisher.isOpen { throw Broken(rule: "refused to pay through an open channel") }
      }
      _ = try runPublisher(mayDie: true)
    case 4...7:
      guard !inbox.isEmpty else { return }
      let payment = inbox.remove(at: random.int(0...(inbox.count - 1)))
      // Late and repeated payments are refused; what is held stays.
      do { try provider.received(payment) } catch {
        if payment.amountSat > provider.paidSat && provider.isOpen {
          throw Broken(rule: "refused a good payment")
        }
      }
      _ = try runProvider(mayDie: true)
    case 8: try restorePublisher()
    case 9: try restoreProvider()
    default:
      if random.once(in: 4) { try release() }
    }
  }

  /// The provider gives its signatures away, and the publisher takes them or they are lost.
  private mutating func release() throws {
    let rate = UInt64(random.int(0...12)) * 1000
    let signatures = try provider.signClose(feeRateSatPerKvB: rate)
    guard try runProvider(mayDie: true) else { return }
    if let released, released.amountSat != signatures.amountSat {
      throw Broken(rule: "signed closes of two amounts")
    }
    released = signatures
    if random.once(in: 3) { return }
    try publisher.closeReceived(signatures)
    _ = try runPublisher(mayDie: true)
  }

  /// Carries out effects, or dies before or after one. False where it died.
  private mutating func runProvider(mayDie: Bool) throws -> Bool {
    while let effect = provider.nextEffect() {
      if mayDie && random.once(in: 6) {
        try restoreProvider()
        return false
      }
      switch effect {
      case .store(let state): providerDisk = state
      case .acknowledge(_, let amountSat): acknowledgedSat = max(acknowledgedSat, amountSat)
      default: break
      }
    }
    if mayDie && random.once(in: 12) {
      try restoreProvider()
      return false
    }
    return true
  }

  private mutating func runPublisher(mayDie: Bool) throws -> Bool {
    while let effect = publisher.nextEffect() {
      if mayDie && random.once(in: 6) {
        try restorePublisher()
        return false
      }
      switch effect {
      case .store(let state): publisherDisk = state
      case .send(let payment):
        if let same = sent[payment.sequence], same != payment {
          throw Broken(rule: "signed two payments under one number, and sent both")
        }
        sent[payment.sequence] = payment
        // The link loses one in three, and doubles some.
        for _ in 0..<random.int(0...2) { inbox.append(payment) }
      default: break
      }
    }
    return true
  }

  private mutating func restoreProvider() throws {
    provider = try ProviderChannel(
      restoring: providerDisk, secret: Fixture.providerSecret, policy: ProviderPolicy())
    _ = try runProvider(mayDie: false)
  }

  private mutating func restorePublisher() throws {
    publisher = try PublisherChannel(restoring: publisherDisk, secret: Fixture.publisherSecret)
    _ = try runPublisher(mayDie: false)
  }

  /// No state on a disk ever carries less than the best signature that is out.
  private func checkDisks() throws {
    let onDisk = try ProviderChannel(
      restoring: providerDisk, secret: Fixture.providerSecret, policy: ProviderPolicy())
    if onDisk.paidSat < acknowledgedSat { throw Broken(rule: "acknowledged, and not on disk") }
    let signed = try PublisherChannel(restoring: publisherDisk, secret: Fixture.publisherSecret)
    if let best = provider.best, signed.paidSat < best.amountSat {
      throw Broken(rule: "the provider holds more than the publisher remembers")
    }
    guard let released else { return }
    if onDisk.isOpen { throw Broken(rule: "gave signatures away, and takes payments") }
    if onDisk.paidSat != released.amountSat {
      throw Broken(rule: "holds another amount than it signed")
    }
  }

  /// After the last kill one of them closes, and the kernel lets the provider have what was
  /// acknowledged, and no more than was signed.
  private mutating func finish() throws {
    try restoreProvider()
    try restorePublisher()
    for payment in inbox { try? provider.received(payment) }
    _ = try runProvider(mayDie: false)
    let rate = UInt64(random.int(0...20)) * 1000
    let close: Transaction
    if publisher.closeSignatures != nil && random.once(in: 2) {
      close = try publisher.close(feeRateSatPerKvB: rate)
      try restorePublisher()
    } else {
      guard provider.best != nil else { return }
      close = try provider.close(feeRateSatPerKvB: rate)
      _ = try runProvider(mayDie: false)
      try restoreProvider()
    }
    if !fixture.kernelAccepts(close) { throw Broken(rule: "the kernel refuses the close") }
    publisher.spendSeen(close, height: 200)
    let spend = try #require(publisher.spend)
    if spend.payoutSat < acknowledgedSat {
      throw Broken(rule: "collected less than acknowledged")
    }
    let dustSat: UInt64 = spend.returnSat == 0 ? 329 : 0
    if spend.payoutSat > publisher.paidSat + dustSat {
      throw Broken(rule: "collected more than was signed")
    }
  }
}
