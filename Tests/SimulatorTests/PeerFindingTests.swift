import Bitcoin
import Bytes
import LightClient
import Testing

@testable import Simulator

/// How peers are found that nobody configured, and remembered: gossip, seeds, bans on disk.
@Suite struct PeerFindingTests {
  private static let filters: UInt64 = 73

  private func address(_ group: UInt8, _ host: UInt8 = 1) -> PeerAddress {
    guard let address = PeerAddress(ip: [45, group, 0, host], port: 18444) else {
      preconditionFailure("an address")
    }
    return address
  }

  private func told(_ address: PeerAddress, services: UInt64 = filters) -> NetworkAddress {
    NetworkAddress(
      time: 0, services: services, network: 1, address: address.ip, port: address.port)
  }

  /// A world in which only the first node is configured; the others stand behind public addresses.
  private func world(
    _ seed: UInt64, nodes: [(BlockTree) -> ServingNode],
    configure: (inout LightClientConfiguration) -> Void = { _ in }
  ) -> (LightClientWorld, tip: Bytes32) {
    let world = LightClientWorld(seed: seed, nodes: nodes) {
      $0.peers = Array($0.peers.prefix(1))
      $0.usesGossip = true
      $0.targetPeers = 4
      configure(&$0)
    }
    for index in 1..<max(1, nodes.count) {
      world.client.directory.append((address(UInt8(index)), world.nodes[index].id))
    }
    let tip = world.mine(30, on: world.tree.genesisHash)
    for node in world.nodes { node.follow(tip, world.network) }
    return (world, tip)
  }

  @Test(arguments: [true, false]) func dialsWhatGossipNames(isV2: Bool) {
    let (world, tip) = world(1, nodes: (0..<4).map { _ in { ServingNode(tree: $0) } })
    world.nodes[0].tellsAddressesV2 = isV2
    world.nodes[0].knownAddresses =
      (1...3).map { told(address($0)) }
      + [
        // None of these is to be dialled.
        told(address(40), services: 9),
        NetworkAddress(
          time: 0, services: 73, network: 1, address: [10, 0, 0, 9], port: 18444),
        NetworkAddress(time: 0, services: 73, network: 1, address: [127, 0, 0, 1], port: 18444),
      ]
      + (isV2
        ? [
          NetworkAddress(
            time: 0, services: 73, network: 4, address: [UInt8](repeating: 7, count: 32),
            port: 8333)
        ] : [])
    world.start()
    #expect(world.settle(on: tip, seconds: 120))
    world.network.run(untilMs: world.network.nowMs + 60_000)
    #expect(world.client.client.peers.filter(\.isReady).count == 4)
    #expect(Set(world.client.dialled.map(\.text)).count == 4)
    // Every one of them is an opinion: the first may go.
    world.network.partition(world.nodes[0].id, into: 1)
    let next = world.mine(2, on: tip)
    for node in world.nodes { node.follow(next, world.network) }
    #expect(world.settle(on: next, seconds: 600))
    #expect(world.client.ledger.bans.isEmpty)
  }

  @Test func oneNetworkGroupGetsOnePlace() {
    let (world, tip) = world(2, nodes: (0..<4).map { _ in { ServingNode(tree: $0) } })
    for host in 2...60 as ClosedRange<UInt8> {
      world.client.directory.append((address(1, host), world.nodes[1].id))
    }
    world.nodes[0].knownAddresses =
      (1...60).map { told(address(1, $0)) } + [told(address(2)), told(address(3))]
    world.start()
    #expect(world.settle(on: tip, seconds: 120))
    world.network.run(untilMs: world.network.nowMs + 120_000)
    // At no time two of the crowded group, whatever number of addresses it has.
    let groups = world.client.client.peers.map { $0.address.ip[1] }
    #expect(groups.filter { $0 == 1 }.count <= 1)
  }

  /// A liar that tells thousands of addresses pushes out only its own.
  @Test func aFloodOfAddressesLeavesRoomForTheOthers() {
    let (world, tip) = world(
      3,
      nodes: [
        { ServingNode(tree: $0) }, { LyingNode(tree: $0, lies: [.addressFlood], seed: 9) },
        { ServingNode(tree: $0) },
      ])
    (world.nodes[1] as? LyingNode)?.rate = 1
    world.nodes[0].knownAddresses = [told(address(1)), told(address(2)), told(address(3))]
    world.start()
    #expect(world.settle(on: tip, seconds: 120))
    world.network.run(untilMs: world.network.nowMs + 3_600_000)
    #expect(world.client.client.peers.contains { $0.address == address(2) && $0.isReady })
  }

  @Test func seedsAreAskedWhenNobodyIsKnown() {
    let seed: [UInt8] = Array("seed.example".utf8)
    var rules = Network.regtest
    rules.seeds = [seed]
    let world = LightClientWorld(
      seed: 4, rules: rules,
      nodes: [
        { tree in
          let node = ServingNode(tree: tree)
          node.services &= ~VersionMessage.Service.compactFilters
          return node
        }, { ServingNode(tree: $0) }, { ServingNode(tree: $0) },
      ]
    ) {
      $0.peers = []
      $0.usesGossip = true
    }
    for index in 0..<3 {
      world.client.directory.append((address(UInt8(index + 1)), world.nodes[index].id))
    }
    // The first has no filters, and knows who has; the rest of the answer is garbage.
    world.nodes[0].knownAddresses = [told(address(2)), told(address(3))]
    world.client.seeded =
      [address(1)]
      + [[10, 0, 0, 1], [127, 0, 0, 1], [0, 0, 0, 0], [255, 255, 255, 255]].compactMap {
        PeerAddress(ip: $0, port: 1)
      } + (0..<200).compactMap { PeerAddress(ip: [46, $0, 1, 1], port: 1) }
    let tip = world.mine(20, on: world.tree.genesisHash)
    for node in world.nodes { node.follow(tip, world.network) }
    world.start()
    #expect(world.settle(on: tip, seconds: 3_600))
    #expect(world.client.seedLookUps >= 1 && world.client.seedLookUps <= 8)
    #expect(world.client.disconnects.contains(.unsuitable))
    for address in world.client.dialled { #expect(address.isPublic) }
    // Next time they are known: seeds are not asked at once.
    world.client.restart(seed: 5, world.network)
    let asked = world.client.seedLookUps
    #expect(world.settle(on: tip, seconds: 60))
    #expect(world.client.seedLookUps == asked)
  }

  @Test func bansOutliveARestartAndAreForgivenInTime() {
    let (world, tip) = world(
      6,
      nodes: [
        { ServingNode(tree: $0) }, { LyingNode(tree: $0, lies: [.headersWithoutWork], seed: 9) },
      ]
    ) { configuration in
      if let liar = LightClientWorld.address(1) { configuration.peers.append(liar) }
    }
    (world.nodes[1] as? LyingNode)?.rate = 1
    guard let liar = LightClientWorld.address(1) else { return }
    world.start()
    #expect(world.settle(on: tip, seconds: 300))
    func ban() -> KnownPeer? { world.client.disk.peers.first { $0.address == liar } }
    #expect(ban()?.bans == 1)
    let dialled = world.client.dialled.filter { $0 == liar }.count
    world.client.restart(seed: 7, world.network)
    world.network.run(untilMs: world.network.nowMs + 300_000)
    #expect(world.client.dialled.filter { $0 == liar }.count == dialled)
    // Ten minutes later it may come again, lies again, and is left alone for twice the time.
    world.network.run(untilMs: world.network.nowMs + 900_000)
    #expect(ban()?.bans == 2)
    #expect((ban()?.bannedUntilSeconds ?? 0) >= world.network.unixSeconds)
    // It mends its ways: days later nothing is held against it.
    (world.nodes[1] as? LyingNode)?.rate = 0
    world.network.run(untilMs: world.network.nowMs + 4 * 86_400_000, maxSteps: 2_000_000)
    #expect(!world.client.client.knownPeers.contains { $0.address == liar && $0.bans > 0 })
    #expect(world.client.client.peers.contains { $0.address == liar && $0.isReady })
  }

  /// No ban lasts longer than a day: what is stored of one that does is a clock's or a disk's fault.
  @Test(arguments: [1_000 + 86_401, UInt64.max / 1000, UInt64.max] as [UInt64])
  func aBanForEverIsNone(_ untilSeconds: UInt64) {
    let peer = address(1)
    var configuration = LightClientConfiguration()
    configuration.peers = [peer]
    var state = LightClientState.fresh
    state.peers = [KnownPeer(address: peer, bannedUntilSeconds: untilSeconds, bans: .max)]
    var client = LightClient(
      network: .regtest, configuration: configuration, state: state, seed: 1, nowMs: 0,
      unixSeconds: 1_000)
    var isDialled = false
    while let effect = client.nextEffect() { if effect == .connect(peer) { isDialled = true } }
    #expect(isDialled)
    client.peerConnected(PeerId(1), address: peer, nowMs: 1, unixSeconds: 1_000)
    #expect(client.peers.count == 1)
  }

  /// A name may lead to an address that is banned: the client sends it away again.
  @Test func aBannedAddressIsNotTakenBackByAnotherDoor() {
    let liar = address(1)
    var state = LightClientState.fresh
    state.peers = [KnownPeer(address: liar, bannedUntilSeconds: 1_000, bans: 1)]
    var client = LightClient(
      network: .regtest, configuration: LightClientConfiguration(), state: state, seed: 1,
      nowMs: 0, unixSeconds: 900)
    while client.nextEffect() != nil {}
    client.peerConnected(PeerId(1), address: liar, nowMs: 1, unixSeconds: 900)
    #expect(client.nextEffect() == .disconnect(PeerId(1), .unsuitable))
    #expect(client.peers.isEmpty)
    client.peerConnected(PeerId(2), address: liar, nowMs: 2, unixSeconds: 1_001)
    #expect(client.peers.map(\.id) == [PeerId(2)])
  }

  @Test func whatIsStoredOfPeersIsReadAsFarAsItGoes() {
    let peers = [
      KnownPeer(address: address(1), services: 73, readySeconds: 5),
      KnownPeer(address: address(2), bannedUntilSeconds: 9, bans: 3),
    ]
    let bytes = KnownPeer.encode(peers)
    #expect(KnownPeer.decode(bytes) == peers)
    #expect(KnownPeer.decode(Array(bytes.dropLast())) == [peers[0]])
    #expect(KnownPeer.decode([]) == [])
    #expect(KnownPeer.decode([5, 1, 2, 3, 4, 5, 0, 1]) == [])
  }
}
