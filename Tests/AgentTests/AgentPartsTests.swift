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
  @Test func theBestPaidIsCalledFirstAndEachOnce() {
    var book = AnnouncementBook()
    var news: [Bool] = []
    for (number, ceilingSat) in [(1, 10), (2, 30), (3, 30), (2, 30)] as [(UInt64, UInt64)] {
      news.append(book.add(txid(number), announcement(ceilingSat: ceilingSat)))
    }
    #expect(news == [true, true, true, false])
    var called: [Bytes32] = []
    while let next = book.takeBest(nowMs: 0) { called.append(next.txid) }
    #expect(called == [txid(2), txid(3), txid(1)])
    let isNews = book.add(txid(1), announcement(ceilingSat: 10))
    #expect(!isNews)
  }

  @Test func aFloodPushesOutTheWorstPaidOnly() {
    var book = AnnouncementBook()
    _ = book.add(txid(0), announcement(ceilingSat: 1_000_000))
    for number in 1...UInt64(3 * AnnouncementBook.capacity) {
      _ = book.add(txid(number), announcement(ceilingSat: number))
    }
    var taken = 0
    let best = book.takeBest(nowMs: 0)
    #expect(best?.txid == txid(0))
    while book.takeBest(nowMs: 0) != nil { taken += 1 }
    #expect(taken == AnnouncementBook.capacity - 1)
  }

  /// Before, a publisher that had gone held up all others for a quarter of a minute.
  @Test func whoDoesNotAnswerWaitsWhileOthersAreCalled() {
    var book = AnnouncementBook()
    _ = book.add(txid(1), announcement(ceilingSat: 20))
    _ = book.add(txid(2), announcement(ceilingSat: 10))
    var calls: [(txid: Bytes32, atMs: UInt64)] = []
    var nowMs: UInt64 = 100
    while calls.count < 20 && book.nextCallMs < UInt64.max {
      nowMs = max(nowMs, book.nextCallMs)
      while let next = book.takeBest(nowMs: nowMs) {
        calls.append((next.txid, nowMs))
        let isCalledAgain = book.postpone(next.txid, nowMs: nowMs)
        let before = calls.filter { $0.txid == next.txid }.count
        #expect(isCalledAgain == (before < 5))
      }
    }
    #expect(calls.map { $0.txid } == (0..<5).flatMap { _ in [txid(1), txid(2)] })
    #expect(calls.map { $0.atMs } == [100, 1100, 3100, 7100, 15_100].flatMap { [$0, $0] })
    let isKnown = book.postpone(txid(9), nowMs: nowMs)
    #expect(!isKnown)
  }

  @Test func whatExpiredIsForgotten() {
    var book = AnnouncementBook()
    _ = book.add(txid(1), announcement(ceilingSat: 1, expiry: 50))
    book.forgetExpired(atHeight: 49)
    let isNews = book.add(txid(1), announcement(ceilingSat: 1, expiry: 50))
    #expect(!isNews)
    book.forgetExpired(atHeight: 50)
    let best = book.takeBest(nowMs: 0)
    #expect(best == nil)
  }
}

@Suite struct OutputBufferTests {
  /// Whatever is appended, sent and asked for again, the publisher sees the job's bytes in order.
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

@Suite struct OwnerRatesTests {
  @Test func anHourOfFullUseCostsWhatTheOwnerSaid() {
    let limits = ResourceLimits(
      memoryMiB: 256, milliCpus: 1000, pids: 8, diskMiB: 8, wallMs: 3_600_000)
    let rates = OwnerRates.rates(hourSat: 3600, milliCpus: 1000, memoryMiB: 256)
    let hourSat = Price.hourlySat(rates, limits) ?? 0
    #expect((3590...3601).contains(hourSat), "an hour costs \(hourSat) sat")
  }

  @Test func thePriceIsNeverBelowTheCostOfEnergy() {
    var configuration = Configuration()
    configuration.hourSat = 10
    configuration.milliWatts = 15_000
    configuration.satPerKilowattHour = 4_000
    #expect(OwnerRates.hourSat(configuration) == 60)
    configuration.hourSat = 61
    #expect(OwnerRates.hourSat(configuration) == 61)
    // A job that only waits pays for the energy of its time, too.
    let rates = OwnerRates.rates(
      hourSat: OwnerRates.hourSat(configuration), milliCpus: 4000, memoryMiB: 512,
      energy: OwnerRates.energy(configuration))
    let waitingSat = Price.owedSat(rates, UsageVector(wallMs: 3_600_000)) ?? 0
    #expect((60...61).contains(waitingSat))
  }

  @Test func absurdNumbersNeitherTrapNorWrap() {
    let rates = OwnerRates.rates(hourSat: UInt64.max, milliCpus: 0, memoryMiB: 0)
    #expect(rates.cpuPsatPerMs > 0)
    #expect(
      OwnerRates.energySat(milliWatts: UInt64.max, satPerKilowattHour: 2) == UInt64.max)
  }
}

@Suite struct AgentSecretsTests {
  @Test func everyChannelHasItsOwnKeyAndAllFollowFromTheSeed() {
    let secrets = AgentSecrets(seed: txid(1))
    let again = AgentSecrets(seed: txid(1))
    #expect(secrets.identity.publicKey == again.identity.publicKey)
    #expect(secrets.channelSecret(nonce: txid(2)) == again.channelSecret(nonce: txid(2)))
    #expect(secrets.channelSecret(nonce: txid(2)) != secrets.channelSecret(nonce: txid(3)))
    #expect(
      AgentSecrets(seed: txid(9)).channelSecret(nonce: txid(2))
        != secrets.channelSecret(nonce: txid(2)))
  }
}
