/// How far a transaction has come that was given to ``LightClient/broadcast(_:)``: counts of
/// peers, by address. A peer's word is a hint, no proof: it may fetch and forget.
public struct RelayState: Equatable, Sendable {
  /// Peers that asked for it, by `getdata`.
  public var fetchedBy = 0
  /// Peers that gave it when they were asked for it: it is in their mempool or their last block.
  public var returnedBy = 0
  /// Peers that have it: they gave it, or fetched it and answered a later message, so that it has
  /// arrived.
  public var takenBy = 0

  public init() {}
}
