/// The bounds and times of a session. Both ends need the same `rekeyInterval` and `streams`; all
/// else is each end's own matter.
public struct SessionLimits: Sendable {
  /// Streams that the peer may have open at a time, and as many that this end may.
  public var streams = 256
  /// Bytes that wait on one stream for the peer's credit or the transport.
  public var queuedBytes = 128 * 1024
  /// Bytes of control messages that wait for the transport.
  public var queuedControlBytes = 256 * 1024
  /// Credit that one stream may have outstanding, either way.
  public var credit = 16 * 1024 * 1024
  /// The payload of the frames that this end makes, at most 65514.
  public var framePayload = 16 * 1024
  /// What one `.transmit` holds, about.
  public var transmitBytes = 64 * 1024
  /// Messages for which a key serves.
  public var rekeyInterval: UInt64 = 1 << 16
  public var handshakeTimeoutMs: UInt64 = 20_000
  /// Silence after which the peer is asked for a sign of life.
  public var keepAliveMs: UInt64 = 15_000
  /// Silence after which the session fails.
  public var idleTimeoutMs: UInt64 = 45_000

  /// The longest control message.
  public static let controlBytes = 64 * 1024

  public init() {}
}
