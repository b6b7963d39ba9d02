import Bitcoin
import Bytes
import Channel
import Crypto

/// What the static binary checks of this module, against constants that the ordinary build gave.
public enum MarketSelfTest {
  public static func run(_ report: (StaticString, Bool) -> Void) {
    report("market: announcement", announcementWorks())
    report("market: offer", offerWorks())
    report("market: price", priceWorks())
    report("market: bid, signed", bidWorks())
    report("market: session message", messageWorks())
    report("market: rates from a wish and the price of energy", pricingWorks())
    report("market: frozen, thawed and ended, beyond 32 bits", freezeWorks())
  }

  /// 123 bytes as they stand on a chain.
  private static let announcement =
    "5a4e0102204eeaaadf130120ede39396a95a48a46377e1a81503b1161a777116e56c9c8174040b94"
    + "113139322e302e322e3706020200080203000a04400000000c01010e0870170000000000001004f4"
    + "0100001204c80000001420cf71ff4841c38a788cfce9ae0cac4bcef3ffa2dd52dd7f6897ff8a679b"
    + "34011d"

  private static func announcementWorks() -> Bool {
    guard let bytes = Hex.decode(announcement), let read = try? Announcement.decode(bytes) else {
      return false
    }
    var truncated = 0
    for count in bytes.indices where (try? Announcement.decode(Array(bytes[..<count]))) == nil {
      truncated += 1
    }
    return read.encode() == bytes && truncated == bytes.count && read.workers == 2
      && read.endpoint.port == 4500 && read.json.utf8.count == 423
  }

  private static var offer: Offer {
    Offer(
      network: .zero, title: Array("self-test".utf8), arguments: [Array("/bin/true".utf8)],
      limits: ResourceLimits(
        memoryMiB: 64, milliCpus: 1000, pids: 32, diskMiB: 16, wallMs: 60_000),
      priceCeilingSatPerHour: 6000, payoutIntervalMs: 500, providerMaxLossSat: 20,
      publisherMaxLossSat: 2000, openingPaymentSat: 1000, graceMs: 5000, channelBlocks: 144,
      maxBundleBytes: 1 << 20, maxResultBytes: 1 << 20)
  }

  private static func offerWorks() -> Bool {
    guard let read = try? Offer.decode(offer.encode()) else { return false }
    return read == offer && read.digest.hex.utf8.elementsEqual(offerDigest.utf8)
  }

  private static let offerDigest =
    "1a14b10606b3fbc2ac9732be0db8c2882ceced70d64f61799b53e8efcc7e4988"

  private static func priceWorks() -> Bool {
    let rates = RateVector(
      cpuPsatPerMs: 0xffff_ffff_ffff, memoryPsatPerMiBMs: 123_456_789, wallPsatPerMs: 1)
    let usage = UsageVector(
      cpuMs: 987_654_321, memoryMiBMs: 55_555_555_555, wallMs: 10, frozenMs: 9)
    // (281474976710655 × 987654321 + 123456789 × 55555555555 + 1) / 10^12, rounded up.
    return Price.owedSat(rates, usage) == 278_006_835_713
      && Price.owedSat(RateVector(cpuPsatPerMs: .max), UsageVector(cpuMs: .max)) == nil
  }

  private static func bidWorks() -> Bool {
    let identity = Ed25519.KeyPair(seed: Sha256.hash([2]))
    guard let key = try? Secp256k1.publicKey(of: Sha256.hash([4])) else { return false }
    var bid = Bid(
      offerDigest: offer.digest, provider: .zero, reportDigest: Sha256.hash([6]),
      rates: RateVector(cpuPsatPerMs: 1_000_000_000, wallPsatPerMs: 5),
      payoutScript: Script.p2tr(outputKey: Sha256.hash([7])), providerKey: key)
    bid.sign(identity)
    guard (try? bid.check(against: offer)) != nil, let read = try? Bid.decode(bid.encode()) else {
      return false
    }
    var forged = read
    forged.rates.wallPsatPerMs += 1
    return read == bid && (try? forged.verify()) == nil
  }

  private static func messageWorks() -> Bool {
    let message = SessionMessage.usage(
      UsageReport(
        sequence: 1, usage: UsageVector(cpuMs: 5, wallMs: 9, frozenMs: 1), owedSat: 7,
        isFrozen: false))
    let bytes = message.encode()
    return (try? SessionMessage.decode(bytes)) == message
      && (try? SessionMessage.decode(bytes + [0])) == nil && bytes.count == 82
  }

  /// The canonical-benchmark pricing: an hour of everything earns the wish, and nothing is sold below
  /// its energy. Floating point, whose last digit old processors round differently.
  private static func pricingWorks() -> Bool {
    let machine = MachineCapacity(milliCpus: 4000, memoryMiB: 8192)
    let energy = EnergyCost(
      idleMilliwatts: 5000, loadMilliwatts: 65_000, satPerKilowattHour: 100_000)
    let hourMs: UInt64 = 3_600_000
    let hour = UsageVector(cpuMs: 4 * hourMs, memoryMiBMs: 8192 * hourMs, wallMs: hourMs)
    let rates = Pricing.rates(hourlySat: 50_000, runs: [], machine: machine, energy: energy)
    let least = Pricing.rates(hourlySat: 1, runs: [], machine: machine, energy: energy)
    guard let owedSat = Price.owedSat(rates, hour), let leastSat = Price.owedSat(least, hour) else {
      return false
    }
    return owedSat >= 49_950 && owedSat <= 50_050 && leastSat == 6501
      && energy.loadSatPerHour == 6500
  }

  private static func freezeWorks() -> Bool {
    let nowMs: UInt64 = 1 << 40
    var rule = FreezeRule(providerMaxLossSat: 1 << 33, graceMs: 5000, headroomSat: 1)
    return rule.decide(owedSat: 1 << 34, paidSat: (1 << 33) + 1, nowMs: nowMs) == .run
      && rule.decide(owedSat: 1 << 34, paidSat: 1 << 33, nowMs: nowMs) == .freeze
      && rule.decide(owedSat: nil, paidSat: .max, nowMs: nowMs + 4999) == .freeze
      && rule.decide(owedSat: 1 << 34, paidSat: 1 << 33, nowMs: nowMs + 5000) == .end
      && rule.decide(owedSat: 1 << 34, paidSat: 1 << 34, nowMs: nowMs + 5000) == .run
  }
}
