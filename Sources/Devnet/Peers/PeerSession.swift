import Bitcoin
import Bytes

/// A request of a ``PeerSession`` to the node.
enum PeerEffect {
  case send(PeerMessage)
  /// Check this transaction and relay it.
  case submit(Transaction)
  /// Disconnect the peer; the reason is for the log.
  case disconnect(reason: String)
}

/// The parts of the node that a session reads.
struct PeerView {
  let chain: Chain
  let mempool: Mempool
  /// Seconds since 1970.
  let unixSeconds: UInt64
}

/// One peer's connection, without I/O: version handshake, keep-alive, and pending answers. Requests
/// and answers follow Bitcoin Core's `net_processing.cpp`. Where Core would ignore a malformed
/// message, this node disconnects, so that mistakes of a client under development are visible.
struct PeerSession {
  struct Options: Sendable {
    /// The network's magic in wire order.
    var magic = Network.regtest.magic
    /// Detects a connection to itself; random.
    var nonce: UInt64 = 0
    var userAgent = "/zennet-devnet:0.1/"
    /// The `feefilter` value: the minimum fee rate of announced transactions.
    var minimumFeeSatPerKvB: UInt64 = 100
  }

  /// Time limit for `version` and `verack`.
  static let handshakeMs: UInt64 = 60_000
  /// The interval between pings, and the time limit for pongs.
  static let pingMs: UInt64 = 120_000
  static let pongMs: UInt64 = 1_200_000
  /// The least protocol version of a peer (Bitcoin Core's MIN_PEER_PROTO_VERSION).
  static let minimumVersion: UInt32 = 31_800
  /// Most pending requests for objects.
  static let maxWork = 100_000
  /// Most transactions and blocks recorded as known to the peer.
  static let maxKnown = 50_000

  let options: Options
  private var framer: MessageFramer
  private let startMs: UInt64
  private(set) var theirVersion: VersionMessage?
  private(set) var isEstablished = false
  private var lastPingMs: UInt64
  private var awaitedPong: (nonce: UInt64, sentMs: UInt64)?

  var wantsHeaders = false
  var usesWitnessIds = false
  var theirFeeFilterSatPerKvB: UInt64 = 0
  /// The best block that the peer is known to have.
  var bestKnown: Bytes32?
  var known: Set<Bytes32> = []
  /// Requested objects that are not sent yet, the next one first.
  var work = WorkQueue()

  init(options: Options, nowMs: UInt64) {
    self.options = options
    framer = MessageFramer(magic: options.magic)
    startMs = nowMs
    lastPingMs = nowMs
  }

  // MARK: Receiving

  /// Processes received bytes.
  mutating func received(_ bytes: [UInt8], view: PeerView, nowMs: UInt64) -> [PeerEffect] {
    framer.append(bytes)
    var effects: [PeerEffect] = []
    while true {
      do throws(BitcoinError) {
        guard let message = try framer.next() else { break }
        effects += handle(message, view: view, nowMs: nowMs)
        if case .disconnect = effects.last { return effects }
      } catch {
        effects.append(.disconnect(reason: "malformed message: \(error.message)"))
        return effects
      }
    }
    return effects
  }

  /// Call it at least every few seconds.
  mutating func timerFired(nowMs: UInt64) -> [PeerEffect] {
    if !isEstablished {
      let isLate = nowMs >= startMs + PeerSession.handshakeMs
      return isLate ? [.disconnect(reason: "no handshake within a minute")] : []
    }
    if let awaited = awaitedPong {
      let isLate = nowMs >= awaited.sentMs + PeerSession.pongMs
      return isLate ? [.disconnect(reason: "no pong within twenty minutes")] : []
    }
    if nowMs < lastPingMs + PeerSession.pingMs { return [] }
    lastPingMs = nowMs
    awaitedPong = (options.nonce &+ nowMs, nowMs)
    return [.send(.ping(options.nonce &+ nowMs))]
  }

  private mutating func handle(
    _ message: PeerMessage, view: PeerView, nowMs: UInt64
  ) -> [PeerEffect] {
    if case .version(let version) = message { return greet(version, view: view) }
    guard theirVersion != nil else {
      return [.disconnect(reason: "sent a message before its version message")]
    }
    switch message {
    case .verack: return establish()
    case .wtxidRelay:
      if isEstablished { return [.disconnect(reason: "wtxidrelay after verack")] }
      usesWitnessIds = true
      return []
    case .sendAddrV2:
      return isEstablished ? [.disconnect(reason: "sendaddrv2 after verack")] : []
    default:
      // As in Bitcoin Core: messages before the handshake is complete are ignored.
      return isEstablished ? serve(message, view: view) : []
    }
  }

  private mutating func greet(_ version: VersionMessage, view: PeerView) -> [PeerEffect] {
    if theirVersion != nil { return [] }
    if version.nonce == options.nonce && options.nonce != 0 {
      return [.disconnect(reason: "connected to itself")]
    }
    if version.version < PeerSession.minimumVersion {
      return [.disconnect(reason: "protocol version \(version.version) is too old")]
    }
    theirVersion = version
    let service = VersionMessage.Service.self
    let own = VersionMessage(
      services: service.network | service.witness | service.compactFilters,
      time: view.unixSeconds, nonce: options.nonce,
      userAgent: Array(options.userAgent.utf8), startHeight: view.chain.height, relay: true)
    var effects: [PeerEffect] = [.send(.version(own))]
    if version.version >= VersionMessage.protocolVersion {
      effects += [.send(.wtxidRelay), .send(.sendAddrV2)]
    }
    return effects + [.send(.verack)]
  }

  private mutating func establish() -> [PeerEffect] {
    if isEstablished { return [] }
    isEstablished = true
    return [.send(.feeFilter(options.minimumFeeSatPerKvB))]
  }

  private mutating func serve(_ message: PeerMessage, view: PeerView) -> [PeerEffect] {
    switch message {
    case .ping(let nonce): return [.send(.pong(nonce))]
    case .pong(let nonce):
      if nonce == awaitedPong?.nonce { awaitedPong = nil }
      return []
    case .sendHeaders:
      wantsHeaders = true
      return []
    case .feeFilter(let satPerKvB):
      theirFeeFilterSatPerKvB = satPerKvB
      return []
    case .mempool: return [.disconnect(reason: "requested the mempool of a node without BIP37")]
    case .getHeaders(let locator, let stop): return headers(after: locator, stop: stop, view)
    case .inv(let items): return wanted(items, view)
    case .transaction(let transaction):
      remember(usesWitnessIds ? transaction.wtxid : transaction.txid)
      return [.submit(transaction)]
    case .getData, .getFilters, .getFilterHeaders, .getFilterCheckpoints:
      return request(message, view)
    case .version, .verack, .wtxidRelay, .sendAddrV2, .headers, .notFound, .block, .getAddr, .addr,
      .addrV2, .filter, .filterHeaders, .filterCheckpoints, .unknown:
      // Blocks come only from this node, and it stores no addresses.
      return []
    }
  }

  mutating func remember(_ hash: Bytes32) {
    if known.count >= PeerSession.maxKnown { known = [] }
    known.insert(hash)
  }
}
