import Bitcoin

/// What electricity costs the owner: the floor under every bid. An owner who only knows one number
/// gives it for both: then time alone pays for the energy, whatever a job does.
public struct EnergyCost: Equatable, Sendable {
  /// What the machine draws while it waits, and with all processors busy.
  public var idleMilliwatts: UInt32
  public var loadMilliwatts: UInt32
  public var satPerKilowattHour: UInt64

  public init(idleMilliwatts: UInt32, loadMilliwatts: UInt32, satPerKilowattHour: UInt64) {
    self.idleMilliwatts = min(idleMilliwatts, loadMilliwatts)
    self.loadMilliwatts = loadMilliwatts
    self.satPerKilowattHour = satPerKilowattHour
  }

  /// An hour at full load, rounded up; `UInt64.max` where it does not fit.
  public var loadSatPerHour: UInt64 {
    let (product, overflow) = satPerKilowattHour.multipliedReportingOverflow(
      by: UInt64(loadMilliwatts))
    return overflow ? UInt64.max : product / 1_000_000 + (product % 1_000_000 == 0 ? 0 : 1)
  }

  /// Cost of a millisecond at `milliwatts`, in psat, rounded up; saturating.
  static func psatPerMs(_ milliwatts: UInt32, _ satPerKilowattHour: UInt64) -> UInt64 {
    // mW·ms · sat/kWh: 1 kWh = 3.6e12 mW·ms, and 1 sat = 1e12 psat.
    let product = Price.saturating(UInt64(milliwatts), satPerKilowattHour)
    if product > UInt64.max / 10 { return UInt64.max / 36 }
    return (product * 10 + 35) / 36
  }

  /// The lowest rates at which no mix of use costs less than the energy that it takes on a machine of
  /// `milliCpus`: time pays for what the idle machine draws, processor time for what it draws on top.
  func rates(milliCpus: UInt32) -> RateVector {
    let idle = EnergyCost.psatPerMs(idleMilliwatts, satPerKilowattHour)
    let load = EnergyCost.psatPerMs(loadMilliwatts, satPerKilowattHour)
    let cpus = UInt64(max(milliCpus, 1))
    let needed = Price.saturating(load > idle ? load - idle : 0, 1000)
    return RateVector(
      cpuPsatPerMs: needed / cpus + (needed % cpus == 0 ? 0 : 1), reservedPsatPerMs: idle)
  }
}
