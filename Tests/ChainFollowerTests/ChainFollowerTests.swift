import Bitcoin
import Bytes
import Devnet
import Foundation
import Host
import LightClient
import Storage
import TestSupport
import Testing

@testable import ChainFollower

/// The light client with real sockets, a real cache, and a real node.
@Suite(.serialized) struct ChainFollowerTests {
  private let folder: String
  private let script = Script.p2wsh(witnessScript: [0x51])

  init() throws {
    folder = NSTemporaryDirectory() + "follower-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  /// Follows until `isDone`, and gives everything that was told.
  private func follow(
    _ follower: ChainFollower, _ reactor: Reactor,
    until isDone: (ChainFollower, [LightClientEvent]) -> Bool
  ) throws -> [LightClientEvent] {
    var told: [LightClientEvent] = []
    let deadlineMs = Clock.monotonicMs() + 30_000
    while true {
      while let event = follower.nextEvent() { told.append(event) }
      if isDone(follower, told) { return told }
      if Clock.monotonicMs() > deadlineMs {
        Issue.record("no progress at height \(follower.client.tipHeight)")
        return told
      }
      if let event = try reactor.next(untilMs: deadlineMs) { _ = follower.handle(event) }
    }
  }

  private func makeFollower(
    _ host: String, _ port: UInt16, _ reactor: Reactor
  ) throws -> ChainFollower {
    let follower = ChainFollower(
      network: .regtest, configuration: LightClientConfiguration(), peers: [(host, port)],
      cache: try ChainCache(path: folder + "/chain.db"), reactor: reactor, timerToken: 9)
    follower.start()
    return follower
  }

  private func matches(_ events: [LightClientEvent]) -> [UInt32] {
    var heights: [UInt32] = []
    for case .blockMatched(let height, _) in events { heights.append(height) }
    return heights
  }

  /// A peer given by name is looked up; what pays a watched script is told; after a restart the
  /// headers come from disk; a reorganisation takes the payment out and tells so.
  @Test func theChainIsFollowedAcrossRestartAndReorganisation() throws {
    let node = try RunningDevnet(DevnetOptions(directory: folder + "/node"))
    defer { try? node.stop() }
    _ = try node.give(5_000, to: script)
    _ = try node.mine(1)
    let height = try node.height

    do {
      let reactor = Reactor()
      let follower = try makeFollower("localhost", node.port, reactor)
      follower.watch(script, fromHeight: 0)
      let told = try follow(follower, reactor) { follower, told in
        follower.client.isSynced && !matches(told).isEmpty
      }
      #expect(matches(told) == [height])
      #expect(follower.client.tipHeight == height)
      #expect(follower.storageFault == nil)
    }

    let reactor = Reactor()
    let follower = try makeFollower("127.0.0.1", node.port, reactor)
    #expect(follower.client.tipHeight == height, "the headers of the first run are on disk")
    follower.watch(script, fromHeight: height)
    _ = try follow(follower, reactor) { follower, _ in follower.client.isSynced }
    _ = try node.reorganize(depth: 1)
    let told = try follow(follower, reactor) { follower, _ in
      follower.client.tipHeight == height + 1 && follower.client.isSynced
    }
    var disconnected: [UInt32] = []
    for case .blocksDisconnected(_, let toHeight) in told { disconnected.append(toHeight) }
    #expect(disconnected == [height - 1])
  }

  /// Nobody listens: it is said once, tried again, and costs nothing else.
  @Test func aDeadPeerIsToldAndTriedAgain() throws {
    let reactor = Reactor()
    let listener = try reactor.listen(on: .tcp(host: "127.0.0.1", port: 0))
    let port = reactor.address(of: listener)!.port
    reactor.close(listener)
    let follower = try makeFollower("127.0.0.1", port, reactor)
    let told = try follow(follower, reactor) { _, told in told.contains(.stalled(.noPeers)) }
    #expect(told.filter { $0 == .stalled(.noPeers) }.count == 1)

    // The same address begins to answer: the follower comes back to it by itself.
    var options = DevnetOptions(directory: folder + "/late")
    options.port = port
    let node = try RunningDevnet(options)
    defer { try? node.stop() }
    _ = try follow(follower, reactor) { follower, _ in follower.client.tipHeight == 101 }
    #expect(follower.client.tipHeight == 101)
  }

  /// Why nobody is reached is told once for each attempt, a name by name.
  @Test func whyNobodyIsReachedIsTold() throws {
    let reactor = Reactor()
    let listener = try reactor.listen(on: .tcp(host: "127.0.0.1", port: 0))
    let port = reactor.address(of: listener)!.port
    reactor.close(listener)
    for (host, words) in [("127.0.0.1", "refused"), ("no.such.host.invalid", "no address")] {
      let reactor = Reactor()
      let follower = try makeFollower(host, port, reactor)
      var failure: String?
      _ = try follow(follower, reactor) { follower, _ in
        failure = follower.takeFailure()
        return failure != nil
      }
      let text = try #require(failure)
      #expect(text.hasPrefix(host) && text.contains(words), "\(text)")
      #expect(text.components(separatedBy: host).count == 2, "\(text)")
      #expect(follower.takeFailure() == nil)
    }
  }

  /// A disk that is full stops the storing of headers, not the following.
  @Test func aFullDiskStopsNothing() throws {
    let node = try RunningDevnet(DevnetOptions(directory: folder + "/node"))
    defer { try? node.stop() }
    let height = try node.height
    let reactor = Reactor()
    let cache = try ChainCache(path: folder + "/chain.db")
    try cache.database.execute("PRAGMA max_page_count = 1")
    let follower = ChainFollower(
      network: .regtest, configuration: LightClientConfiguration(),
      peers: [("127.0.0.1", node.port)], cache: cache, reactor: reactor, timerToken: 9)
    follower.start()
    _ = try follow(follower, reactor) { follower, _ in follower.client.isSynced }
    #expect(follower.client.tipHeight == height)
    #expect(follower.cacheIsFull && follower.storageFault == nil)
  }

  /// Whatever bit of the chain's database flips: what peers can give again is fetched again.
  @Test func aDamagedCacheIsFetchedAgain() throws {
    let node = try RunningDevnet(DevnetOptions(directory: folder + "/node"))
    defer { try? node.stop() }
    let tip = try node.height
    func sync() throws {
      let reactor = Reactor()
      let follower = try makeFollower("127.0.0.1", node.port, reactor)
      follower.watch(script, fromHeight: 1)
      _ = try follow(follower, reactor) { follower, _ in
        follower.client.isSynced && follower.client.scannedHeight == tip
      }
      #expect(follower.storageFault == nil)
    }
    try sync()
    let file = folder + "/chain.db"
    let whole = try Files.read(file, limit: 10_000_000)
    var random = SeededGenerator(seed: 7)
    for round in 0..<6 {
      var rotten = whole
      // Where something is written: the first page, and rows.
      repeat {
        let place = random.int(0...(round % 2 == 0 ? rotten.count - 1 : 4095))
        if rotten[place] != 0 {
          rotten[place] ^= 1 << UInt8(random.int(0...7))
          break
        }
      } while true
      for suffix in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: file + suffix) }
      try Data(rotten).write(to: URL(fileURLWithPath: file))
      try sync()
      let chain = try #require(try ChainCache(path: file).headers.load())
      #expect(chain.headerCount == Int(tip) + 1 && chain.filterHeaders.count == Int(tip) + 1)
    }
  }

  /// A network file that names other signers leaves the same genesis block: what the former signers
  /// signed is nothing on the new network, nor are its peers.
  @Test func theCacheOfAnotherNetworkIsThrownAway() throws {
    let networks = try [UInt8(2), 3].map { sign in
      try Network.customSignet(
        name: Array("ours".utf8),
        challenge: Script.push([sign] + [UInt8](repeating: 7, count: 32)) + [0xac])
    }
    // Only one at a time may have the cache open.
    func open<T>(_ network: Network, _ look: (ChainFollower) throws -> T) throws -> T {
      let follower = ChainFollower(
        network: network, configuration: LightClientConfiguration(), peers: [],
        cache: try ChainCache(path: folder + "/chain.db"), reactor: Reactor(), timerToken: 9)
      follower.start()
      #expect(follower.storageFault == nil)
      return try look(follower)
    }
    try open(networks[0]) { #expect($0.client.tipHeight == 0) }
    do {
      // A header that the first network's light client stored.
      let cache = try ChainCache(path: folder + "/chain.db")
      var first = networks[0].genesis
      first.previous = networks[0].genesis.hash
      let target = try #require(Target(bits: Network.regtest.powLimitBits))
      first.bits = Network.regtest.powLimitBits
      while !target.isMet(by: first.hash) { first.nonce &+= 1 }
      try cache.headers.store(fromHeight: 1, first.bytes, workBefore: [])
      let peer = KnownPeer(
        address: try #require(PeerAddress(ip: [198, 51, 100, 7], port: 1)),
        bannedUntilSeconds: Clock.unixSeconds() + 1000, bans: 1)
      try cache.values(space: 2).put([0x70], KnownPeer.encode([peer]))
    }
    try open(networks[0]) {
      #expect($0.client.tipHeight == 1)
      #expect($0.client.knownPeers.count == 1)
    }
    try open(networks[1]) {
      #expect($0.client.tipHeight == 0)
      #expect($0.client.knownPeers.isEmpty)
    }
    let stored = try #require(try ChainCache(path: folder + "/chain.db").headers.load())
    #expect(stored.headerCount == 1)
  }

  /// A checkpoint that is added above what is on disk: the chain begins there, on disk too.
  @Test func aCheckpointAboveTheCacheBeginsAnew() throws {
    let node = try RunningDevnet(DevnetOptions(directory: folder + "/node"))
    defer { try? node.stop() }
    let height = try node.height
    let before = try chain(of: node, .regtest, height)
    #expect(before.baseHeight == 0 && before.headerCount == Int(height) + 1)
    _ = try node.mine(30)
    var reader = ByteReader(try chain(of: node, .regtest, height + 30, cache: "other.db").headers)
    var work = ChainWork.zero
    var header = Network.regtest.genesis
    for _ in 0...height + 20 {
      header = try BlockHeader.decode(&reader)
      work += ChainWork(bits: header.bits)
    }
    var network = Network.regtest
    network.checkpoint = Network.Checkpoint(
      height: height + 20, header: header, work: work, filterHeader: nil)
    let now = try chain(of: node, network, height + 30)
    #expect(now.baseHeight == height + 20 && now.headerCount == 11)
  }

  /// Follows the node up to `height`; what is then in the cache.
  private func chain(
    of node: RunningDevnet, _ network: Network, _ height: UInt32, cache: String = "chain.db"
  ) throws -> StoredChain {
    func sync() throws {
      let reactor = Reactor()
      let follower = ChainFollower(
        network: network, configuration: LightClientConfiguration(),
        peers: [("127.0.0.1", node.port)], cache: try ChainCache(path: folder + "/" + cache),
        reactor: reactor, timerToken: 9)
      follower.start()
      _ = try follow(follower, reactor) { follower, _ in
        follower.client.isSynced && follower.client.tipHeight == height
      }
      #expect(follower.storageFault == nil)
    }
    try sync()
    return try #require(try ChainCache(path: folder + "/" + cache).headers.load())
  }

  /// Who misbehaved is in the cache, and is left alone by the next run as well.
  @Test func bansAreKeptInTheCache() throws {
    let reactor = Reactor()
    let listener = try reactor.listen(on: .tcp(host: "127.0.0.1", port: 0))
    let port = reactor.address(of: listener)!.port
    do {
      let follower = try makeFollower("127.0.0.1", port, reactor)
      let deadlineMs = Clock.monotonicMs() + 20_000
      var isBanned = false
      while !isBanned && Clock.monotonicMs() < deadlineMs {
        guard let event = try reactor.next(untilMs: deadlineMs) else { break }
        if case .accepted(_, let connection, _) = event {
          // No Bitcoin message begins like this.
          reactor.send(connection, [UInt8](repeating: 0x47, count: 64))
        }
        _ = follower.handle(event)
        while let told = follower.nextEvent() {
          if case .peerMisbehaved = told { isBanned = true }
        }
      }
      #expect(isBanned)
    }
    let later = Reactor()
    let next = try makeFollower("127.0.0.1", port, later)
    #expect(next.client.knownPeers.map(\.bans) == [1])
    #expect(next.client.knownPeers.first?.address.port == port)
  }

  /// Names become addresses without anybody being connected to.
  @Test func seedsAreLookedUp() throws {
    let reactor = Reactor()
    let found = reactor.lookUp("localhost", port: 8333)
    let missing = reactor.lookUp("seed.invalid", port: 8333)
    var addresses: [SocketAddress] = []
    var open: Set<ConnectionId> = [found, missing]
    let deadlineMs = Clock.monotonicMs() + 40_000
    while !open.isEmpty, let event = try reactor.next(untilMs: deadlineMs) {
      switch event {
      case .received(let id, let bytes):
        #expect(id == found)
        addresses += Reactor.addresses(in: bytes)
      case .closed(let id, _): open.remove(id)
      default: Issue.record("\(event)")
      }
    }
    #expect(open.isEmpty)
    #expect(addresses.contains { $0.host == "127.0.0.1" || $0.host == "::1" })
    #expect(addresses.allSatisfy { $0.port == 8333 })
  }
}
