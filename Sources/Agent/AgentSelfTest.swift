import Bytes
import Ini
import Market
import Session

/// Tests of the configuration parser (inih) and of the price arithmetic.
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

  /// Rates use floating-point arithmetic, whose last digit may differ on old processors.
  private static func priceHolds() -> Bool {
    guard var configuration = try? Configuration.parse(bytes(good), file: "z") else { return false }
    configuration.hourSat = 1_000_000
    let share = ShareLimits(memoryMiB: 4096, milliCpus: 2000, pids: 64, diskMiB: 64)
    configuration.milliWatts = 0
    let rates = OwnerPrice.rates(share, of: share, configuration)
    guard let hourSat = Price.hourlySat(rates, share) else { return false }
    configuration.milliWatts = 10_000_000
    return hourSat >= 999_000 && hourSat <= 1_001_000
      && OwnerPrice.hourSat(configuration) == OwnerPrice.maxHourSat
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
