import Bitcoin
import ChainFollower
import Foundation
import Host
import LightClient
import Wallet

/// One run of a wallet command: a poll loop with a light client and the wallet.
final class WalletSession {
  private static let chainTimer: UInt64 = 1

  private let reactor = Reactor()
  private let follower: ChainFollower
  private let chainWallet: ChainWallet
  private let deadlineMs: UInt64
  private var lastStall: StallReason?

  /// - Parameter peers: host and port; port 0 is the network's own.
  init(
    folder: WalletFolder, peers: [(host: String, port: UInt16)], timeoutSeconds: UInt64
  ) {
    var configuration = LightClientConfiguration()
    // A publisher's machine has memory, and what is kept need not be fetched again.
    configuration.windowHeaders = 100_000
    follower = ChainFollower(
      network: folder.network, configuration: configuration, peers: peers, cache: folder.cache,
      reactor: reactor, timerToken: WalletSession.chainTimer)
    chainWallet = ChainWallet(folder: folder, follower: follower)
    deadlineMs = Clock.monotonicMs() + timeoutSeconds * 1000
  }

  var wallet: Wallet { chainWallet.wallet }
  var height: UInt32 { follower.client.tipHeight }

  /// Follows the chain until the wallet is level with every peer.
  func sync() throws {
    try WalletCommand.reporting { () throws(WalletFolderError) in try chainWallet.start() }
    follower.start()
    try run("the chain") { chainWallet.isSynced }
    try WalletCommand.reporting { () throws(WalletFolderError) in try chainWallet.save() }
  }

  /// Sends an amount, or everything (nil), and waits until a peer has taken it.
  func send(
    _ amountSat: UInt64?, to script: [UInt8], feeRateSatPerVb: UInt64?
  ) throws -> Transaction {
    let rate = feeRateSatPerVb ?? chainWallet.floorSatPerVb
    let transaction = try WalletCommand.reporting { () throws(WalletFolderError) in
      guard let amountSat else {
        return try chainWallet.sweep(to: script, feeRateSatPerVb: rate)
      }
      let output = TransactionOutput(amountSat: amountSat, scriptPubKey: script)
      return try chainWallet.send(outputs: [output], feeRateSatPerVb: rate)
    }
    let txid = transaction.txid
    try run("a peer that takes transaction \(txid.reversed.hex)") {
      (follower.client.relayedTo(txid) ?? 1) > 0
    }
    // It is on its way: let the reactor hand it to the kernel before the program ends.
    let untilMs = Clock.monotonicMs() + 300
    while Clock.monotonicMs() < untilMs { try turn(untilMs: untilMs) }
    return transaction
  }

  /// Turns the loop until `isDone`; fails with what was waited for when the time is over.
  private func run(_ goal: String, until isDone: () -> Bool) throws {
    while true {
      while let event = follower.nextEvent() {
        if case .stalled(let reason) = event { lastStall = reason }
        try WalletCommand.reporting { () throws(WalletFolderError) in
          try chainWallet.handle(event)
        }
      }
      if isDone() { return }
      if Clock.monotonicMs() >= deadlineMs {
        var why = lastStall.map { ": " + $0.message } ?? ""
        if !follower.client.peers.contains(where: \.isReady) { why = ": no peer answers" }
        throw WalletCommand.fail("gave up waiting for \(goal)\(why)")
      }
      try turn(untilMs: deadlineMs)
    }
  }

  private func turn(untilMs: UInt64) throws {
    let event: ReactorEvent?
    do throws(HostError) { event = try reactor.next(untilMs: untilMs) } catch {
      throw WalletCommand.fail(error.message)
    }
    if let event { _ = follower.handle(event) }
  }
}
