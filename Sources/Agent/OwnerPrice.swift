import Market

/// Prices derived from the owner's configuration.
enum OwnerPrice {
  /// The highest price of an hour (10 coins).
  static let maxHourSat: UInt64 = 1_000_000_000

  /// The cost of electricity; nil unless both watts and price are configured. Without `idle_watts`,
  /// idle power equals full power, so that time alone pays for the energy.
  static func energy(_ configuration: Configuration) -> EnergyCost? {
    let load = UInt32(min(configuration.milliWatts, UInt64(UInt32.max)))
    if load == 0 || configuration.satPerKilowattHour == 0 { return nil }
    let idle = UInt32(min(configuration.idleMilliWatts ?? configuration.milliWatts, UInt64(load)))
    return EnergyCost(
      idleMilliwatts: idle, loadMilliwatts: load,
      satPerKilowattHour: configuration.satPerKilowattHour)
  }

  /// The price of an hour of full use: as configured, and never below the cost of energy.
  static func hourSat(_ configuration: Configuration) -> UInt64 {
    let energySat = energy(configuration)?.loadSatPerHour ?? 0
    return min(max(configuration.hourSat, energySat), maxHourSat)
  }

  static func wish(_ configuration: Configuration) -> Pricing.Wish {
    Pricing.Wish(
      hourlySat: min(configuration.hourSat, maxHourSat), energy: energy(configuration),
      occupancyMilli: configuration.occupancyMilli)
  }

  /// The rates for a share of the resources available to leases.
  static func rates(_ share: ShareLimits, of limits: ShareLimits, _ configuration: Configuration)
    -> RateVector
  {
    Pricing.rates(
      for: share,
      of: MachineCapacity(
        milliCpus: max(limits.milliCpus, 1), memoryMiB: max(limits.memoryMiB, 1)),
      wish(configuration))
  }

  /// The most that all unconfirmed leases may owe: as configured, or ten minutes of the price, at
  /// least 10 sat.
  static func unconfirmedSat(_ configuration: Configuration) -> UInt64 {
    configuration.unconfirmedSat ?? max(10, hourSat(configuration) / 6)
  }
}
