/// Fee rates in sat per 1000 virtual bytes (kvB), because some networks have rates below 1 sat/vB.
public enum FeeRate {
  /// 0.1 sat/vB: the lowest rate that any network relays.
  public static let minSatPerKvB: UInt64 = 100
  /// 10,000 sat/vB: a higher rate is treated as a mistake.
  public static let maxSatPerKvB: UInt64 = 10_000_000

  /// The fee of a transaction of this weight (BIP141): whole virtual bytes, rounded up.
  static func feeSat(weight: UInt64, rateSatPerKvB: UInt64) -> UInt64 {
    feeSat(virtualBytes: (weight + 3) / 4, rateSatPerKvB: rateSatPerKvB)
  }

  static func feeSat(virtualBytes: UInt64, rateSatPerKvB: UInt64) -> UInt64 {
    (virtualBytes * rateSatPerKvB + 999) / 1000
  }

  static func check(_ satPerKvB: UInt64) throws(WalletError) {
    if satPerKvB < minSatPerKvB || satPerKvB > maxSatPerKvB { throw .feeRate(satPerKvB: satPerKvB) }
  }

  /// Parses sat per virtual byte with up to three decimals: "2", "0.1". Nil for anything else.
  public static func parse(_ text: String) -> UInt64? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    let isDigits = parts.allSatisfy { part in
      (1...9).contains(part.count) && part.utf8.allSatisfy { (0x30...0x39).contains($0) }
    }
    guard isDigits, parts.count <= 2, let whole = UInt64(parts[0]) else { return nil }
    if parts.count == 1 { return whole * 1000 }
    if parts[1].count > 3 { return nil }
    let digits = parts[1] + String(repeating: "0", count: 3 - parts[1].count)
    return UInt64(digits).map { whole * 1000 + $0 }
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
