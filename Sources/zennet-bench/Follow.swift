import Bitcoin
import ChainFollower
import Foundation
import Host
import LightClient
import Storage

/// The light client as the agent runs it, with its sockets and its database, until a chain is
/// followed and scanned.
enum Follow {
  /// Milliseconds count from the start of the light client.
  private struct Outcome: Encodable {
    /// From opening the database to being ready to dial.
    let readyMs: UInt64
    let headersMs: UInt64
    let scannedMs: UInt64
    let blocks: Int
    let peakKiB: Int
  }

  static func run(_ options: Options) throws {
    let startMs = Clock.monotonicMs()
    let reactor = Reactor()
    let cache = try ChainCache(path: options.folder + "/chain.db")
    var configuration = LightClientConfiguration()
    configuration.targetPeers = 1
    let follower = ChainFollower(
      network: .regtest, configuration: configuration, peers: [("127.0.0.1", options.port)],
      cache: cache, reactor: reactor, timerToken: 1)
    for script in options.watched {
      follower.watch(script, fromHeight: follower.client.tipHeight + 1)
    }
    let readyMs = Clock.monotonicMs() - startMs
    follower.start()
    var headersMs: UInt64?
    var blocks = 0
    while true {
      if let event = try reactor.next(untilMs: Clock.monotonicMs() + 60_000) {
        _ = follower.handle(event)
      }
      while let event = follower.nextEvent() {
        if case .blockMatched = event { blocks += 1 }
        if case .peerMisbehaved = event { throw CocoaError(.coderInvalidValue) }
      }
      if headersMs == nil && follower.client.tipHeight == options.chain.blocks {
        headersMs = Clock.monotonicMs() - startMs
      }
      if let fault = follower.storageFault { throw fault }
      guard let headersMs, follower.client.isSynced else { continue }
      let outcome = Outcome(
        readyMs: readyMs, headersMs: headersMs, scannedMs: Clock.monotonicMs() - startMs,
        blocks: blocks, peakKiB: peakKiB())
      FileHandle.standardOutput.write(try JSONEncoder().encode(outcome) + Data("\n".utf8))
      return
    }
  }

  /// The most memory that this process ever had resident, as the kernel counts it.
  private static func peakKiB() -> Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss
  }
}
