/// How well this machine can wall a job in. Ordered: a machine takes a job only if its own level is
/// at least the level that the job asks for.
public enum IsolationLevel: UInt8, Comparable, Sendable {
  /// The kernel lacks something without which strangers' programs must not run.
  case refused = 0
  /// No user namespaces: the set-up runs as real root, the job as a private user id.
  case reduced = 1
  /// All of the design's steps.
  case full = 2

  public static func < (left: IsolationLevel, right: IsolationLevel) -> Bool {
    left.rawValue < right.rawValue
  }

  public var name: String {
    switch self {
    case .refused: return "refused"
    case .reduced: return "reduced"
    case .full: return "full"
    }
  }
}
