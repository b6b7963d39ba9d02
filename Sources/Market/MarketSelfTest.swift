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
    report("market: a message of each kind", messagesAreCanonical())
    report("market: rates from a wish and the price of energy", pricingWorks())
    report("market: frozen and thawed, beyond 32 bits", freezeWorks())
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
      network: .zero, title: Array("self-test".utf8),
      share: ShareLimits(memoryMiB: 64, milliCpus: 1000, pids: 32, diskMiB: 16),
      priceCeilingSatPerHour: 6000, traffic: HourlyTraffic(diskKiB: 1 << 20, networkKiB: 1 << 22),
      payoutIntervalMs: 500, publisherMaxLossSat: 2000, channelBlocks: 144, closeMarginBlocks: 24,
      feeLadderSatPerKvB: [1000, 5000, 25_000])
  }

  private static func offerWorks() -> Bool {
    guard let read = try? Offer.decode(offer.encode()) else { return false }
    return read == offer && read.digest.hex.utf8.elementsEqual(offerDigest.utf8)
  }

  private static let offerDigest =
    "e5e634eafb8e36e3362940947714efe705bbdd29604cbe517e69e1ada6b88deb"

  private static func priceWorks() -> Bool {
    let rates = RateVector(
      cpuPsatPerMs: 0xffff_ffff_ffff, memoryPsatPerMiBMs: 123_456_789, reservedPsatPerMs: 1)
    let usage = LeaseUsage(
      tasks: UsageVector(cpuMs: 987_654_321, memoryMiBMs: 55_555_555_555, wallMs: 10, frozenMs: 9),
      reservedMs: 1)
    // (281474976710655 × 987654321 + 123456789 × 55555555555 + 1) / 10^12, rounded up.
    return Price.owedSat(rates, usage) == 278_006_835_713
      && Price.owedSat(
        RateVector(cpuPsatPerMs: .max), LeaseUsage(tasks: UsageVector(cpuMs: .max))) == nil
  }

  private static func bidWorks() -> Bool {
    let identity = Ed25519.KeyPair(seed: Sha256.hash([2]))
    guard let key = try? Secp256k1.publicKey(of: Sha256.hash([4])) else { return false }
    let bid = Bid(
      offerDigest: offer.digest, provider: identity.publicKey, reportDigest: Sha256.hash([6]),
      rates: RateVector(cpuPsatPerMs: 1_000_000_000, reservedPsatPerMs: 5), maxLossSat: 20,
      firstPaymentSat: 330, payoutScript: Script.p2tr(outputKey: Sha256.hash([7])),
      providerKey: key, debt: Debt(lease: Sha256.hash([8]), amountSat: 3))
    let signature = bid.sign(identity)
    guard (try? bid.check(against: offer)) != nil, let read = try? Bid.decode(bid.encode()) else {
      return false
    }
    var forged = read
    forged.rates.reservedPsatPerMs += 1
    return read == bid && (try? read.verify(signature, by: identity.publicKey)) != nil
      && (try? forged.verify(signature, by: identity.publicKey)) == nil
  }

  private static func messageWorks() -> Bool {
    let usage = LeaseUsage(
      tasks: UsageVector(cpuMs: 5, wallMs: 9, frozenMs: 1), reservedMs: 1 << 40)
    let message = SessionMessage.usage(UsageReport(sequence: 1, usage: usage, owedSat: 7))
    let bytes = message.encode()
    return (try? SessionMessage.decode(bytes)) == message
      && (try? SessionMessage.decode(bytes + [0])) == nil && bytes.count == 89
      && (try? SessionMessage.decode([201, 1, 2])) == .unknown(type: 201)
      && (try? SessionMessage.decode([202, 1, 2])) == nil
  }

  private static func messagesAreCanonical() -> Bool {
    for digits in MessageVectors.all {
      let bytes = Hex.constant(digits)
      guard let message = try? SessionMessage.decode(bytes), message.encode() == bytes else {
        return false
      }
    }
    return MessageVectors.all.count >= 35
  }

  /// The canonical-benchmark pricing: an hour of everything earns the wish, and nothing is sold below
  /// its energy. Floating point, whose last digit old processors round differently.
  private static func pricingWorks() -> Bool {
    let machine = MachineCapacity(milliCpus: 4000, memoryMiB: 8192)
    let energy = EnergyCost(
      idleMilliwatts: 5000, loadMilliwatts: 65_000, satPerKilowattHour: 100_000)
    let share = ShareLimits(memoryMiB: 4096, milliCpus: 1000, pids: 32, diskMiB: 16)
    func hourSat(_ wishSat: UInt64, use: Bool) -> UInt64 {
      let rates = Pricing.rates(
        for: share, of: machine, Pricing.Wish(hourlySat: wishSat, energy: energy))
      var usage = Price.fullUse(share, ms: 3_600_000)
      if !use { usage.tasks = UsageVector() }
      return Price.owedSat(rates, usage) ?? 0
    }
    // Half of the machine by its memory; of its energy half when idle, and one processor of four.
    return hourSat(50_000, use: true) >= 24_990 && hourSat(50_000, use: true) <= 25_010
      && hourSat(50_000, use: false) >= 12_490 && hourSat(50_000, use: false) <= 12_510
      && hourSat(1, use: true) == 1751 && energy.loadSatPerHour == 6500
  }

  private static func freezeWorks() -> Bool {
    let rule = FreezeRule(
      RateVector(reservedPsatPerMs: RateVector.psatPerSat),
      ShareLimits(memoryMiB: 1, milliCpus: 1, pids: 1, diskMiB: 1), sampleMs: 1)
    let large: UInt64 = 1 << 34
    return rule.headroomSat == 1
      && rule.mayRun(owedSat: large, paidSat: (1 << 33) + 1, allowedSat: 1 << 33)
      && !rule.mayRun(owedSat: large, paidSat: 1 << 33, allowedSat: 1 << 33)
      && !rule.mayRun(owedSat: nil, paidSat: .max, allowedSat: .max)
      && !rule.mayRun(owedSat: .max, paidSat: 0, allowedSat: .max)
  }
}
