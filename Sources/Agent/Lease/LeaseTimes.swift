/// How long a lease waits for what. Every wait has an end that the publisher cannot move.
enum LeaseTimes {
  // MARK: Calls

  /// After a call breaks: doubling from half a second to about half a minute.
  static let redialMs: UInt64 = 500
  static let maxRedialDoublings: UInt64 = 6
  /// A publisher that cannot be satisfied is not called at once.
  static let refusedRedialMs: UInt64 = 8000
  /// What was silent for longer than this counts as gone (``ReservationClock``).
  static let silenceMs: UInt64 = 20_000
  /// A machine that starts none of the tasks that wait for it is not ready; both ends stop their clocks.
  static let unreadyMs: UInt64 = 5000

  // MARK: Negotiation

  /// From the call to the offer.
  static let offerMs: UInt64 = 20_000
  /// From the bid to the contract.
  static let contractMs: UInt64 = 30_000

  // MARK: Funding

  /// A signed contract holds its place for so long without a funding.
  static let fundingMs: UInt64 = 60_000
  /// A late funding is answered with a close that pays nothing, for so long.
  static let lateFundingMs: UInt64 = 3_600_000
  /// Peers that have a funding already do not ask for it; after this the lease opens without their hint.
  static let relayHintMs: UInt64 = 15_000
  /// A lease whose funding is still in no block ends.
  static let unconfirmedBlocks: UInt32 = 6

  // MARK: Samples

  /// The longest time between two samples. For so long sockets may hold more memory than a task may.
  static let mostSampleMs: UInt64 = 250
  /// The shortest: a sample costs some 80 µs.
  static let leastSampleMs: UInt64 = 100
  /// A young task is sampled this soon, then at twice its age.
  static let firstSampleMs: UInt64 = 20

  /// A sample may come late on a busy machine: rules cover twice the time.
  static func lateSampleMs(_ sampleMs: UInt64) -> UInt32 { UInt32(2 * sampleMs) }

  // MARK: Yielding

  /// An unconfirmed lease that idles or is frozen yields to a new contract after this.
  static let unconfirmedYieldMs: UInt64 = 60_000
  /// A lease that earns nothing yields to one that pays after this.
  static let yieldMs: UInt64 = 600_000

  // MARK: The end

  /// A receipt waits for the publisher's signature while every channel was paid.
  static let signatureMs: UInt64 = 120_000
  /// The last payment, where the channel or the agent itself ends.
  static let hastyPaymentMs: UInt64 = 10_000
  /// Blocks for which a ladder that is too low waits for a top-up with a higher one.
  static let ladderBlocks: UInt32 = 12
  /// Blocks on top of a close after which no reorganisation is expected to undo it.
  static let burialBlocks: UInt32 = 6
}
