import Bitcoin
import Bytes

/// The light client: a set of state machines without I/O.
///
/// The driver dials, moves bytes and keeps time; after every call it takes all effects with
/// ``nextEffect()``. Randomness comes from a seed, so a run can be repeated.
///
/// - Bitcoin P2P v1; BIP130 (sendheaders), BIP133 (feefilter), BIP155 (addrv2), BIP157 and BIP158
///   (filters), BIP325 (signets), BIP339 (wtxidrelay).
public struct LightClient {
  public let network: Network
  public let configuration: LightClientConfiguration

  /// - Parameters:
  ///   - state: what an earlier run stored; damage that shows is answered by starting afresh from
  ///     the last sound header.
  ///   - seed: randomness for nonces and jitter.
  ///   - nowMs: the monotonic clock.
  public init(
    network: Network, configuration: LightClientConfiguration, state: LightClientState,
    seed: UInt64, nowMs: UInt64, unixSeconds: UInt64
  ) {
    self.network = network
    self.configuration = configuration
  }

  // MARK: What happened

  /// A connection that ``LightClientEffect/connect(_:)`` asked for stands.
  public mutating func peerConnected(
    _ id: PeerId, address: PeerAddress, nowMs: UInt64, unixSeconds: UInt64
  ) {}

  /// Dialling failed or took too long.
  public mutating func connectFailed(
    _ address: PeerAddress, nowMs: UInt64, unixSeconds: UInt64
  ) {}

  /// Bytes came from a peer, in any portions.
  public mutating func received(
    _ bytes: [UInt8], from id: PeerId, nowMs: UInt64, unixSeconds: UInt64
  ) {}

  /// The connection ended without this client asking for it.
  public mutating func peerDisconnected(_ id: PeerId, nowMs: UInt64, unixSeconds: UInt64) {}

  /// The time set by ``LightClientEffect/setTimer(atMs:)`` has come. Earlier or later does no harm.
  public mutating func timerFired(nowMs: UInt64, unixSeconds: UInt64) {}

  // MARK: What is wanted

  /// Looks for `script` in all blocks from `fromHeight` on, spent or paid. Heights already scanned
  /// are scanned again for it; heights that are no longer kept are not.
  public mutating func watch(_ script: [UInt8], fromHeight: UInt32) {}

  public mutating func unwatch(_ script: [UInt8]) {}

  /// Relays the transaction to all peers (at least two when there are), again and again until it is
  /// confirmed or ``forget(_:)`` is called, reorganisations included.
  public mutating func broadcast(_ transaction: Transaction) {}

  public mutating func forget(_ txid: Bytes32) {}

  // MARK: What is known

  /// The height of the best chain.
  public var tipHeight: UInt32 { 0 }
  public var tipHash: Bytes32 { network.genesis.hash }
  /// All blocks up to here were looked through for every watched script.
  public var scannedHeight: UInt32 { 0 }
  /// On a signet, the height whose signature proves the chain below it; elsewhere the tip.
  public var authenticatedHeight: UInt32 { 0 }
  /// Level with every peer, filters matched up to the tip, at least one peer connected.
  public var isSynced: Bool { false }
  /// The lowest height whose header is still kept.
  public var baseHeight: UInt32 { 0 }
  /// Nil above the tip and below the kept window.
  public func header(at height: UInt32) -> BlockHeader? { nil }
  public func blockHash(at height: UInt32) -> Bytes32? { nil }
  /// Seconds since 1970: the median of the tip's and its ten ancestors' times, which time locks
  /// are held against (BIP113).
  public var medianTimePast: UInt32 { 0 }
  /// The least fee rate that all peers relay, in sat per 1000 virtual bytes (BIP133).
  public var feeRateFloorSatPerKvB: UInt64 { 1000 }
  public var peers: [PeerSummary] { [] }

  /// The next thing for the driver to do; nil when there is nothing more.
  public mutating func nextEffect() -> LightClientEffect? { nil }
}
