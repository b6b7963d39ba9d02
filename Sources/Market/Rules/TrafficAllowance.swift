/// What disk and network traffic counts at most: the contract's amount an hour, the first hour's at once.
/// The provider charges no more, and the publisher believes no more.
public enum TrafficAllowance {
  private static let hourMs: UInt64 = 3_600_000

  /// Of `hourlyKiB` an hour, `elapsedMs` after the lease opened; at most what fits.
  public static func kib(_ hourlyKiB: UInt64, elapsedMs: UInt64) -> UInt64 {
    let product = hourlyKiB.multipliedFullWidth(by: max(elapsedMs, hourMs))
    if product.high >= hourMs { return UInt64.max }
    return hourMs.dividingFullWidth(product).quotient
  }

  /// `usage` with disk and network cut to what counts.
  public static func charged(
    _ usage: UsageVector, _ traffic: HourlyTraffic, elapsedMs: UInt64
  ) -> UsageVector {
    var charged = usage
    let diskKiB = kib(traffic.diskKiB, elapsedMs: elapsedMs)
    charged.diskReadKiB = min(usage.diskReadKiB, diskKiB)
    charged.diskWriteKiB = min(usage.diskWriteKiB, diskKiB)
    charged.networkKiB = min(
      usage.networkKiB, kib(traffic.networkKiB, elapsedMs: elapsedMs))
    return charged
  }
}
