import Bitcoin
import Bytes
import Testing

@testable import LightClient

/// Chains of too little work: never followed, never kept, and no obstacle to the honest one.
@Suite struct HeaderWorkTests {
  /// Blocks that cost nothing, all of the same work: a chain of little work is a shorter one.
  private static let rules: Network = {
    var network = Network.regtest
    network.genesis.time = 1_600_000_000
    return network
  }()

  /// `count` headers, told apart from others by `tag`.
  private static func chain(_ count: Int, tag: UInt8) -> (headers: [BlockHeader], work: ChainWork) {
    var list: [BlockHeader] = []
    var header = rules.genesis
    header.version = 0x2000_0000
    header.merkleRoot = Bytes32([UInt8](repeating: tag, count: 32))
    var previous = rules.genesis.hash
    guard let target = Target(bits: header.bits) else { preconditionFailure("bits") }
    for _ in 0..<count {
      header.previous = previous
      header.time += 600
      header.nonce = 0
      previous = header.hash
      while !target.isMet(by: previous) {
        header.nonce += 1
        previous = header.hash
      }
      list.append(header)
    }
    return (list, ChainWork(ChainWork(bits: header.bits).value &* UInt32(count + 1)))
  }

  private static let now = UInt64(rules.genesis.time) + 400 * 86_400
  private static let honest = chain(10_500, tag: 1)
  private static let cheap = chain(9_000, tag: 2)

  private func client(
    _ network: Network, _ servers: [HeaderServer]
  ) -> LightClient {
    var configuration = LightClientConfiguration()
    // Nobody here serves filters, which headers wait for where they would fill the window.
    configuration.windowHeaders = 20_000
    configuration.watchesMempool = false
    configuration.peers = servers.map(\.address)
    return LightClient(
      network: network, configuration: configuration, state: .fresh, seed: 3, nowMs: 0,
      unixSeconds: Self.now)
  }

  private static var network: Network {
    var network = rules
    network.minimumChainWork = honest.work
    return network
  }

  @Test func aLongCheapChainIsNeitherFollowedNorKept() throws {
    #expect(Self.cheap.work < Self.honest.work)
    let liar = HeaderServer(1, network: Self.network, headers: Self.cheap.headers)
    var client = client(Self.network, [liar])
    var mostKept = 0
    var mostMilestones = 0
    let events = try client.talk(with: [liar], unixSeconds: Self.now) { client in
      for peer in client.shared.peers {
        mostKept = max(
          mostKept, (peer.presync?.keptCount ?? 0) + (peer.branch?.records.count ?? 0))
        mostMilestones = max(mostMilestones, peer.presync?.milestones.count ?? 0)
      }
    }
    #expect(client.tipHeight == 0 && client.authenticatedHeight == 0 && !client.isSynced)
    #expect(liar.lists >= 5)
    // The bound: two periods of headers and some, and a hash for every 2,000.
    #expect(mostKept > 2_016 && mostKept <= 2 * HeaderPresync.keptHeaders)
    #expect(mostMilestones <= 5)
    // It may be an honest node that is far behind: no ban, but the owner hears of it.
    #expect(client.shared.peers.count == 1)
    #expect(events.contains(.stalled(.peersBehind)))
  }

  @Test func theHonestChainIsFoundBesideIt() throws {
    for order in [[1, 2], [2, 1]] as [[UInt32]] {
      let liar = HeaderServer(order[0], network: Self.network, headers: Self.cheap.headers)
      let honest = HeaderServer(order[1], network: Self.network, headers: Self.honest.headers)
      var client = client(Self.network, [liar, honest])
      _ = try client.talk(with: [liar, honest], unixSeconds: Self.now)
      #expect(client.tipHeight == 10_500 && client.authenticatedHeight == 10_500)
      #expect(client.tipHash == Self.honest.headers[10_499].hash)
    }
  }

  /// The second time a peer tells other headers: what was remembered of the first time finds it out.
  @Test func whoTellsAnotherChainTheSecondTimeGainsNothing() throws {
    let turncoat = HeaderServer(1, network: Self.network, headers: Self.honest.headers)
    turncoat.then = Self.cheap.headers
    var client = client(Self.network, [turncoat])
    _ = try client.talk(with: [turncoat], unixSeconds: Self.now)
    #expect(client.tipHeight == 0)
    let honest = HeaderServer(2, network: Self.network, headers: Self.honest.headers)
    var second = self.client(Self.network, [turncoat, honest])
    _ = try second.talk(with: [honest], unixSeconds: Self.now)
    #expect(second.tipHeight == 10_500)
  }

  /// Blocks that are found during the first look at a chain do not make it begin again.
  @Test func blocksAnnouncedMeanwhileCostNothing() throws {
    let server = HeaderServer(1, network: Self.network, headers: Self.honest.headers)
    var client = client(Self.network, [server])
    _ = try client.talk(with: [server], unixSeconds: Self.now)
    let busy = HeaderServer(1, network: Self.network, headers: Self.honest.headers)
    busy.announcement = [try #require(Self.chain(10_501, tag: 1).headers.last)]
    var second = self.client(Self.network, [busy])
    let events = try second.talk(with: [busy], unixSeconds: Self.now)
    #expect(second.tipHeight >= 10_500 && client.tipHeight == 10_500)
    #expect(busy.lists <= 2 * server.lists)
    #expect(!events.contains { if case .peerMisbehaved = $0 { true } else { false } })
  }

  /// A network that asks for no work of a chain takes the first one at once.
  @Test func withoutALeastWorkTheFirstListIsFollowed() throws {
    let server = HeaderServer(1, network: Self.rules, headers: Array(Self.honest.headers[..<3_000]))
    var client = client(Self.rules, [server])
    _ = try client.talk(with: [server], unixSeconds: Self.now)
    #expect(client.tipHeight == 3_000 && client.authenticatedHeight == 3_000)
  }

  @Test func blocksThatAreKnownArePinned() throws {
    var network = Self.rules
    network.pins = [Network.Pin(height: 2_500, hash: Self.honest.headers[2_499].hash)]
    let honest = HeaderServer(1, network: network, headers: Array(Self.honest.headers[..<3_000]))
    var client = client(network, [honest])
    _ = try client.talk(with: [honest], unixSeconds: Self.now)
    #expect(client.tipHeight == 3_000)
    let other = HeaderServer(2, network: network, headers: Array(Self.cheap.headers[..<5_000]))
    var fooled = self.client(network, [other])
    let events = try fooled.talk(with: [other], unixSeconds: Self.now)
    #expect(fooled.tipHeight == 2_000)
    #expect(
      events.contains {
        guard case .peerMisbehaved(_, .invalidHeader, _) = $0 else { return false }
        return true
      })
  }

  /// Followed before the block was known: what is on disk of the other chain goes.
  @Test func whatIsStoredBeforeAPinIsHeldAgainstIt() throws {
    var network = Self.rules
    network.pins = [Network.Pin(height: 2_500, hash: Self.honest.headers[2_499].hash)]
    for (headers, height) in [(Self.cheap.headers, 2_499), (Self.honest.headers, 3_000)] {
      let state = LightClientState(
        baseHeight: 0, workBefore: .zero,
        headers: [network.genesis] + Array(headers[..<3_000]), filterHeaders: [])
      var client = LightClient(
        network: network, configuration: LightClientConfiguration(), state: state, seed: 3,
        nowMs: 0, unixSeconds: Self.now)
      #expect(client.tipHeight == height)
      var isCut = false
      while let effect = client.nextEffect() {
        if case .storeHeaders(UInt32(2_500), [], _) = effect { isCut = true }
      }
      #expect(isCut == (height < 3_000))
    }
  }

  /// Headers cannot come much faster than time passes.
  @Test func implausiblyManyHeadersAreNotFollowed() {
    let chain = HeaderChain(network: Self.network)
    var branch = HeaderBranch(forkHeight: 0)
    _ = branch.extend(
      Self.cheap.headers[..<2_000], hashes: Self.cheap.headers[..<2_000].map(\.hash)[...],
      on: chain, network: Self.network, unixSeconds: Self.now)
    let presync = HeaderPresync(branch, on: chain)
    guard let presync else {
      Issue.record("no presync")
      return
    }
    // 2,000 headers are few, also for no time at all; but not where nothing is allowed beyond it.
    #expect(presync.isPlausible(anchorTime: 100, unixSeconds: 100))
    #expect(!presync.isPlausible(anchorTime: 100, unixSeconds: 100, allowance: 1_999))
    #expect(presync.isPlausible(anchorTime: 100, unixSeconds: 100 + 300_000, allowance: 0))
    #expect(!presync.isPlausible(anchorTime: 100, unixSeconds: 100 + 299_000, allowance: 0))
  }
}
