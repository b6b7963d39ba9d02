/// How long this side waits for what the other side, or the chain, should do. Nobody else can move an
/// end of these.
enum HiringTimes {
  /// A caller proves who it is, and says what it calls about.
  static let greetingMs: UInt64 = 30_000
  /// A caller that has an offer bids.
  static let bidMs: UInt64 = 60_000
  /// A provider signs a contract.
  static let acceptMs: UInt64 = 20_000
  /// The first provider that accepted waits this long for others, so that one transaction funds all.
  static let fundingWindowMs: UInt64 = 1_500
  /// A contract holds a place for 60 s: a funding that comes later is in vain.
  static let holdMs: UInt64 = 50_000
  /// A provider confirms that it has a funding transaction.
  static let fundingSeenMs: UInt64 = 60_000
  /// A task that fits is started, or the reservation stops.
  static let startMs: UInt64 = 5_000
  /// ...and the lease is given up.
  static let unreadyMs: UInt64 = 60_000
  /// Silence after which the session asks for a sign of life, and how long that may take before the
  /// reservation stops.
  static let silenceMs: UInt64 = 15_000 + 10_000
  /// A task that should have ended by its limits, or by a stop, is waited for this long.
  static let lateTaskMs: UInt64 = 120_000
  /// What is still to come of an ended task may stand still for this long.
  static let stalledStreamMs: UInt64 = 60_000
  /// An ending lease may stand still for this long while the provider is connected.
  static let endingMs: UInt64 = 60_000
  /// A provider that freezes a lease that owes nothing, without a reason that this side can check.
  static let standstillMs: UInt64 = 600_000
  /// While reservations run, leases are stored this often.
  static let progressMs: UInt64 = 30_000
  /// A provider that has everything hangs up.
  static let farewellMs: UInt64 = 10_000
  static let retryMs: UInt64 = 1_000
  /// Blocks after which this side sends a close that the provider should have sent.
  static let closeBlocks: UInt32 = 6
}
