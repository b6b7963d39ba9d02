import Bitcoin
import Bytes
import ChainFollower
import Foundation
import Host
import LightClient
import Wallet

/// Runs a wallet command: a poll loop with a light client and the wallet.
final class WalletSession {
  private static let chainTimer: UInt64 = 1

  private let reactor = Reactor()
  private let follower: ChainFollower
  private let chainWallet: ChainWallet
  private let deadlineMs: UInt64
  private var lastStall: StallReason?
  /// Automatic actions of the wallet: refunds, closes and fee increases.
  private var deeds: [WalletDeed] = []
  /// How long to wait until peers request the transactions.
  private static let handOverMs: UInt64 = 15_000

  /// - Parameters:
  ///   - peers: host and port; port 0 means the network's default.
  ///   - heldCloses: the ledger's fully signed closes, by channel.
  init(
    folder: WalletFolder, peers: [(host: String, port: UInt16)], timeoutSeconds: UInt64,
    heldCloses: [OutPoint: Transaction] = [:]
  ) {
    var configuration = LightClientConfiguration()
    // A publisher has enough memory, and stored headers need not be fetched again.
    configuration.windowHeaders = 100_000
    follower = ChainFollower(
      network: folder.network, configuration: configuration, peers: peers, cache: folder.cache,
      reactor: reactor, timerToken: WalletSession.chainTimer)
    chainWallet = ChainWallet(folder: folder, follower: follower)
    chainWallet.owner.heldCloses = heldCloses
    deadlineMs = Clock.monotonicMs() + timeoutSeconds * 1000
  }

  var wallet: Wallet { chainWallet.wallet }
  var height: UInt32 { follower.client.tipHeight }

  /// Syncs the wallet with the chain and does pending work.
  func sync() throws {
    try WalletCommand.reporting { () throws(WalletFolderError) in try chainWallet.start() }
    follower.start()
    try run("the chain") { chainWallet.isSynced }
    try handOver()
  }

  // MARK: Automatic actions

  /// Waits briefly until a peer has accepted all pending transactions. The next command relays
  /// those that remain unconfirmed.
  private func handOver() throws {
    let done = chainWallet.owner.takeDeeds()
    deeds += done
    for deed in done { Complaint.tell(WalletSession.text(deed), of: "wallet") }
    let untilMs = min(deadlineMs, Clock.monotonicMs() + WalletSession.handOverMs)
    while Clock.monotonicMs() < untilMs {
      try handleEvents()
      if wallet.pendingTransactions.allSatisfy({ isTaken($0.txid) }) { return }
      try turn(untilMs: untilMs)
    }
    for transaction in wallet.pendingTransactions where !isTaken(transaction.txid) {
      Complaint.tell(
        "no peer has accepted \(transaction.txid.reversed.hex) yet; the next command tries again",
        of: "wallet")
    }
  }

  private func isTaken(_ txid: Bytes32) -> Bool {
    (follower.relayState(txid)?.takenBy ?? 1) > 0
  }

  private static func text(_ deed: WalletDeed) -> String {
    let txid = deed.transaction.txid.reversed.hex
    switch deed.kind {
    case .refund(let channel, let capacitySat):
      return "refunds \(WalletCommand.coins(capacitySat)) from the expired channel "
        + WalletCommand.text(channel) + " with " + txid
    case .close(let channel, _):
      return "closes the channel \(WalletCommand.text(channel)) with " + txid
    case .spedUp(let parent, let feeSat):
      return "speeds up \(parent.reversed.hex) with \(txid), fee \(feeSat) sat"
    case .replaced(let former, let feeSat):
      return "replaces \(former.reversed.hex) by \(txid), which pays the same, fee \(feeSat) sat"
    }
  }

  /// Adds the automatic actions to an answer.
  func withDeeds(_ answer: [String: Any]) -> [String: Any] {
    var answer = answer
    answer["done"] = deeds.map { deed -> [String: Any] in
      var row: [String: Any] = ["txid": deed.transaction.txid.reversed.hex]
      switch deed.kind {
      case .refund(let channel, let capacitySat):
        row["kind"] = "refund"
        row["channel"] = WalletCommand.text(channel)
        row["capacity_sat"] = capacitySat
      case .close(let channel, let capacitySat):
        row["kind"] = "close"
        row["channel"] = WalletCommand.text(channel)
        row["capacity_sat"] = capacitySat
      case .spedUp(let parent, let feeSat):
        row["kind"] = "speed_up"
        row["parent"] = parent.reversed.hex
        row["fee_sat"] = feeSat
      case .replaced(let former, let feeSat):
        row["kind"] = "replacement"
        row["replaced"] = former.reversed.hex
        row["fee_sat"] = feeSat
      }
      return row
    }
    return answer
  }

  // MARK: Sending

  /// Sends an amount, or everything (nil), and waits until a peer has accepted the transaction.
  func send(
    _ amountSat: UInt64?, to script: [UInt8], feeRateSatPerKvB: UInt64?
  ) throws -> Transaction {
    let rate = feeRateSatPerKvB ?? chainWallet.feeRateSatPerKvB
    let transaction = try WalletCommand.reporting { () throws(WalletFolderError) in
      guard let amountSat else {
        return try chainWallet.sweep(to: script, feeRateSatPerKvB: rate)
      }
      let output = TransactionOutput(amountSat: amountSat, scriptPubKey: script)
      return try chainWallet.send(outputs: [output], feeRateSatPerKvB: rate)
    }
    let txid = transaction.txid
    try run("a peer to accept transaction \(txid.reversed.hex)") { isTaken(txid) }
    return transaction
  }

  /// Runs the event loop until `isDone`; on timeout fails, naming `goal`.
  private func run(_ goal: String, until isDone: () -> Bool) throws {
    while true {
      try handleEvents()
      if isDone() { return }
      if Clock.monotonicMs() >= deadlineMs {
        var why = lastStall.map { ": " + $0.message } ?? ""
        if !follower.client.peers.contains(where: \.isReady) { why = ": no peer answers" }
        throw WalletCommand.fail("gave up waiting for \(goal)\(why)")
      }
      try turn(untilMs: deadlineMs)
    }
  }

  private func handleEvents() throws {
    while let event = follower.nextEvent() {
      if case .stalled(let reason) = event { lastStall = reason }
      try WalletCommand.reporting { () throws(WalletFolderError) in try chainWallet.handle(event) }
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
