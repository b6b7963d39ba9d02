import Bytes
import Ini
import Market
import Session

/// How the configuration is read, with inih, and what becomes of the owner's numbers.
public enum AgentSelfTest {
  public static func run(_ report: (StaticString, Bool) -> Void) {
    report("agent: a configuration is read", configurationIsRead())
    report("agent: a wrong line is named", wrongLinesAreNamed())
    report("agent: the owner's price", priceHolds())
    report("agent: output resumed beyond 4 GiB", outputIsResumed())
  }

  private static let good: StaticString = """
    [network]
    name = regtest
    peer = [::1]:18445 ; a comment
    [payout]
    address = bcrt1q
    [price]
    hour_sat = 1000000000
    watts = 12.5
    sat_per_kwh = 100000000000
    [limits]
    memory_mib = 4194304

    """

  private static func bytes(_ text: StaticString) -> [UInt8] {
    Array(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  private static func configurationIsRead() -> Bool {
    guard let read = try? Configuration.parse(bytes(good), file: "z") else { return false }
    return read.peers == [Configuration.Endpoint(host: Array("::1".utf8), port: 18445)]
      && read.hourSat == 1_000_000_000 && read.milliWatts == 12_500
      && read.satPerKilowattHour == 100_000_000_000 && read.memoryMiB == 4_194_304
  }

  private static func wrongLinesAreNamed() -> Bool {
    isRefused("[price]\nhour_sat = 4294967297000", "z:2: price.hour_sat: cannot be '42949")
      && isRefused("[price]\n\nhour_sat = 1\nhour_sat = 2", "z:4: price.hour_sat: is given twice")
      && isRefused("[risk]\nnonsense = 1", "z:2: risk.nonsense: no such key")
      && isRefused("what", "z:1: not a [section]")
      && isRefused("[price]\nhour_sat = 1", "z: network.name: is missing")
  }

  private static func isRefused(_ text: StaticString, _ start: StaticString) -> Bool {
    do throws(ConfigurationError) {
      _ = try Configuration.parse(bytes(text), file: "z")
      return false
    } catch { return Array(error.message.utf8).starts(with: bytes(start)) }
  }

  /// Rates come of floating-point arithmetic, whose last digit old processors round differently.
  private static func priceHolds() -> Bool {
    let rates = OwnerRates.rates(hourSat: 1_000_000, milliCpus: 2000, memoryMiB: 4096)
    let hourMs: UInt64 = 3_600_000
    let owedSat = Price.owedSat(
      rates, UsageVector(cpuMs: 2 * hourMs, memoryMiBMs: 4096 * hourMs, wallMs: hourMs))
    guard let owedSat else { return false }
    return owedSat >= 999_000 && owedSat <= 1_001_000
      && OwnerRates.energySat(milliWatts: 10_000_000, satPerKilowattHour: 100_000_000_000)
        == 1_000_000_000_000
  }

  private static func outputIsResumed() -> Bool {
    var buffer = OutputBuffer()
    buffer.append([1, 2, 3])
    buffer.sent(3)
    buffer.resume(at: 1 << 40, on: StreamId(raw: 1))
    if buffer.unsent != 0 { return false }
    buffer.resume(at: 1, on: StreamId(raw: 3))
    return buffer.next(limit: 9) == [2, 3]
  }
}
