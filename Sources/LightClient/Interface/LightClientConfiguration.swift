import Bitcoin

/// What an owner may choose about the light client. The defaults suit an agent with little memory.
public struct LightClientConfiguration: Equatable, Sendable {
  /// Peers from the configuration file; they are dialled first and for ever.
  public var peers: [PeerAddress] = []
  /// Whether addresses that peers tell may be dialled too.
  public var usesGossip = false
  /// Connections that the client tries to keep, 1 to 16.
  public var targetPeers = 4
  /// Headers kept in RAM below the tip, at least 2,200 (a retarget period and some).
  public var windowHeaders = 10_000
  /// Filters asked for in one request, 1 to 1,000. The answer is matched as it arrives.
  public var filterBatch = 500
  /// Blocks on their way at one time: each may be 4 MB.
  public var maxBlocksInFlight = 2
  /// Whether transactions of others are looked at before they are in a block. Nil: where that is
  /// cheap (``watchesMempool(on:)``). Elsewhere peers are asked not to announce any; what concerns
  /// a watched script is then told by its block alone. Own transactions are relayed either way.
  public var watchesMempool: Bool?
  /// Transactions asked for in a second, at most, while the mempool is watched.
  public var mempoolPerSecond = 50
  /// What `version` messages say, in ASCII (BIP14).
  public var userAgent: [UInt8] = Array("/zennet:0.1/".utf8)

  public init() {}

  /// Whether the network is so quiet that everybody's transactions can be looked at: custom signets
  /// and regtest are. On the others that would move hundreds of megabytes a day.
  public static func watchesMempool(on network: Network) -> Bool {
    switch network.rules {
    case .regtest: return true
    case .signet: return network.signetChallenge != Network.signet.signetChallenge
    case .testnet4, .bitcoin: return false
    }
  }
}
