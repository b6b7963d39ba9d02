import Bitcoin
import Bytes
import ChainFollower
import Crypto
import Foundation
import Host
import LightClient
import Market
import Storage

/// Waits on a development chain for the announcement of the publisher at an endpoint.
enum AnnouncementSearch {
  struct NotFound: Error { let endpoint: String }

  static func run(
    nodePort: UInt16, endpoint: Market.Endpoint, untilMs: UInt64
  ) throws -> SimulatedMachine.Invitation {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("zennet-bench-\(getpid())").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let reactor = Reactor()
    var configuration = LightClientConfiguration()
    configuration.targetPeers = 1
    let follower = ChainFollower(
      network: .regtest, configuration: configuration, peers: [("127.0.0.1", nodePort)],
      cache: try ChainCache(path: folder + "/chain.db"), reactor: reactor, timerToken: 1)
    follower.watch(Beacon.scriptPubKey, fromHeight: 1)
    follower.start()
    while Clock.monotonicMs() < untilMs {
      if let event = try reactor.next(untilMs: min(untilMs, Clock.monotonicMs() + 1_000)) {
        _ = follower.handle(event)
      }
      while let event = follower.nextEvent() {
        for transaction in transactions(of: event) {
          guard let found = Announcement.find(in: transaction), found.endpoint == endpoint
          else { continue }
          return SimulatedMachine.Invitation(
            announcementTxid: transaction.txid, publisher: found.publisher,
            tipHeight: follower.client.tipHeight, tipHash: follower.client.tipHash,
            payoutScript: Script.p2tr(outputKey: Sha256.hash(Beacon.script)))
        }
      }
    }
    throw NotFound(endpoint: endpoint.text)
  }

  private static func transactions(of event: LightClientEvent) -> [Transaction] {
    switch event {
    case .transactionSeen(let transaction): return [transaction]
    case .blockMatched(_, let block): return block.transactions
    default: return []
    }
  }
}
