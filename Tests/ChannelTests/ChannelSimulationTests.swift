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
      var run = try Run(seed: UInt64(seed))
      do { try run.play() } catch { Issue.record("seed \(seed): \(error)") }
    }
  }

  private struct Broken: Error { var rule: String }

  private struct Run {
    let fixture: Fixture
    var random: SeededGenerator
    var provider: ProviderChannel
    var publisher: PublisherChannel
    var providerDisk: [UInt8] = []
    var publisherDisk: [UInt8] = []
    /// What the provider said to have stored: the most that it may never lose.
    var acknowledgedSat: UInt64 = 0
    /// Every amount that left the publisher, by sequence.
    var sent: [UInt64: ChannelPayment] = [:]
    var inbox: [ChannelPayment] = []

    init(seed: UInt64) throws {
      fixture = try Fixture(capacitySat: 50_000, ladder: [1, 3, 9])
      random = SeededGenerator(seed: seed)
      provider = try fixture.provider()
      publisher = try fixture.publisher()
    }

    mutating func play() throws {
      try runPublisher(mayDie: false)
      try publisher.fundingBuilt(fixture.fundingTransaction)
      try runPublisher(mayDie: false)
      try runProvider(mayDie: false)
      try provider.fundingAnnounced(fixture.funding)
      try runProvider(mayDie: false)
      for _ in 0..<25 {
        try step()
        try checkDisks()
      }
      try finish()
    }

    private mutating func step() throws {
      switch random.int(0...9) {
      case 0...3:
        let amount = min(50_000, max(600, publisher.paidSat + UInt64(random.int(0...4000))))
        try publisher.pay(amountSat: amount)
        try runPublisher(mayDie: true)
      case 4...7:
        guard !inbox.isEmpty else { return }
        let payment = inbox.remove(at: random.int(0...(inbox.count - 1)))
        // Late and repeated payments are refused; what is held stays.
        do { try provider.received(payment) } catch {
          if payment.amountSat > provider.paidSat { throw Broken(rule: "refused a good payment") }
        }
        try runProvider(mayDie: true)
      case 8: try restorePublisher()
      default: try restoreProvider()
      }
    }

    /// Carries out effects, or dies before, within or after one.
    private mutating func runProvider(mayDie: Bool) throws {
      while let effect = provider.nextEffect() {
        if mayDie && random.once(in: 6) { return try restoreProvider() }
        switch effect {
        case .store(let revision, let state):
          providerDisk = state
          if mayDie && random.once(in: 6) { return try restoreProvider() }
          provider.stored(revision: revision)
        case .acknowledge(_, let amountSat):
          acknowledgedSat = max(acknowledgedSat, amountSat)
        default: break
        }
      }
    }

    private mutating func runPublisher(mayDie: Bool) throws {
      while let effect = publisher.nextEffect() {
        if mayDie && random.once(in: 6) { return try restorePublisher() }
        switch effect {
        case .store(let revision, let state):
          publisherDisk = state
          if mayDie && random.once(in: 6) { return try restorePublisher() }
          publisher.stored(revision: revision)
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
    }

    private mutating func restoreProvider() throws {
      provider = try ProviderChannel(
        restoring: providerDisk, secret: Fixture.providerSecret, policy: ProviderPolicy())
      try runProvider(mayDie: false)
    }

    private mutating func restorePublisher() throws {
      publisher = try PublisherChannel(
        restoring: publisherDisk, secret: Fixture.publisherSecret)
      try runPublisher(mayDie: false)
    }

    private func checkDisks() throws {
      let onDisk = try ProviderChannel(
        restoring: providerDisk, secret: Fixture.providerSecret, policy: ProviderPolicy())
      if onDisk.paidSat < acknowledgedSat { throw Broken(rule: "acknowledged, and not on disk") }
      let signed = try PublisherChannel(
        restoring: publisherDisk, secret: Fixture.publisherSecret)
      if let best = provider.best, signed.paidSat < best.amountSat {
        throw Broken(rule: "the provider holds more than the publisher remembers")
      }
    }

    /// After the last kill the provider closes, and the kernel lets it have what was acknowledged.
    private mutating func finish() throws {
      try restoreProvider()
      try restorePublisher()
      for payment in inbox { try? provider.received(payment) }
      try runProvider(mayDie: false)
      guard provider.best != nil else { return }
      let close = try provider.close(feeRateSatPerVb: UInt64(random.int(0...20)))
      try runProvider(mayDie: false)
      try restoreProvider()
      if !fixture.kernelAccepts(close) { throw Broken(rule: "the kernel refuses the close") }
      publisher.spendSeen(close, height: 200)
      let changeSat = publisher.spend?.changeSat ?? 0
      let takenSat = 50_000 - changeSat
      if takenSat < acknowledgedSat { throw Broken(rule: "collected less than acknowledged") }
      if changeSat > 0 && takenSat > publisher.paidSat {
        throw Broken(rule: "collected more than was signed")
      }
    }
  }
}
