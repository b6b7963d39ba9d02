import Bitcoin
import Bytes
import LightClient

/// A ``LightClient`` in a ``SimulatedNetwork``, with a disk in memory and a record of its events.
/// It can be restarted from its stored state.
public final class ClientEndpoint: SimulatedEndpoint {
  public private(set) var client: LightClient
  public var id: SimulatedNetwork.EndpointId = -1
  /// The endpoint of each address.
  public var directory: [(address: PeerAddress, endpoint: SimulatedNetwork.EndpointId)] = []
  public private(set) var events: [LightClientEvent] = []
  public private(set) var disk = SimulatedDisk()
  /// The state that results from the events.
  public private(set) var ledger = ClientLedger()
  public private(set) var disconnects: [DisconnectReason] = []
  public private(set) var connects = 0
  public private(set) var dialled: [PeerAddress] = []
  /// The addresses to which seeds resolve.
  public var seeded: [PeerAddress] = []
  public private(set) var seedLookUps = 0

  /// Transactions relayed since the start, and again after each restart.
  private var own: [Transaction] = []
  /// The same for transactions of other parties.
  private var followed: [Transaction] = []
  /// The most memory that the client held at any measurement, in bytes.
  public private(set) var mostHeldBytes = 0

  private let configuration: LightClientConfiguration
  private var addresses: [SimulatedNetwork.LinkId: PeerAddress] = [:]

  public init(
    network: Network, configuration: LightClientConfiguration, seed: UInt64,
    clock: SimulatedNetwork
  ) {
    self.configuration = configuration
    client = LightClient(
      network: network, configuration: configuration, state: .fresh, seed: seed,
      nowMs: clock.nowMs, unixSeconds: clock.unixSeconds)
    ledger = ClientLedger(genesisHash: client.tipHash)
  }

  public var accepts: Bool { false }

  /// Carries out the client's initial effects.
  public func start(_ network: SimulatedNetwork) { drain(network) }

  /// Simulates a power failure: connections are lost, and only stored data is left.
  public func restart(seed: UInt64, _ network: SimulatedNetwork) {
    for link in addresses.keys.sorted() { network.close(link, from: id) }
    addresses = [:]
    client = LightClient(
      network: client.network, configuration: configuration, state: disk.state,
      seed: seed, nowMs: network.nowMs, unixSeconds: network.unixSeconds)
    let from = ledger.scannedHeight + 1
    for script in ledger.scripts { client.watch(script, fromHeight: from) }
    for transaction in own { client.broadcast(transaction) }
    for transaction in followed { client.follow(transaction) }
    ledger.restarted(client)
    drain(network)
  }

  /// Passes an output of an earlier run to the client.
  public func recall(_ outPoint: OutPoint, _ script: [UInt8]) {
    client.recall(outPoint, script: script)
  }

  /// Simulates disk damage: changes filter headers from `height` on.
  public func damageFilterHeaders(from height: Int) { disk.damageFilterHeaders(from: height) }

  public func watch(_ script: [UInt8], fromHeight: UInt32, _ network: SimulatedNetwork) {
    ledger.scripts.append(script)
    client.watch(script, fromHeight: fromHeight)
    drain(network)
  }

  public func broadcast(_ transaction: Transaction, _ network: SimulatedNetwork) {
    own.append(transaction)
    client.broadcast(transaction)
    drain(network)
  }

  public func follow(_ transaction: Transaction, _ network: SimulatedNetwork) {
    followed.append(transaction)
    client.follow(transaction)
    drain(network)
  }

  public func forget(_ txid: Bytes32, _ network: SimulatedNetwork) {
    own.removeAll { $0.txid == txid }
    followed.removeAll { $0.txid == txid }
    client.forget(txid)
    drain(network)
  }

  public func unwatch(_ script: [UInt8], _ network: SimulatedNetwork) {
    client.unwatch(script)
    drain(network)
  }

  public func probe(_ txid: Bytes32, _ network: SimulatedNetwork) {
    client.probe(txid)
    drain(network)
  }

  /// Measures the memory that the client holds: slow, because it visits every value.
  public func measure() { mostHeldBytes = max(mostHeldBytes, HeldBytes.of(client)) }

  // MARK: Events

  public func connected(
    _ link: SimulatedNetwork.LinkId, token: UInt64, _ network: SimulatedNetwork
  ) {
    let address = directory[Int(token)].address
    addresses[link] = address
    client.peerConnected(
      PeerId(link), address: address, nowMs: network.nowMs, unixSeconds: network.unixSeconds)
    drain(network)
  }

  public func accepted(_ link: SimulatedNetwork.LinkId, _ network: SimulatedNetwork) {}

  public func dialFailed(token: UInt64, _ network: SimulatedNetwork) {
    client.connectFailed(
      directory[Int(token)].address, nowMs: network.nowMs, unixSeconds: network.unixSeconds)
    drain(network)
  }

  public func received(
    _ bytes: [UInt8], over link: SimulatedNetwork.LinkId, _ network: SimulatedNetwork
  ) {
    if addresses[link] == nil { return }
    client.received(
      bytes, from: PeerId(link), nowMs: network.nowMs, unixSeconds: network.unixSeconds)
    drain(network)
  }

  public func closed(_ link: SimulatedNetwork.LinkId, _ network: SimulatedNetwork) {
    if addresses.removeValue(forKey: link) == nil { return }
    client.peerDisconnected(
      PeerId(link), nowMs: network.nowMs, unixSeconds: network.unixSeconds)
    drain(network)
  }

  public func timerFired(_ network: SimulatedNetwork) {
    client.timerFired(nowMs: network.nowMs, unixSeconds: network.unixSeconds)
    drain(network)
  }

  private func drain(_ network: SimulatedNetwork) {
    while let effect = client.nextEffect() {
      switch effect {
      case .connect(let address): connect(address, network)
      case .disconnect(let peer, let reason):
        disconnects.append(reason)
        addresses[peer.value] = nil
        network.close(peer.value, from: id)
      case .send(let peer, let bytes): network.send(bytes, over: peer.value, from: id)
      case .setTimer(let atMs): network.setTimer(atMs: atMs, for: id)
      case .storeHeaders(let height, let headers, let workBefore):
        disk.storeHeaders(height, headers, workBefore)
      case .storeFilterHeaders(let height, let headers): disk.storeFilterHeaders(height, headers)
      case .dropHeaders(let height, let workBefore): disk.drop(below: height, workBefore)
      case .storePeers(let peers): disk.peers = peers
      case .lookUpSeeds:
        seedLookUps += 1
        client.addressesFound(
          seeded, nowMs: network.nowMs, unixSeconds: network.unixSeconds)
      case .event(let event):
        events.append(event)
        ledger.record(event)
        if case .tipChanged = event, isAhead(network) {
          ledger.contradict("a tip in the future")
        }
      }
    }
  }

  private func isAhead(_ network: SimulatedNetwork) -> Bool {
    UInt64(client.tipTime) > network.unixSeconds + HeaderRules.futureLimitSeconds
  }

  private func connect(_ address: PeerAddress, _ network: SimulatedNetwork) {
    connects += 1
    dialled.append(address)
    guard let token = directory.firstIndex(where: { $0.address == address }) else {
      client.connectFailed(address, nowMs: network.nowMs, unixSeconds: network.unixSeconds)
      return
    }
    network.dial(directory[token].endpoint, from: id, token: UInt64(token))
  }
}

/// The data that a driver stores for a light client.
public struct SimulatedDisk {
  private var baseHeight: UInt32 = 0
  private var workBefore = ChainWork.zero
  public private(set) var headers: [BlockHeader] = []
  public private(set) var filterHeaders: [Bytes32] = []
  public internal(set) var peers: [KnownPeer] = []

  mutating func storeHeaders(_ height: UInt32, _ list: [BlockHeader], _ work: ChainWork) {
    if headers.isEmpty || height <= baseHeight {
      baseHeight = height
      workBefore = work
      headers = list
      filterHeaders = []
      return
    }
    let keep = Int(height - baseHeight)
    headers = Array(headers.prefix(keep)) + list
    filterHeaders = Array(filterHeaders.prefix(keep))
  }

  mutating func storeFilterHeaders(_ height: UInt32, _ list: [Bytes32]) {
    filterHeaders = Array(filterHeaders.prefix(Int(height - baseHeight))) + list
  }

  mutating func drop(below height: UInt32, _ work: ChainWork) {
    let count = Int(height - baseHeight)
    headers.removeFirst(min(count, headers.count))
    filterHeaders.removeFirst(min(count, filterHeaders.count))
    baseHeight = height
    workBefore = work
  }

  mutating func damageFilterHeaders(from height: Int) {
    for index in height..<filterHeaders.count {
      filterHeaders[index] = filterHeaders[index].reversed
    }
  }

  var state: LightClientState {
    LightClientState(
      baseHeight: baseHeight, workBefore: workBefore, headers: headers,
      filterHeaders: filterHeaders, peers: peers)
  }
}
