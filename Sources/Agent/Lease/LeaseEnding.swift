import Market

/// Why a lease ends.
enum LeaseEnding: UInt8, Equatable, Sendable {
  /// The publisher ended it.
  case publisher = 1
  /// The machine's owner stops the agent.
  case owner = 2
  /// The last channel has to be closed.
  case term = 3
  /// It stood frozen for longer than the contract's hold time.
  case unpaid = 4
  /// The publisher was away for longer than the contract's hold time.
  case absent = 5
  /// Its funding did not confirm in time, or was double-spent.
  case unconfirmed = 6
  /// It earned nothing, and another contract wanted its place.
  case yielded = 7
  /// The publisher does not know it, or its books and this machine's differ.
  case books = 8
  /// Fees have risen above what its channels pay for their closes.
  case ladder = 9

  var text: String {
    switch self {
    case .publisher: return "the publisher ended it"
    case .owner: return "the owner stops the agent"
    case .term: return "its last channel has to be closed"
    case .unpaid: return "it was not paid"
    case .absent: return "the publisher is away"
    case .unconfirmed: return "its funding did not confirm"
    case .yielded: return "it earned nothing, and another lease wants its place"
    case .books: return "the publisher's books differ"
    case .ladder: return "fees have risen above its channels' closing fees"
    }
  }

  /// How its tasks end.
  var exit: ExitKind {
    switch self {
    case .publisher, .books: return .stoppedByPublisher
    case .unpaid, .unconfirmed, .yielded: return .unpaid
    case .owner, .term, .absent, .ladder: return .stoppedByOwner
    }
  }

  /// Whether there is little time for a last payment: only a publisher that ends its lease itself has the
  /// contract's hold time.
  var isHasty: Bool { self != .publisher }
}
