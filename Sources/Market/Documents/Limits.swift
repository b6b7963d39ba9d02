import Bitcoin

/// The bounds that documents share. Whatever is outside is refused when it is read.
public enum Limits {
  public static let maxMemoryMiB: UInt32 = 1 << 20
  /// 100 ms to one hour.
  public static let payoutIntervalMs: ClosedRange<UInt32> = 100...3_600_000
  /// 100 ms to one day.
  public static let graceMs: ClosedRange<UInt32> = 100...86_400_000
  /// One second to 30 days.
  public static let wallMs: ClosedRange<UInt64> = 1_000...2_592_000_000
  public static let heightLimit: UInt32 = 500_000_000
  public static let maxBundleBytes: UInt64 = 1 << 40
  public static let fundingDepth: ClosedRange<UInt32> = 1...100
  public static let lifetimeBlocks: ClosedRange<UInt32> = 1...52_560
  /// What a control message of the session may hold, less its own fields.
  public static let maxDocumentBytes = 60_000
  public static let amountSat: ClosedRange<UInt64> = 1...Amount.maxSat
  public static let maxTextBytes = 256
}
