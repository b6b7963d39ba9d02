import Bitcoin
import Bytes
import LightClient
import TestSupport

/// A chain, a publisher and scripted providers in memory, on a clock of their own: no socket, no disk, no
/// waiting. The chain takes what is broadcast into the next block without judging it; that
/// libbitcoinkernel accepts these transactions is tested beside `Channel` and `Wallet`.
final class World {
  private(set) var nowMs: UInt64 = 1_000_000
  var random: SeededGenerator
  private(set) var blocks: [Block] = []
  private(set) var mempool: [Transaction] = []
  var blockEveryMs: UInt64 = 2_000
  private var nextBlockAtMs: UInt64 = 0
  private var confirmed = Set<Bytes32>()
  private var spent = Set<OutPoint>()

  var providers: [ScriptedProvider] = []
  var publisher: TestPublisher!
  private var links: [(provider: Int, call: UInt64)] = []
  private var lastCall: UInt64 = 0
  /// What is on its way, in order.
  private var queue: [() -> Void] = []

  init(seed: UInt64) {
    random = SeededGenerator(seed: seed)
    mine()
  }

  var unixSeconds: UInt64 { 1_700_000_000 + nowMs / 1000 }
  var tipHeight: UInt32 { UInt32(blocks.count - 1) }

  // MARK: The chain

  func mine() {
    let coinbase = Transaction(
      inputs: [TransactionInput(previous: .coinbase, scriptSig: random.bytes(8))],
      outputs: [TransactionOutput(amountSat: 50 * Amount.satPerCoin, scriptPubKey: [0x51])])
    var included: [Transaction] = []
    for transaction in mempool where transaction.lockTime <= UInt32(blocks.count) {
      if transaction.inputs.contains(where: { spent.contains($0.previous) }) { continue }
      for input in transaction.inputs { spent.insert(input.previous) }
      included.append(transaction)
      confirmed.insert(transaction.txid)
    }
    mempool = []
    let all = [coinbase] + included
    blocks.append(
      Block(
        header: BlockHeader(
          version: 4, previous: blocks.last?.hash ?? .zero,
          merkleRoot: MerkleTree.root(all.map(\.txid)).root, time: UInt32(blocks.count),
          bits: 0x207f_ffff, nonce: 0), transactions: all))
    nextBlockAtMs = nowMs + blockEveryMs
  }

  func broadcast(_ transaction: Transaction) {
    if confirmed.contains(transaction.txid) || mempool.contains(transaction) { return }
    mempool.append(transaction)
  }

  /// A payment out of nowhere, in the next block.
  func give(_ amountSat: UInt64, to script: [UInt8]) {
    mempool.append(
      Transaction(
        inputs: [
          TransactionInput(
            previous: OutPoint(txid: random.bytes32(), index: 0), witness: [random.bytes(64)])
        ], outputs: [TransactionOutput(amountSat: amountSat, scriptPubKey: script)]))
    mine()
  }

  func transaction(_ txid: Bytes32) -> Transaction? {
    for block in blocks {
      if let found = block.transactions.first(where: { $0.txid == txid }) { return found }
    }
    return mempool.first { $0.txid == txid }
  }

  // MARK: Connections

  func dial(_ provider: Int) {
    lastCall += 1
    let call = lastCall
    later { [self] in
      guard publisher.isRunning else { return providers[provider].disconnected() }
      links.append((provider, call))
      publisher.connected(call, address: "192.0.2.\(provider)")
      providers[provider].connected()
    }
  }

  func transmit(fromProvider provider: Int, _ bytes: [UInt8]) {
    guard let link = links.last(where: { $0.provider == provider }) else { return }
    let publisher = self.publisher!
    later { [self] in
      // What was on its way when the publisher was killed is lost with it.
      if publisher === self.publisher { publisher.received(bytes, link.call) }
    }
  }

  func transmit(fromPublisher call: UInt64, _ bytes: [UInt8]) {
    guard let link = links.first(where: { $0.call == call }) else { return }
    later { [self] in
      if links.contains(where: { $0.call == call }) { providers[link.provider].received(bytes) }
    }
  }

  /// One end closed: what it sent before still arrives.
  func hangUp(fromProvider provider: Int) {
    guard let index = links.lastIndex(where: { $0.provider == provider }) else { return }
    let link = links.remove(at: index)
    later { [self] in publisher.disconnected(link.call) }
  }

  func hangUp(fromPublisher call: UInt64) {
    later { [self] in
      guard let index = links.firstIndex(where: { $0.call == call }) else { return }
      let link = links.remove(at: index)
      providers[link.provider].disconnected()
    }
  }

  /// Cuts every connection of a provider; what is on its way is lost.
  func cut(_ provider: Int) {
    let dead = links.filter { $0.provider == provider }
    links.removeAll { $0.provider == provider }
    for link in dead {
      later { [self] in publisher.disconnected(link.call) }
      later { [self] in providers[provider].disconnected() }
    }
  }

  /// The publisher died without a word.
  func publisherDied() {
    let dead = links
    links = []
    for link in dead { later { [self] in providers[link.provider].disconnected() } }
  }

  private func later(_ body: @escaping () -> Void) { queue.append(body) }

  // MARK: Time

  /// Lets everything happen until `condition` holds or this much time has passed. True when it holds.
  @discardableResult
  func run(forMs durationMs: UInt64 = 900_000, until condition: () -> Bool) -> Bool {
    let endMs = nowMs + durationMs
    while true {
      settle()
      if condition() { return true }
      if nowMs >= endMs { return false }
      var wakeMs = min(endMs, nextBlockAtMs, publisher.nextDeadlineMs)
      for provider in providers { wakeMs = min(wakeMs, provider.nextDeadlineMs) }
      nowMs = max(wakeMs, nowMs + 1)
      if nowMs >= nextBlockAtMs { mine() }
      for provider in providers where provider.nextDeadlineMs <= nowMs { provider.timePassed() }
      if publisher.nextDeadlineMs <= nowMs { publisher.timePassed() }
    }
  }

  /// Until nothing moves without time passing.
  private func settle() {
    while true {
      for provider in providers { provider.follow() }
      publisher.follow()
      if queue.isEmpty { return }
      queue.removeFirst()()
    }
  }
}
