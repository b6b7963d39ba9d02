import Bitcoin
import Bytes
import Channel
import Crypto
import Market
import TestSupport
import Testing

/// Documents of one made-up job, with fixed keys.
struct Fixture {
  static let publisher = Ed25519.KeyPair(seed: Sha256.hash([1]))
  static let provider = Ed25519.KeyPair(seed: Sha256.hash([2]))
  static let stranger = Ed25519.KeyPair(seed: Sha256.hash([3]))
  static let providerSecret = Sha256.hash([4])
  static let publisherSecret = Sha256.hash([5])

  var offer: Offer
  var bid: Bid
  var contract: Contract

  static let limits = ResourceLimits(
    memoryMiB: 64, milliCpus: 1000, pids: 32, diskMiB: 16, wallMs: 600_000)

  /// About 3,600 sat for an hour of one processor, 1,400 for 64 MiB, 360 for the time.
  static let rates = RateVector(
    cpuPsatPerMs: 1_000_000_000, memoryPsatPerMiBMs: 6_000_000, diskReadPsatPerKiB: 1000,
    diskWritePsatPerKiB: 2000, networkPsatPerKiB: 3000, wallPsatPerMs: 100_000_000)

  init() throws {
    offer = Offer(
      network: Network.regtest.identity, title: Array("word frequencies".utf8),
      arguments: [Array("/bin/sh".utf8), Array("-c".utf8), Array("sort \"a\" | uniq -c".utf8)],
      environment: [Array("LANG=C".utf8)], limits: Fixture.limits, isolation: .reduced,
      processors: [.x86_64, .i686], workers: 2, priceCeilingSatPerHour: 6000,
      payoutIntervalMs: 500, providerMaxLossSat: 20, publisherMaxLossSat: 2000,
      openingPaymentSat: 1000, graceMs: 5000, channelBlocks: 144, fundingDepth: 1,
      feeLadderSatPerVb: [1, 5, 25], maxBundleBytes: 1 << 20, maxResultBytes: 1 << 20)
    bid = Bid(
      offerDigest: offer.digest, provider: .zero, reportDigest: Sha256.hash([6]),
      rates: Fixture.rates, payoutScript: Script.p2tr(outputKey: Sha256.hash([7])),
      providerKey: try Secp256k1.publicKey(of: Fixture.providerSecret))
    bid.sign(Fixture.provider)
    contract = Contract(
      offer: offer, bid: bid, publisher: Fixture.publisher.publicKey, workerIndex: 1,
      bundleDigest: Sha256.hash([8]), bundleBytes: 70_000,
      publisherKey: try Secp256k1.publicKey(of: Fixture.publisherSecret),
      changeScript: Script.p2tr(outputKey: Sha256.hash([9])), expiryHeight: 300,
      capacitySat: 50_000)
  }

  var announcement: Announcement {
    offer.announcement(
      publisher: Fixture.publisher.publicKey, endpoint: Endpoint(text: "192.0.2.7:4500")!,
      expiryHeight: 200)
  }

  var receipt: Receipt {
    let usage = UsageVector(
      cpuMs: 4000, memoryMiBMs: 90_000, memoryPeakKiB: 20_480, diskReadKiB: 5, diskWriteKiB: 6,
      networkKiB: 140, wallMs: 5000, frozenMs: 300)
    return Receipt(
      contract: contract.id, usage: usage, owedSat: Price.owedSat(contract.rates, usage)!,
      paidSat: 1000, payments: 3, exitKind: .exited, exitStatus: -1,
      resultDigest: Sha256.hash([10]), startedUnixSeconds: 1_700_000_000,
      endedUnixSeconds: 1_700_000_005)
  }
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
