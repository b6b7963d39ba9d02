import Bitcoin
import Bytes
import ChainFollower
import Devnet
import Foundation
import Host
import LightClient
import Storage

/// A light client over real sockets, on this thread, for tests.
final class LiveClient {
  let follower: ChainFollower
  private let reactor: Reactor
  private(set) var events: [LightClientEvent] = []
  let folder: String

  init(
    ports: [UInt16], folder: String, network: Network = .regtest, usesGossip: Bool = false,
    windowHeaders: Int = LightClientConfiguration().windowHeaders, watchesMempool: Bool? = nil
  ) throws {
    self.folder = folder
    reactor = Reactor()
    var configuration = LightClientConfiguration()
    configuration.targetPeers = ports.count
    configuration.usesGossip = usesGossip
    configuration.windowHeaders = windowHeaders
    configuration.watchesMempool = watchesMempool
    follower = ChainFollower(
      network: network, configuration: configuration, peers: ports.map { ("127.0.0.1", $0) },
      cache: try ChainCache(path: folder + "/chain.db"), reactor: reactor, timerToken: 1)
    follower.start()
  }

  /// Runs until `isDone`, at most for `seconds`; false when time ran out.
  func run(seconds: UInt64 = 60, until isDone: (LiveClient) -> Bool) throws -> Bool {
    let endMs = Clock.monotonicMs() + seconds * 1000
    while !isDone(self) {
      if Clock.monotonicMs() >= endMs { return false }
      if let event = try reactor.next(untilMs: endMs) { _ = follower.handle(event) }
      while let event = follower.nextEvent() { events.append(event) }
    }
    return true
  }

  func isLevel(with devnet: RunningDevnet) throws -> Bool {
    let tip = try devnet.tipHash
    return try run { $0.follower.client.isSynced && $0.follower.client.tipHash == tip }
  }

  var matchedHeights: [UInt32] {
    events.compactMap { event in
      if case .blockMatched(let height, _) = event { return height }
      return nil
    }
  }

  func forgetEvents() { events = [] }
}

/// A folder that is removed at the end of a test.
final class TemporaryFolder {
  let path = NSTemporaryDirectory() + "zennet-light-" + UUID().uuidString

  init() throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func sub(_ name: String) throws -> String {
    let path = path + "/" + name
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    return path
  }
}
