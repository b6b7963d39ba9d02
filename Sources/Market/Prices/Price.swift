import Bitcoin

/// What a lease costs: the inner product of rates and usage, computed identically by both ends.
public enum Price {
  /// What is owed, in sat: the exact sum of all products, rounded up once a lease. Nil where it does
  /// not fit 64 bits. Never falls when a counter of `usage` grows.
  public static func owedSat(_ rates: RateVector, _ usage: LeaseUsage) -> UInt64? {
    var sum = WideSum()
    let tasks = usage.tasks
    let quantities = [
      tasks.cpuMs, tasks.memoryMiBMs, tasks.diskReadKiB, tasks.diskWriteKiB, tasks.networkKiB,
      usage.reservedMs,
    ]
    let all = rates.all
    for index in all.indices { sum.add(all[index], times: quantities[index]) }
    // A million twice is a million million; rounding up twice is rounding up once.
    sum.divideRoundingUp(by: 1_000_000)
    sum.divideRoundingUp(by: 1_000_000)
    return sum.value
  }

  /// The price of one hour of full use of a share: processors and memory in use, reserved all the
  /// time, no disk, no network. Nil where it does not fit 64 bits.
  public static func hourlySat(_ rates: RateVector, _ share: ShareLimits) -> UInt64? {
    owedSat(rates, fullUse(share, ms: 3_600_000))
  }

  /// The most that an hour can cost by what a publisher's own rule accepts (``UsageRule``): full use,
  /// and disk and network at the contract's amounts. Bids are ranked and capped by it. Nil where it
  /// does not fit 64 bits.
  public static func worstHourlySat(
    _ rates: RateVector, _ share: ShareLimits, traffic: HourlyTraffic
  ) -> UInt64? {
    var usage = fullUse(share, ms: 3_600_000)
    usage.tasks.diskReadKiB = traffic.diskKiB
    usage.tasks.diskWriteKiB = traffic.diskKiB
    usage.tasks.networkKiB = traffic.networkKiB
    return owedSat(rates, usage)
  }

  /// The most that tasks can use of a share in `ms` milliseconds, disk and network apart.
  public static func fullUse(_ share: ShareLimits, ms: UInt64) -> LeaseUsage {
    LeaseUsage(
      tasks: UsageVector(
        cpuMs: saturating(ms, UInt64(share.milliCpus)) / 1000,
        memoryMiBMs: saturating(ms, UInt64(share.memoryMiB))),
      reservedMs: ms)
  }

  static func saturating(_ left: UInt64, _ right: UInt64) -> UInt64 {
    let (product, overflow) = left.multipliedReportingOverflow(by: right)
    return overflow ? UInt64.max : product
  }
}

/// An unsigned sum of 160 bits in limbs of 32: wide enough for many products of two 64-bit numbers,
/// on every machine, without the compiler's 128-bit helpers.
struct WideSum {
  /// Least significant first, each below 2^32.
  private var limbs: (UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0)

  private static let mask: UInt64 = 0xffff_ffff

  mutating func add(_ left: UInt64, times right: UInt64) {
    let leftLow = left & WideSum.mask
    let leftHigh = left >> 32
    let rightLow = right & WideSum.mask
    let rightHigh = right >> 32
    add(leftLow * rightLow, at: 0)
    add(leftLow * rightHigh, at: 1)
    add(leftHigh * rightLow, at: 1)
    add(leftHigh * rightHigh, at: 2)
  }

  /// Adds `value` shifted by 32 bits `position` times.
  private mutating func add(_ value: UInt64, at position: Int) {
    var carry = value
    var index = position
    while carry > 0 && index < 5 {
      let sum = self[index] + (carry & WideSum.mask)
      self[index] = sum & WideSum.mask
      carry = (carry >> 32) + (sum >> 32)
      index += 1
    }
  }

  private subscript(index: Int) -> UInt64 {
    get {
      switch index {
      case 0: return limbs.0
      case 1: return limbs.1
      case 2: return limbs.2
      case 3: return limbs.3
      default: return limbs.4
      }
    }
    set {
      switch index {
      case 0: limbs.0 = newValue
      case 1: limbs.1 = newValue
      case 2: limbs.2 = newValue
      case 3: limbs.3 = newValue
      default: limbs.4 = newValue
      }
    }
  }

  /// `divisor` is below 2^32.
  mutating func divideRoundingUp(by divisor: UInt64) {
    var remainder: UInt64 = 0
    for index in [4, 3, 2, 1, 0] {
      let dividend = remainder << 32 | self[index]
      self[index] = dividend / divisor
      remainder = dividend % divisor
    }
    if remainder > 0 { add(1, at: 0) }
  }

  /// Nil above 64 bits.
  var value: UInt64? {
    if limbs.2 | limbs.3 | limbs.4 != 0 { return nil }
    return limbs.1 << 32 | limbs.0
  }
}
