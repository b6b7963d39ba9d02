import Bytes
import LightClient

/// The chain data that the wallet needs.
public protocol WalletChain {
  var tipHeight: UInt32 { get }
  /// The lowest height whose hash is still kept.
  var baseHeight: UInt32 { get }
  /// Blocks were searched for every watched script up to here.
  var scannedHeight: UInt32 { get }
  /// The current fee rate.
  var feeRateSatPerKvB: UInt64 { get }
  func blockHash(at height: UInt32) -> Bytes32?
  /// Seconds since 1970.
  func time(at height: UInt32) -> UInt32?
}

extension LightClient: WalletChain {}

/// Chain data for callers without a light client.
public struct WalletChainView: WalletChain {
  public var tipHeight: UInt32
  public var baseHeight: UInt32
  public var scannedHeight: UInt32
  public var feeRateSatPerKvB: UInt64
  private let hash: (UInt32) -> Bytes32?

  public init(
    tipHeight: UInt32, baseHeight: UInt32, scannedHeight: UInt32, feeRateSatPerKvB: UInt64,
    blockHash: @escaping (UInt32) -> Bytes32?
  ) {
    self.tipHeight = tipHeight
    self.baseHeight = baseHeight
    self.scannedHeight = scannedHeight
    self.feeRateSatPerKvB = feeRateSatPerKvB
    hash = blockHash
  }

  public func blockHash(at height: UInt32) -> Bytes32? { hash(height) }
  /// Not available here: set a missing birth height with ``WalletOwner/setBirth(_:)``.
  public func time(at height: UInt32) -> UInt32? { nil }
}
