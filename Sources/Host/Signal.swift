import CHost

/// A signal's number; the same on every supported processor.
public struct Signal: Hashable, Sendable {
  public let rawValue: Int32

  public init(rawValue: Int32) { self.rawValue = rawValue }

  public static let hangUp = Signal(rawValue: Int32(HOST_SIGHUP))
  public static let interrupt = Signal(rawValue: Int32(HOST_SIGINT))
  public static let kill = Signal(rawValue: Int32(HOST_SIGKILL))
  public static let user1 = Signal(rawValue: Int32(HOST_SIGUSR1))
  public static let terminate = Signal(rawValue: Int32(HOST_SIGTERM))
  public static let childEnded = Signal(rawValue: Int32(HOST_SIGCHLD))
  public static let windowChanged = Signal(rawValue: Int32(HOST_SIGWINCH))
}
