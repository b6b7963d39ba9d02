import Market

/// The rates that a bid asks, from what the owner said a full hour should earn.
enum OwnerRates {
  /// No hour is worth more (10 coins).
  static let maxHourSat: UInt64 = 1_000_000_000

  /// Rates by which a job that uses all of `milliCpus` and `memoryMiB` for an hour pays `hourSat`, and
  /// by which no job pays less than the energy that it takes.
  static func rates(
    hourSat: UInt64, milliCpus: UInt32, memoryMiB: UInt32, energy: EnergyCost? = nil
  ) -> RateVector {
    let machine = MachineCapacity(milliCpus: max(milliCpus, 1), memoryMiB: max(memoryMiB, 1))
    return Pricing.rates(
      hourlySat: min(hourSat, maxHourSat), runs: [], machine: machine, energy: energy)
  }

  /// What electricity costs, where the owner said so. One number of watts stands for the idle machine
  /// too: then time alone pays for the energy.
  static func energy(_ configuration: Configuration) -> EnergyCost? {
    let milliWatts = UInt32(min(configuration.milliWatts, UInt64(UInt32.max)))
    if milliWatts == 0 || configuration.satPerKilowattHour == 0 { return nil }
    return EnergyCost(
      idleMilliwatts: milliWatts, loadMilliwatts: milliWatts,
      satPerKilowattHour: configuration.satPerKilowattHour)
  }

  /// What an hour at full load costs in electricity, in sat, rounded up; 0 where the owner did not
  /// say. Milliwatts for an hour are thousandths of a watt-hour: a million make a kilowatt-hour.
  static func energySat(milliWatts: UInt64, satPerKilowattHour: UInt64) -> UInt64 {
    let (product, overflow) = milliWatts.multipliedReportingOverflow(by: satPerKilowattHour)
    return overflow ? UInt64.max : (product + 999_999) / 1_000_000
  }

  /// The price of an hour: what the owner wishes, and never below the cost of energy.
  static func hourSat(_ configuration: Configuration) -> UInt64 {
    let energySat = energySat(
      milliWatts: configuration.milliWatts, satPerKilowattHour: configuration.satPerKilowattHour)
    return min(max(configuration.hourSat, energySat), maxHourSat)
  }
}
