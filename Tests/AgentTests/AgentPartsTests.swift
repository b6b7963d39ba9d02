import Bitcoin
import Bytes
import Crypto
import Market
import Session
import TestSupport
import Testing

@testable import Agent

private func announcement(ceilingSat: UInt64, expiry: UInt32 = 100) -> Announcement {
  Announcement(
    publisher: Ed25519.KeyPair(seed: .zero).publicKey,
    endpoint: Endpoint(text: "127.0.0.1:7000")!, workers: 1, processors: .x86_64, ramMiB: 16,
    isolation: .full, priceCeilingSatPerHour: ceilingSat, payoutIntervalMs: 1000,
    expiryHeight: expiry, offerDigest: .zero)
}

private func txid(_ number: UInt64) -> Bytes32 {
  var writer = ByteWriter()
  writer.u64le(number)
  return Sha256.hash(writer.bytes)
}

@Suite struct AnnouncementBookTests {
  private func add(
    _ book: inout AnnouncementBook, _ number: UInt64, ceilingSat: UInt64, expiry: UInt32 = 100,
    isConfirmed: Bool = true
  ) -> Bool {
    let news = book.add(
      txid(number), announcement(ceilingSat: ceilingSat, expiry: expiry), isConfirmed: isConfirmed,
      isFit: true)
    return news == .isNew
  }

  private func take(_ book: inout AnnouncementBook, nowMs: UInt64 = 0) -> Bytes32? {
    book.takeBest(nowMs: nowMs) { _, _ in true }?.txid
  }

  @Test func theBestPaidIsCalledFirstAndEachOnce() {
    var book = AnnouncementBook()
    var news: [Bool] = []
    for (number, ceilingSat) in [(1, 10), (2, 30), (3, 30), (2, 30)] as [(UInt64, UInt64)] {
      news.append(add(&book, number, ceilingSat: ceilingSat))
    }
    #expect(news == [true, true, true, false])
    var called: [Bytes32] = []
    while let next = take(&book) { called.append(next) }
    #expect(called == [txid(2), txid(3), txid(1)])
    let isNews = add(&book, 1, ceilingSat: 10)
    #expect(!isNews)
  }

  @Test func rumoursComeLastHoweverWellTheyPay() {
    var book = AnnouncementBook()
    for number in 1...UInt64(300) {
      _ = add(&book, number, ceilingSat: 1_000_000, isConfirmed: false)
    }
    _ = add(&book, 400, ceilingSat: 1)
    var next = take(&book)
    #expect(next == txid(400))
    // A block makes one of the rumours true.
    _ = add(&book, 7, ceilingSat: 1_000_000, isConfirmed: true)
    next = take(&book)
    #expect(next == txid(7))
  }

  @Test func aFloodPushesOutTheWorstPaidOnly() {
    var book = AnnouncementBook()
    _ = add(&book, 0, ceilingSat: 1_000_000)
    for number in 1...UInt64(3 * AnnouncementBook.capacity) {
      _ = add(&book, number, ceilingSat: number)
    }
    var taken = 0
    let best = take(&book)
    #expect(best == txid(0))
    while take(&book) != nil { taken += 1 }
    #expect(taken == AnnouncementBook.capacity - 1)
  }

  /// Whoever does not answer is called again until the announcement is over, ever more rarely.
  @Test func whoDoesNotAnswerIsCalledAgainBackingOff() {
    var book = AnnouncementBook()
    _ = add(&book, 1, ceilingSat: 20)
    var calls: [UInt64] = []
    var nowMs: UInt64 = 0
    while calls.count < 10 {
      if take(&book, nowMs: nowMs) != nil {
        calls.append(nowMs)
        book.released(txid(1), .unanswered, nowMs: nowMs, atHeight: 50)
      }
      nowMs = book.nextCallMs(nowMs: nowMs)
    }
    let gaps = zip(calls.dropFirst(), calls).map { ($0 - $1) / 1000 }
    #expect(gaps == [1, 2, 4, 8, 16, 32, 64, 64, 64])
    _ = take(&book, nowMs: nowMs)
    book.released(txid(1), .unanswered, nowMs: nowMs, atHeight: 100)
    #expect(book.nextCallMs(nowMs: nowMs) == UInt64.max)
  }

  @Test func whatExpiredIsForgotten() {
    var book = AnnouncementBook()
    _ = add(&book, 1, ceilingSat: 1, expiry: 50)
    book.forgetExpired(atHeight: 49)
    let isNews = add(&book, 1, ceilingSat: 1, expiry: 50)
    #expect(!isNews)
    book.forgetExpired(atHeight: 50)
    let best = take(&book)
    #expect(best == nil)
  }
}

@Suite struct OutputBufferTests {
  /// Whatever is appended, sent and asked for again, the publisher sees the task's bytes in order.
  @Test(arguments: 0..<50) func theStreamIsWholeAcrossBrokenConnections(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    var buffer = OutputBuffer()
    var printed: [UInt8] = []
    var received: [UInt8] = []
    // What the publisher was sure to hold when it last called: it never asks for less.
    var held = 0
    let stream = StreamId(raw: 1)
    for _ in 0..<400 {
      switch random.int(0...(4 - 1)) {
      case 0:
        let count = min(buffer.room, random.int(0...(20_000 - 1)))
        let bytes = random.bytes(count)
        printed += bytes
        buffer.append(bytes)
      case 3 where random.int(0...(5 - 1)) == 0:
        // The connection breaks: bytes that were under way are lost, and asked for again.
        let lost = min(received.count - held, random.int(0...(OutputBuffer.historyBytes - 1)))
        received.removeLast(lost)
        held = received.count
        buffer.resume(at: UInt64(received.count), on: stream)
      default:
        let next = buffer.next(limit: random.int(1...(9000 - 1)))
        received += next
        buffer.sent(next.count)
      }
      #expect(buffer.unsent <= OutputBuffer.unsentBytes + 2 * OutputBuffer.historyBytes)
    }
    while buffer.unsent > 0 {
      let next = buffer.next(limit: 4096)
      received += next
      buffer.sent(next.count)
    }
    // Not compared within the macro, which would describe every byte.
    let isWhole = received == printed
    #expect(isWhole)
  }

  @Test func offsetsThatNeverWereAreBroughtBack() {
    var buffer = OutputBuffer()
    buffer.append([1, 2, 3])
    buffer.resume(at: 1_000_000, on: StreamId(raw: 1))
    #expect(buffer.unsent == 0)
    buffer.end()
    #expect(buffer.room == 0)
  }
}

@Suite struct OwnerPriceTests {
  private let all = ShareLimits(memoryMiB: 256, milliCpus: 1000, pids: 8, diskMiB: 8)

  private func configuration(hourSat: UInt64) -> Configuration {
    var configuration = Configuration()
    configuration.hourSat = hourSat
    return configuration
  }

  @Test func anHourOfFullUseCostsWhatTheOwnerSaid() {
    let rates = OwnerPrice.rates(all, of: all, configuration(hourSat: 3600))
    let hourSat = Price.hourlySat(rates, all) ?? 0
    #expect((3590...3601).contains(hourSat), "an hour costs \(hourSat) sat")
    // Half of it is the reservation's.
    let reservedSat = Price.owedSat(rates, LeaseUsage(reservedMs: 3_600_000)) ?? 0
    #expect((1795...1801).contains(reservedSat))
  }

  @Test func halfAShareCostsHalf() {
    let half = ShareLimits(memoryMiB: 64, milliCpus: 500, pids: 8, diskMiB: 8)
    let rates = OwnerPrice.rates(half, of: all, configuration(hourSat: 3600))
    let hourSat = Price.hourlySat(rates, half) ?? 0
    #expect((1790...1801).contains(hourSat))
  }

  @Test func thePriceIsNeverBelowTheCostOfEnergy() {
    var configuration = configuration(hourSat: 10)
    configuration.milliWatts = 15_000
    configuration.satPerKilowattHour = 4_000
    #expect(OwnerPrice.hourSat(configuration) == 60)
    // A share that only waits pays for the energy of its time, too.
    var rates = OwnerPrice.rates(all, of: all, configuration)
    var waitingSat = Price.owedSat(rates, LeaseUsage(reservedMs: 3_600_000)) ?? 0
    #expect((60...61).contains(waitingSat))
    configuration.idleMilliWatts = 5_000
    rates = OwnerPrice.rates(all, of: all, configuration)
    waitingSat = Price.owedSat(rates, LeaseUsage(reservedMs: 3_600_000)) ?? 0
    #expect((20...21).contains(waitingSat), "the load's part is for processor time")
    configuration.hourSat = 61
    #expect(OwnerPrice.hourSat(configuration) == 61)
  }

  @Test func unconfirmedWorkIsTenMinutesOfThePriceByDefault() {
    #expect(OwnerPrice.unconfirmedSat(configuration(hourSat: 6000)) == 1000)
    #expect(OwnerPrice.unconfirmedSat(configuration(hourSat: 5)) == 10)
  }

  @Test func absurdNumbersNeitherTrapNorWrap() {
    let nothing = ShareLimits(memoryMiB: 0, milliCpus: 0, pids: 0, diskMiB: 0)
    var configuration = configuration(hourSat: UInt64.max)
    configuration.milliWatts = UInt64.max
    configuration.satPerKilowattHour = UInt64.max
    _ = OwnerPrice.rates(nothing, of: nothing, configuration)
    #expect(OwnerPrice.hourSat(configuration) == OwnerPrice.maxHourSat)
  }
}

@Suite struct AgentSecretsTests {
  @Test func everyChannelHasItsOwnKeyAndAllFollowFromTheSeed() {
    let secrets = AgentSecrets(seed: txid(1))
    let again = AgentSecrets(seed: txid(1))
    #expect(secrets.identity.publicKey == again.identity.publicKey)
    #expect(secrets.channelSecret(txid(2), number: 0) == again.channelSecret(txid(2), number: 0))
    #expect(secrets.channelSecret(txid(2), number: 0) != secrets.channelSecret(txid(3), number: 0))
    #expect(
      secrets.channelSecret(txid(2), number: 0) != secrets.channelSecret(txid(2), number: 1))
    #expect(
      AgentSecrets(seed: txid(9)).channelSecret(txid(2), number: 0)
        != secrets.channelSecret(txid(2), number: 0))
  }
}
