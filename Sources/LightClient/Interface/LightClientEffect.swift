import Bitcoin
import Bytes

/// What the driver is to do, in the order given.
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
  /// Headers and filter headers below this height are no longer needed. `workBefore` is the work
  /// of the chain below it, which ``LightClientState`` wants back.
  case dropHeaders(belowHeight: UInt32, workBefore: ChainWork)
  /// Replace what is stored of peers; ``LightClientState`` wants it back.
  case storePeers([KnownPeer])
  /// Look these names up, and call `addressesFound` with what they resolve to.
  case lookUpSeeds([[UInt8]])
  case event(LightClientEvent)
}

/// Why the client closes a connection.
public enum DisconnectReason: Equatable, Sendable {
  case misbehaved(Misbehaviour)
  case handshakeTimeout
  case pingTimeout
  /// It did not deliver what it was asked for, and others are there.
  case stalled
  /// It lacks witness data or filters and its place is wanted.
  case unsuitable
  case selfConnection
  case tooManyPeers

  /// Whether dialling the same address again at once leads nowhere.
  public var isLasting: Bool {
    switch self {
    case .misbehaved, .unsuitable, .selfConnection: return true
    case .handshakeTimeout, .pingTimeout, .stalled, .tooManyPeers: return false
    }
  }

  public var message: String {
    switch self {
    case .misbehaved(let what): return what.message
    case .handshakeTimeout: return "no handshake in time"
    case .pingTimeout: return "no pong in time"
    case .stalled: return "did not deliver what was asked for"
    case .unsuitable: return "lacks the services that are needed"
    case .selfConnection: return "a connection to itself"
    case .tooManyPeers: return "enough peers are connected"
    }
  }
}
