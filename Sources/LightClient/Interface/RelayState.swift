/// How far a transaction given to ``LightClient/broadcast(_:)`` has spread: numbers of peers, by
/// address. A hint, not a proof: a peer may fetch a transaction and discard it.
public struct RelayState: Equatable, Sendable {
  /// Peers that asked for it, by `getdata`.
  public var fetchedBy = 0
  /// Peers that returned it on request: it is in their mempool or their last block.
  public var returnedBy = 0
  /// Peers that have it: they returned it, or fetched it and answered a later message, which proves
  /// that it arrived.
  public var takenBy = 0

  public init() {}
}
