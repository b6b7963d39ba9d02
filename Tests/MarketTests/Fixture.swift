import Bitcoin
import Bytes
import Channel
import Crypto
import Market
import TestSupport
import Testing

/// Documents of one invented lease, with fixed keys.
struct Fixture {
  static let publisher = Ed25519.KeyPair(seed: Sha256.hash([1]))
  static let provider = Ed25519.KeyPair(seed: Sha256.hash([2]))
  static let stranger = Ed25519.KeyPair(seed: Sha256.hash([3]))
  static let providerSecret = Sha256.hash([4])
  static let publisherSecret = Sha256.hash([5])
  static let returnSecret = Sha256.hash([9])

  var offer: Offer
  var bid: Bid
  var contract: Contract

  static let share = ShareLimits(memoryMiB: 64, milliCpus: 1000, pids: 32, diskMiB: 16)

  /// About 3,600 sat for an hour of one processor, 1,400 for 64 MiB, 360 for the reservation.
  static let rates = RateVector(
    cpuPsatPerMs: 1_000_000_000, memoryPsatPerMiBMs: 6_000_000, diskReadPsatPerKiB: 1000,
    diskWritePsatPerKiB: 2000, networkPsatPerKiB: 3000, reservedPsatPerMs: 100_000_000)

  init() throws {
    offer = Offer(
      network: Network.regtest.identity, title: Array("word frequencies".utf8),
      share: Fixture.share, isolation: .reduced, processors: [.x86_64, .i686], workers: 2,
      priceCeilingSatPerHour: 6000, traffic: HourlyTraffic(diskKiB: 1 << 20, networkKiB: 1 << 22),
      payoutIntervalMs: 500, publisherMaxLossSat: 2000, channelBlocks: 144, closeMarginBlocks: 24,
      feeLadderSatPerKvB: [1000, 5000, 25_000])
    bid = Bid(
      offerDigest: offer.digest, provider: Fixture.provider.publicKey,
      reportDigest: Sha256.hash([6]), rates: Fixture.rates, maxLossSat: 20, firstPaymentSat: 330,
      payoutScript: Script.p2tr(outputKey: Sha256.hash([7])),
      providerKey: try Secp256k1.publicKey(of: Fixture.providerSecret))
    contract = Contract(
      offer: offer, bid: bid, publisher: Fixture.publisher.publicKey, workerIndex: 1,
      terms: try Fixture.terms(bid: bid, offer: offer))
  }

  static func terms(bid: Bid, offer: Offer) throws -> ChannelTerms {
    ChannelTerms(
      providerKey: bid.providerKey, publisherKey: try Secp256k1.publicKey(of: publisherSecret),
      expiryHeight: 300, closeMarginBlocks: offer.closeMarginBlocks, capacitySat: 60_000,
      reserveSat: 8000, feeLadderSatPerKvB: offer.feeLadderSatPerKvB,
      payoutScript: bid.payoutScript, returnKey: try Secp256k1.publicKey(of: returnSecret))
  }

  var announcement: Announcement {
    offer.announcement(
      publisher: Fixture.publisher.publicKey, endpoint: Endpoint(text: "192.0.2.7:4500")!,
      expiryHeight: 200)
  }

  static let usage = LeaseUsage(
    tasks: UsageVector(
      cpuMs: 4000, memoryMiBMs: 90_000, memoryPeakKiB: 20_480, diskReadKiB: 5, diskWriteKiB: 6,
      networkKiB: 140, wallMs: 5000, frozenMs: 300), reservedMs: 5200)

  var line: TaskLine {
    TaskLine(
      number: 3, kind: .exited, status: -1, usage: Fixture.usage.tasks, resultBytes: 70,
      resultDigest: Sha256.hash([10]), startedUnixSeconds: 1_700_000_000)
  }

  var statement: Statement {
    Statement(
      contract: contract.id, lines: 1, lastTask: 3, chain: line.chain(after: .zero),
      usage: Fixture.usage, owedSat: contract.owedSat(Fixture.usage)!,
      paid: [.init(channel: 0, amountSat: 330), .init(channel: 2, amountSat: 700)], isFinal: true)
  }

  var topUp: TopUp {
    var terms = contract.terms
    terms.expiryHeight = 400
    terms.publisherKey = terms.returnKey
    terms.returnKey = contract.terms.publisherKey
    return TopUp(contract: contract.id, number: 1, terms: terms)
  }

  static let order = TaskOrder(
    number: 7,
    bundles: [
      BundleRef(digest: Sha256.hash([8]), sizeBytes: 70_000),
      BundleRef(digest: Sha256.hash([11]), sizeBytes: 300),
    ],
    arguments: [Array("/bin/sh".utf8), Array("-c".utf8), Array("sort \"a\" | uniq -c".utf8)],
    environment: [Array("LANG=C".utf8)],
    limits: TaskLimits(memoryMiB: 32, milliCpus: 500, pids: 8, diskMiB: 8, wallMs: 600_000),
    stopMs: 500, hasInput: true, resultPath: Array("/part".utf8), maxResultBytes: 1 << 20)
}

/// What every document promises: it survives its own encoding, no prefix of it decodes, nothing
/// may follow it, and no other bytes decode to it.
func expectCanonical<Document: Equatable>(
  _ document: Document, _ encode: (Document) -> [UInt8], _ decode: ([UInt8]) throws -> Document,
  mutations: Int = 4000, sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let bytes = encode(document)
  #expect(try decode(bytes) == document, sourceLocation: sourceLocation)
  for count in bytes.indices {
    #expect(throws: MarketError.self, "\(count) bytes", sourceLocation: sourceLocation) {
      try decode(Array(bytes[..<count]))
    }
  }
  #expect(throws: MarketError.self, sourceLocation: sourceLocation) { try decode(bytes + [1, 0]) }
  var random = SeededGenerator(seed: 3)
  for _ in 0..<mutations {
    var other = bytes
    for _ in 0..<random.int(1...3) {
      switch random.int(0...5) {
      case 0: other.insert(UInt8(random.int(0...255)), at: random.int(0...other.count))
      case 1: other.remove(at: random.int(0...(other.count - 1)))
      case 2:
        other[random.int(0...(other.count - 1))] = [0, 1, 0xfd, 0xfe, 0xff].randomElement(
          using: &random)!
      default: other[random.int(0...(other.count - 1))] ^= 1 << UInt8(random.int(0...7))
      }
      if other.isEmpty { break }
    }
    guard let read = try? decode(other) else { continue }
    #expect(encode(read) == other, sourceLocation: sourceLocation)
    #expect((read == document) == (other == bytes), sourceLocation: sourceLocation)
  }
}

/// Runs `body` and returns its error; records an issue when there is none.
func refusal(
  sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) -> MarketError? {
  do {
    try body()
    Issue.record("nothing was refused", sourceLocation: sourceLocation)
    return nil
  } catch { return error as? MarketError }
}
