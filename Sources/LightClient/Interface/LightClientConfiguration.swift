import Bitcoin

/// The light client's settings. The defaults suit an agent with little memory.
public struct LightClientConfiguration: Equatable, Sendable {
  /// Peers from the configuration file; they are dialled first, and redialled without end.
  public var peers: [PeerAddress] = []
  /// Whether addresses from other peers may be dialled too.
  public var usesGossip = false
  /// Number of connections to maintain, 1 to 16.
  public var targetPeers = 4
  /// Headers kept in RAM below the tip, at least 2,200 (a retarget period and some).
  public var windowHeaders = 10_000
  /// Filters per request, 1 to 1,000. Each filter is matched as it arrives.
  public var filterBatch = 500
  /// Blocks requested at one time: each may be 4 MB.
  public var maxBlocksInFlight = 2
  /// Whether unconfirmed transactions of others are fetched and checked. Nil: only where that is
  /// cheap (``watchesMempool(on:)``). Otherwise peers are asked to announce none, and a transaction
  /// that touches a watched script is reported when its block arrives. Own transactions are relayed
  /// either way.
  public var watchesMempool: Bool?
  /// Most transactions requested per second while the mempool is watched.
  public var mempoolPerSecond = 50
  /// The user agent in `version` messages, ASCII (BIP14).
  public var userAgent: [UInt8] = Array("/zennet:0.1/".utf8)

  public init() {}

  /// Whether the network has so few transactions that all can be fetched: custom signets and
  /// regtest do. On the others this would transfer hundreds of megabytes a day.
  public static func watchesMempool(on network: Network) -> Bool {
    switch network.rules {
    case .regtest: return true
    case .signet: return network.signetChallenge != Network.signet.signetChallenge
    case .testnet4, .bitcoin: return false
    }
  }
}
