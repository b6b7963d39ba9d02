/// How far a ``LightClient`` has synchronised, for progress displays.
public struct SyncProgress: Equatable, Sendable {
  /// Headers are known up to here.
  public var tipHeight: UInt32
  /// Filter headers are known up to here; nil before the first.
  public var filterHeight: UInt32?
  /// Blocks were searched for every watched script up to here.
  public var scannedHeight: UInt32
  public var readyPeers: Int
  /// A block whose filter matched has not arrived yet.
  public var isWaitingForBlock: Bool
  /// All peers with filters were asked for their filter headers, and none differs.
  public var isCrossChecked: Bool
}
