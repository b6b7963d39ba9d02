/// Fee rates in sat per 1000 virtual bytes (kvB): networks with rates below 1 sat/vB need them.
public enum FeeRate {
  /// 0.1 sat/vB: less is relayed nowhere.
  public static let minSatPerKvB: UInt64 = 100
  /// 10,000 sat/vB: more is a mistake.
  public static let maxSatPerKvB: UInt64 = 10_000_000

  /// The fee of a transaction of this weight (BIP141): for whole virtual bytes, rounded up.
  static func feeSat(weight: UInt64, rateSatPerKvB: UInt64) -> UInt64 {
    feeSat(virtualBytes: (weight + 3) / 4, rateSatPerKvB: rateSatPerKvB)
  }

  static func feeSat(virtualBytes: UInt64, rateSatPerKvB: UInt64) -> UInt64 {
    (virtualBytes * rateSatPerKvB + 999) / 1000
  }

  static func check(_ satPerKvB: UInt64) throws(WalletError) {
    if satPerKvB < minSatPerKvB || satPerKvB > maxSatPerKvB { throw .feeRate(satPerKvB: satPerKvB) }
  }

  /// "1.5 sat/vB".
  public static func text(_ satPerKvB: UInt64) -> String {
    let rest = satPerKvB % 1000
    if rest == 0 { return "\(satPerKvB / 1000) sat/vB" }
    var digits = String(String(rest + 1000).dropFirst())
    while digits.hasSuffix("0") { digits.removeLast() }
    return "\(satPerKvB / 1000).\(digits) sat/vB"
  }
}
