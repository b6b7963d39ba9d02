import Market

/// How far a job has come, as the provider sees it. The order is the order of time; a job only
/// moves forward.
public enum JobStage: UInt8, Comparable, Sendable {
  /// No contract yet: nothing is stored, nothing is lost.
  case negotiating = 1
  /// Both have signed; the funding is waited for.
  case awaitingFunding = 2
  /// The funding is deep enough; the opening payment is waited for.
  case awaitingOpening = 3
  /// The bundle is on its way, or being unpacked.
  case transferring = 4
  /// The job runs, or is frozen.
  case running = 5
  /// The job is over; its results are collected and handed over.
  case delivering = 6
  /// Nothing of the job is left; the last payment and the receipt are waited for.
  case settling = 7
  /// The close is on its way into a block.
  case closing = 8
  /// The close is in a block.
  case closed = 9
  /// Ended without a payment to collect.
  case abandoned = 10

  public static func < (left: JobStage, right: JobStage) -> Bool { left.rawValue < right.rawValue }

  public var text: String {
    switch self {
    case .negotiating: return "negotiating"
    case .awaitingFunding: return "awaiting-funding"
    case .awaitingOpening: return "awaiting-opening-payment"
    case .transferring: return "transferring"
    case .running: return "running"
    case .delivering: return "delivering"
    case .settling: return "settling"
    case .closing: return "closing"
    case .closed: return "closed"
    case .abandoned: return "abandoned"
    }
  }

  /// What the publisher is told of it.
  var phase: JobPhase {
    switch self {
    case .negotiating, .awaitingFunding: return .agreed
    case .awaitingOpening: return .funded
    case .transferring: return .transferring
    case .running: return .running
    case .delivering: return .exited
    case .settling, .closing, .closed, .abandoned: return .receipted
    }
  }
}
