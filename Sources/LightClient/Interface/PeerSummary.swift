/// The state of one connection, for status displays.
public struct PeerSummary: Equatable, Sendable {
  public var id: PeerId
  public var address: PeerAddress
  /// Whether the handshake is done.
  public var isReady: Bool
  public var servesFilters: Bool
  /// The highest block of the best chain that this peer is known to have.
  public var height: UInt32
  /// Round-trip time of the last ping; nil before the first pong.
  public var latencyMs: UInt64?
  public var userAgent: [UInt8]
}
