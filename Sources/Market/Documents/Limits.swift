import Bitcoin

/// The bounds that documents share. Whatever is outside is refused when it is read.
public enum Limits {
  public static let maxMemoryMiB: UInt32 = 1 << 20
  /// 100 ms to one hour.
  public static let payoutIntervalMs: ClosedRange<UInt32> = 100...3_600_000
  /// What may still be paid for after a stop: 0 to one minute.
  public static let stopGraceMs: ClosedRange<UInt32> = 0...60_000
  /// How long results, frozen tasks and the lease wait: one minute to one day.
  public static let holdMs: ClosedRange<UInt32> = 60_000...86_400_000
  /// What an owner announces before it ends a lease: up to one day.
  public static let noticeMs: ClosedRange<UInt32> = 0...86_400_000
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
  public static let maxArguments = 64
  public static let maxArgumentBytes = 4096
  public static let maxTitleBytes = 120
  /// Bundles of one task, the base first.
  public static let maxBundles = 16
  /// Channels of one lease.
  public static let maxChannels = 8
  /// Tasks of one lease that wait, and the bytes of their orders.
  public static let maxQueuedTasks = 64
  public static let maxQueuedBytes = 1 << 20
}
