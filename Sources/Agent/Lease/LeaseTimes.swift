/// The provider's timeouts. They are fixed, so that a publisher cannot extend them.
enum LeaseTimes {
  // MARK: Calls

  /// The first redial delay after a broken call; it doubles up to about half a minute.
  static let redialMs: UInt64 = 500
  static let maxRedialDoublings: UInt64 = 6
  /// The redial delay after a refusal.
  static let refusedRedialMs: UInt64 = 8000
  /// Silence after which the connection counts as broken (``ReservationClock``).
  static let silenceMs: UInt64 = 20_000
  /// After this time without starting a waiting task, both sides stop the reservation clock.
  static let unreadyMs: UInt64 = 5000

  // MARK: Negotiation

  /// From the call to the offer.
  static let offerMs: UInt64 = 20_000
  /// From the bid to the contract.
  static let contractMs: UInt64 = 30_000

  // MARK: Funding

  /// How long an unfunded contract holds its place.
  static let fundingMs: UInt64 = 60_000
  /// How long a late funding is answered with a close without payout.
  static let lateFundingMs: UInt64 = 3_600_000
  /// How long to wait for a peer to request the funding; peers that already have it do not. Then
  /// the lease opens.
  static let relayHintMs: UInt64 = 15_000
  /// Blocks after which a lease with an unconfirmed funding ends.
  static let unconfirmedBlocks: UInt32 = 6

  // MARK: Samples

  /// The longest sample interval. Within it, socket buffers may exceed a task's memory limit.
  static let mostSampleMs: UInt64 = 250
  /// The shortest sample interval; a sample takes about 80 µs.
  static let leastSampleMs: UInt64 = 100
  /// The age of a task at its first sample; the next follow at twice its age.
  static let firstSampleMs: UInt64 = 20

  /// On a busy host a sample may be late: limits assume twice the interval.
  static func lateSampleMs(_ sampleMs: UInt64) -> UInt32 { UInt32(2 * sampleMs) }

  // MARK: Yielding

  /// How long an unconfirmed lease may be idle or frozen before it yields its place.
  static let unconfirmedYieldMs: UInt64 = 60_000
  /// How long a confirmed lease may earn nothing before it yields its place.
  static let yieldMs: UInt64 = 600_000

  // MARK: The end

  /// How long to wait for the publisher's signature of the receipt, if every channel was paid.
  static let signatureMs: UInt64 = 120_000
  /// How long to wait for the last payment when the channel or the agent ends.
  static let hastyPaymentMs: UInt64 = 10_000
  /// Blocks to wait for a top-up with a higher ladder.
  static let ladderBlocks: UInt32 = 12
  /// Confirmations after which a close counts as final.
  static let burialBlocks: UInt32 = 6
}
