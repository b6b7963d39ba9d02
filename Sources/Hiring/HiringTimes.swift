/// The publisher's timeouts for actions of the provider or the chain. They are fixed, so that a
/// peer cannot extend them.
enum HiringTimes {
  /// A caller authenticates and sends its first message.
  static let greetingMs: UInt64 = 30_000
  /// A caller that received an offer sends its bid.
  static let bidMs: UInt64 = 60_000
  /// A provider signs a contract.
  static let acceptMs: UInt64 = 20_000
  /// How long the first accepted contract waits for others, so that one transaction funds all.
  static let fundingWindowMs: UInt64 = 1_500
  /// Time to fund a contract. The provider holds the place for 60 s; a later funding is void.
  static let holdMs: UInt64 = 50_000
  /// A provider confirms that it has seen the funding transaction.
  static let fundingSeenMs: UInt64 = 60_000
  /// A provider starts a task that fits; after this time the reservation stops.
  static let startMs: UInt64 = 5_000
  /// After this time without a start, the lease is given up.
  static let unreadyMs: UInt64 = 60_000
  /// Silence after which the reservation stops: the session's ping interval plus the time to
  /// answer.
  static let silenceMs: UInt64 = 15_000 + 10_000
  /// How long a task may run past its limit or a stop.
  static let lateTaskMs: UInt64 = 120_000
  /// How long an ended task's remaining output and results may stall.
  static let stalledStreamMs: UInt64 = 60_000
  /// How long an ending lease may make no progress while the provider is connected.
  static let endingMs: UInt64 = 60_000
  /// How long a provider may suspend a fully paid lease without a verifiable reason.
  static let standstillMs: UInt64 = 600_000
  /// Store interval of leases with a running reservation.
  static let progressMs: UInt64 = 30_000
  /// How long a provider may take to disconnect after the signed receipt.
  static let farewellMs: UInt64 = 10_000
  static let retryMs: UInt64 = 1_000
  /// Blocks after which the publisher broadcasts a close that the provider should have broadcast.
  static let closeBlocks: UInt32 = 6
}
