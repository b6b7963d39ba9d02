import Bitcoin
import Bytes
import Host
import LightClient
import Storage

/// The driver of the light client: sockets of a ``Reactor``, the clock, and the chain cache on
/// disk. The agent and the publisher's programs follow the chain only through this class.
///
/// Pass every event of the reactor to ``handle(_:)``, then call ``nextEvent()`` until it is nil.
public final class ChainFollower {
  /// A peer given by name: dialled here, because the light client only takes addresses.
  private struct NamedPeer {
    let host: String
    let port: UInt16
    var connection: ConnectionId?
    var retryAtMs: UInt64
    var failures: UInt64
  }

  private struct Link {
    let peer: PeerId
    let connection: ConnectionId
    /// The address that the client asked to dial; nil for a named peer.
    let dialled: PeerAddress?
    var isOpen: Bool
  }

  public private(set) var client: LightClient
  private let reactor: Reactor
  private let cache: ChainCache
  private let timerToken: UInt64
  private var links: [Link] = []
  private var named: [NamedPeer] = []
  /// Seed look-ups in progress.
  private var lookUps: [ConnectionId] = []
  private var events: [LightClientEvent] = []
  private var nextPeer: UInt32 = 1
  /// The first disk error. The cache holds only data that peers can provide again.
  public private(set) var storageFault: StorageError?
  /// The disk was full: nothing more is stored, and the next start fetches the rest again.
  public private(set) var cacheIsFull = false
  private var lastFailure: String?

  /// - Parameters:
  ///   - peers: host and port; names are resolved, port 0 is the network's default.
  ///   - timerToken: a timer of `reactor` that is used for nothing else.
  public init(
    network: Network, configuration: LightClientConfiguration,
    peers: [(host: String, port: UInt16)], cache: ChainCache, reactor: Reactor, timerToken: UInt64
  ) {
    self.reactor = reactor
    self.cache = cache
    self.timerToken = timerToken
    let nowMs = Clock.monotonicMs()
    var configuration = configuration
    for (host, port) in peers {
      let port = port == 0 ? network.defaultPort : port
      let numeric = host.utf8.contains(0x3a) ? "[" + host + "]" : host
      if let address = PeerAddress(text: numeric, defaultPort: port) {
        configuration.peers.append(address)
      } else {
        named.append(NamedPeer(host: host, port: port, retryAtMs: nowMs, failures: 0))
      }
    }
    var fault: StorageError?
    do throws(StorageError) { try ChainFollower.claim(cache, for: network) } catch { fault = error }
    client = LightClient(
      network: network, configuration: configuration,
      state: fault == nil ? ChainFollower.load(cache) : .fresh,
      seed: Entropy.u64(), nowMs: nowMs, unixSeconds: Clock.unixSeconds())
    if let fault { note(fault) }
  }

  /// Clears a cache of another network: its owner now follows this one. Two signets with different
  /// signers have the same genesis block, so headers alone do not show the difference.
  private static func claim(_ cache: ChainCache, for network: Network) throws(StorageError) {
    let values = cache.values(space: ChainFollower.peerSpace)
    let identity = network.identity.array
    if try values.get(ChainFollower.networkKey) == identity { return }
    _ = cache.takeLoaded()
    try cache.transaction { () throws(StorageError) in
      try cache.headers.truncate(fromHeight: 0)
      try values.remove(ChainFollower.peerKey)
      try values.put(ChainFollower.networkKey, identity)
    }
  }

  private static func load(_ cache: ChainCache) -> LightClientState {
    var fresh = LightClientState.fresh
    if let bytes = try? cache.values(space: ChainFollower.peerSpace).get(ChainFollower.peerKey) {
      fresh.peers = KnownPeer.decode(bytes)
    }
    guard let stored = cache.takeLoaded() ?? (try? cache.headers.load()),
      let work = Bytes32(exactly: stored.workBefore)
    else { return fresh }
    var headers: [BlockHeader] = []
    headers.reserveCapacity(stored.headerCount)
    var reader = ByteReader(stored.headers)
    while let header = try? BlockHeader.decode(&reader) { headers.append(header) }
    return LightClientState(
      baseHeight: stored.baseHeight, workBefore: ChainWork(bigEndian: work), headers: headers,
      filterHeaders: stored.filterHeaders, peers: fresh.peers)
  }

  /// Delay before a name is dialled again after its peer was rejected: it may resolve to another
  /// peer.
  private static let lastingMs: UInt64 = 60_000

  /// The cache's namespace and key of the known peers.
  private static let peerSpace: UInt32 = 2
  private static let peerKey: [UInt8] = [0x70]
  /// The key of the network to which the cache belongs (``Network/identity``).
  private static let networkKey: [UInt8] = [0x6e]

  /// Starts dialling.
  public func start() {
    client.timerFired(nowMs: Clock.monotonicMs(), unixSeconds: Clock.unixSeconds())
    dialNamed()
    carryOut()
  }

  // MARK: Requests

  public func watch(_ script: [UInt8], fromHeight: UInt32) {
    client.watch(script, fromHeight: fromHeight)
    carryOut()
  }

  public func unwatch(_ script: [UInt8]) {
    client.unwatch(script)
    carryOut()
  }

  public func broadcast(_ transaction: Transaction) {
    client.broadcast(transaction)
    carryOut()
  }

  /// Relays a transaction that another party made (``LightClient/follow(_:)``).
  public func follow(_ transaction: Transaction) {
    client.follow(transaction)
    carryOut()
  }

  /// Asks all peers again for a transaction that is being relayed (``LightClient/probe(_:)``).
  public func probe(_ txid: Bytes32) {
    client.probe(txid)
    carryOut()
  }

  /// What peers did with a transaction that is being relayed; nil for any other.
  public func relayState(_ txid: Bytes32) -> RelayState? { client.relayState(txid) }

  /// Whether this program may stop as far as this transaction is concerned
  /// (``LightClient/isDelivered(_:)``). Callers that wait for this need a time limit: peers may
  /// never accept it.
  public func isDelivered(_ txid: Bytes32) -> Bool { client.isDelivered(txid) }

  /// An output that the caller stored in an earlier run (``LightClient/recall(_:script:)``).
  public func recall(_ outPoint: OutPoint, script: [UInt8]) {
    client.recall(outPoint, script: script)
  }

  public func forget(_ txid: Bytes32) {
    client.forget(txid)
    carryOut()
  }

  /// The next event of the client, oldest first.
  public func nextEvent() -> LightClientEvent? {
    events.isEmpty ? nil : events.removeFirst()
  }

  // MARK: Events

  /// True if the event belongs to this follower.
  public func handle(_ event: ReactorEvent) -> Bool {
    let nowMs = Clock.monotonicMs()
    let seconds = Clock.unixSeconds()
    switch event {
    case .timerFired(let token):
      if token != timerToken { return false }
      client.timerFired(nowMs: nowMs, unixSeconds: seconds)
      dialNamed()
    case .connected(let connection, let remote):
      return connected(connection, remote, nowMs: nowMs, unixSeconds: seconds)
    case .received(let connection, let bytes):
      if lookUps.contains(connection) {
        client.addressesFound(
          ChainFollower.peers(in: bytes), nowMs: nowMs, unixSeconds: seconds)
        carryOut()
        return true
      }
      guard let index = place(connection) else { return false }
      client.received(bytes, from: links[index].peer, nowMs: nowMs, unixSeconds: seconds)
    case .closed(let connection, let reason):
      note(reason, connection)
      return closed(connection, nowMs: nowMs, unixSeconds: seconds)
    case .drained(let connection):
      return place(connection) != nil
    case .accepted, .descriptorReadable, .descriptorWritable, .signal: return false
    }
    carryOut()
    return true
  }

  private func connected(
    _ connection: ConnectionId, _ remote: SocketAddress, nowMs: UInt64, unixSeconds: UInt64
  ) -> Bool {
    if let index = place(connection) {
      links[index].isOpen = true
      if let address = links[index].dialled {
        client.peerConnected(
          links[index].peer, address: address, nowMs: nowMs, unixSeconds: unixSeconds)
      }
      carryOut()
      return true
    }
    guard let index = named.firstIndex(where: { $0.connection == connection }) else { return false }
    named[index].failures = 0
    let numeric = remote.host.utf8.contains(0x3a) ? "[" + remote.host + "]" : remote.host
    guard let address = PeerAddress(text: numeric, defaultPort: remote.port) else {
      reactor.close(connection)
      named[index].connection = nil
      return true
    }
    let peer = takePeer()
    links.append(Link(peer: peer, connection: connection, dialled: nil, isOpen: true))
    client.peerConnected(peer, address: address, nowMs: nowMs, unixSeconds: unixSeconds)
    carryOut()
    return true
  }

  /// Why the last connection attempt failed, once; nil without a new failure.
  public func takeFailure() -> String? {
    let failure = lastFailure
    lastFailure = nil
    return failure
  }

  /// Stores the reason with the peer's name, which most reasons contain already.
  private func note(_ reason: CloseReason, _ connection: ConnectionId) {
    if let index = place(connection) {
      if let address = links[index].dialled, !links[index].isOpen {
        if case .failed = reason {
          lastFailure = reason.message
        } else {
          lastFailure = address.text + ": " + reason.message
        }
      }
    } else if let peer = named.first(where: { $0.connection == connection }) {
      if case .failed(.unknownHost) = reason {
        lastFailure = reason.message
      } else {
        lastFailure = peer.host + ": " + reason.message
      }
    }
  }

  private func closed(
    _ connection: ConnectionId, nowMs: UInt64, unixSeconds: UInt64
  ) -> Bool {
    if let index = lookUps.firstIndex(of: connection) {
      lookUps.remove(at: index)
      return true
    }
    let isNamed = releaseNamed(connection, nowMs: nowMs)
    guard let index = place(connection) else { return isNamed }
    let link = links.remove(at: index)
    if link.isOpen {
      client.peerDisconnected(link.peer, nowMs: nowMs, unixSeconds: unixSeconds)
    } else if let address = link.dialled {
      client.connectFailed(address, nowMs: nowMs, unixSeconds: unixSeconds)
    }
    carryOut()
    return true
  }

  // MARK: Named peers

  /// Seconds between attempts: 1, 2, 4 … 64.
  private func releaseNamed(
    _ connection: ConnectionId, nowMs: UInt64, waitMs: UInt64 = 0
  ) -> Bool {
    guard let index = named.firstIndex(where: { $0.connection == connection }) else { return false }
    named[index].connection = nil
    named[index].retryAtMs = nowMs + max(waitMs, 1000 << min(named[index].failures, 6))
    named[index].failures += 1
    return true
  }

  private func dialNamed() {
    let nowMs = Clock.monotonicMs()
    for index in named.indices where named[index].connection == nil {
      if named[index].retryAtMs > nowMs { continue }
      named[index].connection = reactor.connect(
        to: .tcp(host: named[index].host, port: named[index].port))
    }
  }

  // MARK: Effects

  private func takePeer() -> PeerId {
    nextPeer += 1
    return PeerId(nextPeer - 1)
  }

  private func place(_ connection: ConnectionId) -> Int? {
    links.firstIndex { $0.connection == connection }
  }

  private func carryOut() {
    while let effect = client.nextEffect() { carryOut(effect) }
  }

  private func carryOut(_ effect: LightClientEffect) {
    switch effect {
    case .connect(let address):
      let host = Array(address.text.utf8)
      guard let endpoint = try? Endpoint(parsing: String(decoding: host, as: UTF8.self)) else {
        return
      }
      let connection = reactor.connect(to: endpoint)
      links.append(
        Link(peer: takePeer(), connection: connection, dialled: address, isOpen: false))
    case .disconnect(let peer, let reason):
      guard let index = links.firstIndex(where: { $0.peer == peer }) else { return }
      let link = links.remove(at: index)
      _ = releaseNamed(
        link.connection, nowMs: Clock.monotonicMs(),
        waitMs: reason.isLasting ? ChainFollower.lastingMs : 0)
      reactor.finish(link.connection)
    case .send(let peer, let bytes):
      guard let index = links.firstIndex(where: { $0.peer == peer }) else { return }
      reactor.send(links[index].connection, bytes)
    case .setTimer(let atMs): reactor.setTimer(timerToken, atMs: nextWake(atMs))
    case .storeHeaders(let fromHeight, let headers, let workBefore):
      store { () throws(StorageError) in
        var writer = ByteWriter(reserving: BlockHeader.byteCount * headers.count)
        for header in headers { header.encode(to: &writer) }
        try cache.headers.store(
          fromHeight: fromHeight, writer.bytes, workBefore: workBefore.bigEndianBytes.array)
      }
    case .storeFilterHeaders(let fromHeight, let filterHeaders):
      store { () throws(StorageError) in
        try cache.headers.storeFilterHeaders(fromHeight: fromHeight, filterHeaders)
      }
    case .dropHeaders(let belowHeight, let workBefore):
      store { () throws(StorageError) in
        try cache.headers.drop(
          belowHeight: belowHeight, workBefore: workBefore.bigEndianBytes.array)
      }
    case .storePeers(let peers):
      store { () throws(StorageError) in
        try cache.values(space: ChainFollower.peerSpace).put(
          ChainFollower.peerKey, KnownPeer.encode(peers))
      }
    case .lookUpSeeds(let names):
      if !lookUps.isEmpty { return }
      for name in names {
        lookUps.append(
          reactor.lookUp(
            String(decoding: name, as: UTF8.self), port: client.network.defaultPort))
      }
    case .event(let event): events.append(event)
    }
  }

  private static func peers(in answer: [UInt8]) -> [PeerAddress] {
    var peers: [PeerAddress] = []
    for address in Reactor.addresses(in: answer) {
      let ip = address.ipv6Bytes
      let isIpv4 = ip[0..<10].allSatisfy { $0 == 0 } && ip[10] == 0xff && ip[11] == 0xff
      if let peer = PeerAddress(ip: isIpv4 ? Array(ip[12...]) : ip, port: address.port) {
        peers.append(peer)
      }
    }
    return peers
  }

  /// The client's next wake-up, or an earlier one for a named peer.
  private func nextWake(_ atMs: UInt64) -> UInt64 {
    var earliest = atMs
    for peer in named where peer.connection == nil { earliest = min(earliest, peer.retryAtMs) }
    return earliest
  }

  private func store(_ body: () throws(StorageError) -> Void) {
    if cacheIsFull || storageFault != nil { return }
    do { try body() } catch { note(error) }
  }

  private func note(_ error: StorageError) {
    if error.isFull { cacheIsFull = true } else { storageFault = error }
  }
}
