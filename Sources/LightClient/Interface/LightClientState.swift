import Bitcoin
import Bytes

/// What the driver stored in an earlier run: the end of the header chain. Everything is checked
/// again except the work below it.
public struct LightClientState: Equatable, Sendable {
  /// The height of the first header.
  public var baseHeight: UInt32
  /// The work of the chain below `baseHeight`.
  public var workBefore: ChainWork
  /// Consecutive headers from `baseHeight` on. Empty for a fresh start.
  public var headers: [BlockHeader]
  /// Filter headers (BIP157) for the same heights, possibly fewer.
  public var filterHeaders: [Bytes32]
  /// Banned addresses, and ones that served well.
  public var peers: [KnownPeer]

  public init(
    baseHeight: UInt32, workBefore: ChainWork, headers: [BlockHeader], filterHeaders: [Bytes32],
    peers: [KnownPeer] = []
  ) {
    self.baseHeight = baseHeight
    self.workBefore = workBefore
    self.headers = headers
    self.filterHeaders = filterHeaders
    self.peers = peers
  }

  /// The state of a first start.
  public static var fresh: LightClientState {
    LightClientState(baseHeight: 0, workBefore: .zero, headers: [], filterHeaders: [])
  }
}
