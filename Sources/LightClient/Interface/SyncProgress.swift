/// How far a ``LightClient`` has come, for people who wait for it.
public struct SyncProgress: Equatable, Sendable {
  /// Headers are known up to here.
  public var tipHeight: UInt32
  /// Filter headers too; nil before the first.
  public var filterHeight: UInt32?
  /// Blocks were looked through for every watched script up to here.
  public var scannedHeight: UInt32
  public var readyPeers: Int
  /// A block whose filter matched has not come yet.
  public var isWaitingForBlock: Bool
  /// All peers with filters were heard about them, and none differs.
  public var isCrossChecked: Bool
}
