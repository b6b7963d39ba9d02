import Market

/// How far a hire has come, as the publisher sees it. The order is the order of time; a hire only
/// moves forward.
public enum HireStage: UInt8, Comparable, Sendable {
  /// The contract is signed here; the machine's signature is waited for.
  case contracted = 1
  /// Both have signed; the channel is to be funded.
  case accepted = 2
  /// The funding is stored and relayed; the machine has to see it.
  case funding = 3
  /// The opening payment is signed; the machine pulls the bundle.
  case transferring = 4
  case running = 5
  /// The job has ended; its results are pulled.
  case delivering = 6
  /// The results are here; the receipt is waited for.
  case settling = 7
  /// Both have signed the receipt; the close is waited for.
  case receipted = 8
  /// The channel is spent in a block.
  case closed = 9
  /// Ended before it was funded: nothing is lost.
  case abandoned = 10

  public static func < (left: HireStage, right: HireStage) -> Bool {
    left.rawValue < right.rawValue
  }

  public var text: String {
    switch self {
    case .contracted: return "contracted"
    case .accepted: return "accepted"
    case .funding: return "funding"
    case .transferring: return "transferring"
    case .running: return "running"
    case .delivering: return "delivering"
    case .settling: return "settling"
    case .receipted: return "receipted"
    case .closed: return "closed"
    case .abandoned: return "abandoned"
    }
  }

  /// What the machine is told of it.
  var phase: JobPhase {
    switch self {
    case .contracted, .accepted, .funding: return .agreed
    case .transferring: return .transferring
    case .running: return .running
    case .delivering, .settling: return .exited
    case .receipted, .closed, .abandoned: return .receipted
    }
  }
}
