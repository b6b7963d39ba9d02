import Market

/// Why a lease ends.
enum LeaseEnding: UInt8, Equatable, Sendable {
  /// The publisher ended it.
  case publisher = 1
  /// The owner stops the agent.
  case owner = 2
  /// The last channel must be closed.
  case term = 3
  /// It was frozen for longer than the contract's hold time.
  case unpaid = 4
  /// The publisher was disconnected for longer than the contract's hold time.
  case absent = 5
  /// Its funding did not confirm in time, or was double-spent.
  case unconfirmed = 6
  /// It earned nothing, and a new contract took its place.
  case yielded = 7
  /// The publisher has no such lease, or its books differ from the provider's.
  case books = 8
  /// Fees exceed the top rate of its channels' fee ladders.
  case ladder = 9

  var text: String {
    switch self {
    case .publisher: return "the publisher ended it"
    case .owner: return "the owner stops the agent"
    case .term: return "its last channel must be closed"
    case .unpaid: return "it was not paid"
    case .absent: return "the publisher did not reconnect in time"
    case .unconfirmed: return "its funding did not confirm"
    case .yielded: return "it earned nothing, and another lease takes its place"
    case .books: return "the publisher's books differ"
    case .ladder: return "fees have risen above its channels' closing fees"
    }
  }

  /// The exit kind of its tasks.
  var exit: ExitKind {
    switch self {
    case .publisher, .books: return .stoppedByPublisher
    case .unpaid, .unconfirmed, .yielded: return .unpaid
    case .owner, .term, .absent, .ladder: return .stoppedByOwner
    }
  }

  /// Whether the last payment has the short timeout. Only a publisher that ends its lease itself
  /// gets the contract's hold time.
  var isHasty: Bool { self != .publisher }
}
