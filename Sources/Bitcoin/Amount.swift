/// Amounts are in sat: 1 coin (1 ZEN on a ZenCoin network) = 100,000,000 sat.
public enum Amount {
  public static let satPerCoin: UInt64 = 100_000_000
  /// The upper limit of any amount on a chain (21 million coins).
  public static let maxSat: UInt64 = 21_000_000 * satPerCoin
  /// Bitcoin Core's dust limit for P2WSH and P2TR outputs at the default relay fee.
  public static let dustSat: UInt64 = 330
}
