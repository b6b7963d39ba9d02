import Bitcoin
import Bytes
import ChainFollower
import Foundation
import Host
import LightClient
import Storage
import Testing

@testable import Devnet
@testable import MadeChain

/// What measurements are made against is a real chain.
@Suite struct MadeChainTests {
  private let folder: String
  private let script = Script.p2wsh(witnessScript: [0x51])

  init() throws {
    folder = NSTemporaryDirectory() + "made-chain-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  private func chain(blocks: UInt32) -> MadeChain {
    var options = MadeChain.Options(blocks: blocks)
    options.outputs = 5
    options.paidEvery = 100
    options.script = script
    return MadeChain(options)
  }

  /// libbitcoinkernel takes every block, and Devnet's filters of them are the same, also where
  /// coinbases have nothing left to give: after 33 halvings, of which regtest has one in 150 blocks.
  @Test func bitcoinCoreAgrees() throws {
    let count: UInt32 = 5_200
    let made = chain(blocks: count)
    var options = DevnetOptions(directory: folder + "/node")
    options.initialBlocks = 0
    options.hasControlSocket = false
    let node = try RunningDevnet(options)
    let blocks = (1...count).map { made.block(at: $0) }
    let filters = try node.perform { node throws(DevnetError) in
      try node.submit(blocks: blocks)
      return (0...node.chain.height).compactMap { height in
        node.chain.hash(at: height).flatMap { node.chain.filters.record($0) }
      }.map { ($0.filter, $0.header) }
    }
    #expect(try node.tipHash == made.tipHash)
    #expect(filters.count == Int(count) + 1)
    var different: [Int] = []
    for (height, filter) in filters.enumerated() {
      if filter.0 != made.filter(at: UInt32(height)) || filter.1 != made.filterHeaders[height] {
        different.append(height)
      }
    }
    #expect(different == [])
    try node.stop()
  }

  /// Without outputs, all filters but the first are the same, and are still the blocks' own.
  @Test func emptyBlocksHaveEmptyFilters() throws {
    let made = MadeChain(MadeChain.Options(blocks: 40))
    for height in 1...UInt32(40) {
      let filter = BlockFilter.build(block: made.block(at: height), spentScripts: [])
      #expect(filter.encoded == made.filter(at: height))
      #expect(filter.hash == made.filterHash(at: height))
      #expect(
        filter.header(previous: made.filterHeaders[Int(height) - 1])
          == made.filterHeaders[Int(height)])
    }
    #expect(made.block(at: 40).hash == made.tipHash)
    #expect(made.height(of: made.tipHash) == 40)
  }

  @Test func isServedToALightClient() throws {
    let made = chain(blocks: 4500)
    let server = try MadeChainServer(made, port: 0)
    let port = server.port
    nonisolated(unsafe) let serving = server
    let isOver = Flag()
    let thread = Thread {
      while !isOver.isSet { try? serving.run(untilMs: Clock.monotonicMs() + 20) }
      isOver.acknowledge()
    }
    thread.start()
    defer { isOver.setAndWait() }

    let reactor = Reactor()
    let follower = ChainFollower(
      network: .regtest, configuration: LightClientConfiguration(), peers: [("127.0.0.1", port)],
      cache: try ChainCache(path: folder + "/chain.db"), reactor: reactor, timerToken: 1)
    follower.watch(script, fromHeight: 1)
    follower.start()
    var heights: [UInt32] = []
    let endMs = Clock.monotonicMs() + 60_000
    while !follower.client.isSynced && Clock.monotonicMs() < endMs {
      if let event = try reactor.next(untilMs: endMs) { _ = follower.handle(event) }
      while let event = follower.nextEvent() {
        if case .blockMatched(let height, _) = event { heights.append(height) }
        if case .peerMisbehaved = event { Issue.record("the server was banned") }
      }
    }
    #expect(follower.client.tipHash == made.tipHash)
    #expect(heights.filter { $0 % 100 == 0 } == (1...45).map { $0 * 100 })
  }
}

/// Ends a thread, and waits for its end.
private final class Flag: @unchecked Sendable {
  private let condition = NSCondition()
  private var set = false
  private var done = false

  var isSet: Bool { condition.withLock { set } }

  func acknowledge() {
    condition.withLock {
      done = true
      condition.broadcast()
    }
  }

  func setAndWait() {
    condition.withLock {
      set = true
      while !done { condition.wait() }
    }
  }
}
