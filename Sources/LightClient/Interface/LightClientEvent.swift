import Bitcoin
import Bytes

/// What the client reports. Events that concern money are emitted only for authenticated blocks: on
/// a signet, below a tip whose solution was verified.
public enum LightClientEvent: Equatable, Sendable {
  /// The best chain has a new tip. After a reorganisation, ``blocksDisconnected`` came before.
  case tipChanged(height: UInt32, hash: Bytes32)
  /// The client has the same tip as its peers, and every watched script was searched for up to it.
  /// Emitted each time this becomes true.
  case synced(height: UInt32)
  /// A block that touches a watched script: complete, and checked against its header. In the order
  /// of heights; once for each chain, and again when a script watched later causes a rescan.
  case blockMatched(height: UInt32, block: Block)
  /// Every watched script was searched for up to and including this height, and all matches were
  /// emitted.
  case blockScanned(height: UInt32)
  /// Blocks above `toHeight`, up to and including `fromHeight`, left the best chain.
  case blocksDisconnected(fromHeight: UInt32, toHeight: UInt32)
  /// An unconfirmed transaction that touches a watched script. Nothing about it is proven: its
  /// signatures may be invalid and its inputs may not exist.
  case transactionSeen(Transaction)
  /// A transaction given to ``LightClient/broadcast(_:)`` is in a block of the best chain.
  case transactionConfirmed(txid: Bytes32, height: UInt32)
  /// Another transaction in a block of the best chain spent an input of a broadcast one. The
  /// broadcast one is no longer announced, unless that block is disconnected.
  case transactionConflicted(txid: Bytes32, by: Bytes32, height: UInt32)
  /// Two peers have a broadcast transaction, or all where there are fewer; `peers` is their number
  /// so far (``RelayState/takenBy``). Emitted again when another peer has it or has returned it.
  case transactionRelayed(txid: Bytes32, peers: Int)
  /// A peer completed the handshake. Without filters it still serves headers and relays.
  case peerReady(PeerId, PeerAddress, servesFilters: Bool)
  /// A peer broke a rule; it is not dialled again before `bannedUntil` (seconds since 1970).
  case peerMisbehaved(PeerAddress, Misbehaviour, bannedUntil: UInt64)
  /// No progress is possible at the moment, and why. Emitted once until something changes.
  case stalled(StallReason)
}

/// What a peer did that no honest peer does.
public enum Misbehaviour: Equatable, Sendable {
  case malformedMessage(BitcoinError)
  case invalidHeader(BitcoinError)
  case invalidBlock
  case invalidSignetSolution(BitcoinError)
  case invalidFilter
  case filterHeadersConflict
  case filterHeadersMalformed
  case protocolOrder
  case flood

  public var message: String {
    switch self {
    case .malformedMessage(let error): return "malformed message: " + error.message
    case .invalidHeader(let error): return "invalid header: " + error.message
    case .invalidBlock: return "a block that does not fit its header"
    case .invalidSignetSolution(let error): return "signet solution: " + error.message
    case .invalidFilter: return "a filter that does not match its filter header"
    case .filterHeadersConflict: return "a filter header that the block disproves"
    case .filterHeadersMalformed: return "filter headers that do not answer the request"
    case .protocolOrder: return "messages in an order that the protocol does not allow"
    case .flood: return "far more messages than were requested"
    }
  }
}

/// Why nothing moves.
public enum StallReason: Equatable, Sendable {
  /// No peer is connected.
  case noPeers
  /// Peers are connected, and none serves BIP157 filters.
  case noFilters
  /// The peers' chains have less work than the one known here.
  case peersBehind
  /// Headers are more than two hours ahead of this host's clock.
  case clockBehind
  /// A reorganisation goes deeper than the headers that are kept.
  case reorganisationTooDeep
  /// No peer gives a block that is needed.
  case blockUnavailable(height: UInt32)

  public var message: String {
    switch self {
    case .noPeers: return "no peer can be reached"
    case .noFilters: return "no peer serves compact filters (-peerblockfilters=1 on Bitcoin Core)"
    case .peersBehind: return "all peers follow a chain with less work than the known one"
    case .clockBehind: return "headers are more than two hours ahead of this host: check its clock"
    case .reorganisationTooDeep:
      return "a chain with more work forks below the kept headers: check which is right, then "
        + "delete the chain data"
    case .blockUnavailable(let height): return "no peer serves block " + String(height)
    }
  }
}
