import Bitcoin
import Bytes
import ChainFollower
import Devnet
import Foundation
import Host
import LightClient
import Testing

@testable import Wallet

/// A node of its own, and wallets that follow it over real sockets.
final class WalletScene {
  let directory: String
  let devnet: RunningDevnet

  init() throws {
    directory = NSTemporaryDirectory() + "zennet-wallet-\(UUID().uuidString)"
    var options = DevnetOptions(directory: directory + "/node")
    options.port = 0
    devnet = try RunningDevnet(options)
    try devnet.mine(1)
  }

  deinit {
    try? devnet.stop()
    try? FileManager.default.removeItem(atPath: directory)
  }

  func hasInMempool(_ txid: Bytes32) -> Bool {
    let found = try? devnet.perform { node throws(DevnetError) in
      node.mempool.entry(txid: txid) != nil
    }
    return found == true
  }

  func phrase(_ tag: UInt8) throws -> Phrase {
    try Phrase(entropy: [UInt8](repeating: tag, count: 16))
  }

  func makeFolder(_ name: String, _ tag: UInt8, born: UInt64 = 0) throws -> WalletFolder {
    let path = directory + "/" + name
    try WalletFolder.create(path: path, phrase: try phrase(tag), bornUnixSeconds: born)
    return try WalletFolder(path: path, network: .regtest)
  }

  /// A wallet of the phrase of `tag` in a folder of its own.
  func session(_ name: String, tag: UInt8) throws -> Session {
    try Session(try makeFolder(name, tag), port: devnet.port)
  }

  /// A wallet with its loop, as a program runs it.
  final class Session {
    let reactor = Reactor()
    let follower: ChainFollower
    let chainWallet: ChainWallet

    init(_ folder: WalletFolder, port: UInt16) throws {
      follower = ChainFollower(
        network: .regtest, configuration: LightClientConfiguration(), peers: [("127.0.0.1", port)],
        cache: folder.cache, reactor: reactor, timerToken: 1)
      chainWallet = ChainWallet(folder: folder, follower: follower)
      try chainWallet.start()
      follower.start()
    }

    var wallet: Wallet { chainWallet.wallet }

    /// Generous, as it only ends a test that fails.
    func run(until isDone: () throws -> Bool) throws {
      let deadlineMs = Clock.monotonicMs() + 120_000
      while true {
        while let event = follower.nextEvent() { try chainWallet.handle(event) }
        if try isDone() { return }
        try #require(Clock.monotonicMs() < deadlineMs, "waited for two minutes")
        // Not for longer, since what is waited for may happen in the node.
        let event = try reactor.next(untilMs: Clock.monotonicMs() + 50)
        if let event { _ = follower.handle(event) }
      }
    }

    func sync(to height: UInt32) throws {
      try run { chainWallet.isSynced && follower.client.tipHeight == height }
    }

    /// The child that the wallet makes when this is the rate of the day.
    func speedUp(feeRateSatPerKvB: UInt64) throws -> Transaction {
      let client = follower.client
      let chain = WalletChainView(
        tipHeight: client.tipHeight, baseHeight: client.baseHeight,
        scannedHeight: client.scannedHeight, feeRateSatPerKvB: feeRateSatPerKvB,
        blockHash: { client.blockHash(at: $0) })
      try chainWallet.owner.chainTold(.synced(height: client.tipHeight), chain)
      let deeds = chainWallet.owner.takeDeeds()
      try chainWallet.carryOut()
      return try #require(deeds.first?.transaction)
    }
  }
}
