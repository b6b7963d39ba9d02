import Market

/// The rates that a bid asks, from what the owner said a full hour should earn.
enum OwnerRates {
  /// No hour is worth more (10 coins); the arithmetic below stays within 64 bits.
  static let maxHourSat: UInt64 = 1_000_000_000
  /// Shares of the hour's price, in percent: a job that keeps the processors busy pays most of it, one
  /// that only holds memory or a place pays little.
  private static let cpuPercent: UInt64 = 70
  private static let memoryPercent: UInt64 = 15
  private static let wallPercent: UInt64 = 15

  /// Rates by which a job that uses all of `milliCpus` and `memoryMiB` for an hour pays `hourSat`.
  static func rates(hourSat: UInt64, milliCpus: UInt32, memoryMiB: UInt32) -> RateVector {
    // 3,600,000 ms an hour; 10^12 psat a sat, of which a percent is 10^10.
    let percentPsatPerMs = min(hourSat, maxHourSat) * 10_000_000_000 / 3_600_000
    return RateVector(
      cpuPsatPerMs: percentPsatPerMs * cpuPercent / UInt64(max(milliCpus, 1)) * 1000,
      memoryPsatPerMiBMs: percentPsatPerMs * memoryPercent / UInt64(max(memoryMiB, 1)),
      wallPsatPerMs: percentPsatPerMs * wallPercent)
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
