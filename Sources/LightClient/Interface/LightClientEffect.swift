import Bitcoin
import Bytes

/// What the driver must do, in the order given.
public enum LightClientEffect: Equatable, Sendable {
  /// Dial, then call `peerConnected` or `connectFailed`.
  case connect(PeerAddress)
  /// Close the connection; `peerDisconnected` need not be called for it.
  case disconnect(PeerId, DisconnectReason)
  case send(PeerId, [UInt8])
  /// Call `timerFired` at this time of the monotonic clock; replaces the time set before.
  case setTimer(atMs: UInt64)
  /// Store headers from `fromHeight` on, replacing whatever is stored at and above that height,
  /// filter headers included. `workBefore` is the work of the chain below `fromHeight`.
  case storeHeaders(fromHeight: UInt32, [BlockHeader], workBefore: ChainWork)
  /// Store filter headers from `fromHeight` on, replacing what is stored at and above.
  case storeFilterHeaders(fromHeight: UInt32, [Bytes32])
  /// Headers and filter headers below this height are no longer needed. `workBefore` is the work of
  /// the chain below it; the driver stores it for ``LightClientState``.
  case dropHeaders(belowHeight: UInt32, workBefore: ChainWork)
  /// Replace what is stored about peers; ``LightClientState`` passes it in at the next start.
  case storePeers([KnownPeer])
  /// Resolve these names, and call `addressesFound` with the results.
  case lookUpSeeds([[UInt8]])
  case event(LightClientEvent)
}

/// Why the client closes a connection.
public enum DisconnectReason: Equatable, Sendable {
  case misbehaved(Misbehaviour)
  case handshakeTimeout
  case pingTimeout
  /// It did not deliver what was requested, and other peers are available.
  case stalled
  /// It lacks witness data or filters, and its place is needed.
  case unsuitable
  case selfConnection
  case tooManyPeers

  /// Whether dialling the same address again at once is useless.
  public var isLasting: Bool {
    switch self {
    case .misbehaved, .unsuitable, .selfConnection: return true
    case .handshakeTimeout, .pingTimeout, .stalled, .tooManyPeers: return false
    }
  }

  public var message: String {
    switch self {
    case .misbehaved(let what): return what.message
    case .handshakeTimeout: return "handshake timed out"
    case .pingTimeout: return "ping timed out"
    case .stalled: return "did not deliver requested data"
    case .unsuitable: return "lacks required services"
    case .selfConnection: return "a connection to itself"
    case .tooManyPeers: return "enough peers are connected"
    }
  }
}
