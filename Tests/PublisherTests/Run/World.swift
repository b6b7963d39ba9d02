import Bitcoin
import Bytes
import LightClient
import TestSupport

@testable import Publisher

/// A chain, a publisher and some machines in memory, on a clock of their own: no socket, no disk, no
/// waiting. The chain takes what is broadcast into the next block without judging it; that
/// libbitcoinkernel accepts these transactions is tested beside `Channel` and `Wallet`.
final class World {
  var nowMs: UInt64 = 1_000_000
  var random: SeededGenerator
  private(set) var blocks: [Block] = []
  var mempool: [Transaction] = []
  var blockEveryMs: UInt64 = 1_000
  private var nextBlockAtMs: UInt64 = 0
  private var confirmed = Set<Bytes32>()

  var machines: [FakeMachine] = []
  var publisher: FakePublisher!
  private var links: [(machine: Int, job: UInt32, call: UInt64)] = []
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
    let included = mempool.filter { transaction in
      !transaction.inputs.contains { spent.contains($0.previous) }
        && transaction.lockTime <= UInt32(blocks.count)
    }
    for transaction in included { for input in transaction.inputs { spent.insert(input.previous) } }
    mempool = []
    for transaction in included { confirmed.insert(transaction.txid) }
    let all = [coinbase] + included
    blocks.append(
      Block(
        header: BlockHeader(
          version: 4, previous: blocks.last?.hash ?? .zero,
          merkleRoot: MerkleTree.root(all.map(\.txid)).root, time: UInt32(blocks.count),
          bits: 0x207f_ffff, nonce: 0), transactions: all))
    nextBlockAtMs = nowMs + blockEveryMs
  }

  private var spent = Set<OutPoint>()

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
    return nil
  }

  // MARK: Connections

  func dial(_ machine: Int, _ job: UInt32) {
    lastCall += 1
    let call = lastCall
    later { [self] in
      guard publisher.isListening else { return machines[machine].disconnected(job) }
      links.append((machine, job, call))
      machines[machine].connected(job)
      publisher.connected(call)
    }
  }

  func transmit(fromMachine machine: Int, _ job: UInt32, _ bytes: [UInt8]) {
    guard let link = links.last(where: { $0.machine == machine && $0.job == job }) else { return }
    let publisher = self.publisher!
    later { [self] in
      if publisher === self.publisher { publisher.received(bytes, link.call) }
    }
  }

  func transmit(fromPublisher call: UInt64, _ bytes: [UInt8]) {
    guard let link = links.first(where: { $0.call == call }) else { return }
    let machine = machines[link.machine]
    later { [self] in
      // What was on its way when a machine was killed is lost with it.
      guard machine === machines[link.machine] else { return }
      machine.received(bytes, link.job)
    }
  }

  /// One end closed: what it sent before still arrives.
  func hangUp(fromMachine machine: Int, _ job: UInt32) {
    guard let index = links.lastIndex(where: { $0.machine == machine && $0.job == job }) else {
      return
    }
    let link = links.remove(at: index)
    later { [self] in publisher.disconnected(link.call) }
  }

  func hangUp(fromPublisher call: UInt64) {
    guard let index = links.firstIndex(where: { $0.call == call }) else { return }
    let link = links.remove(at: index)
    later { [self] in machines[link.machine].disconnected(link.job) }
  }

  /// Cuts every connection of a machine; what is on its way is lost.
  func cut(_ machine: Int) {
    for link in links where link.machine == machine {
      later { [self] in publisher.disconnected(link.call) }
      later { [self] in machines[link.machine].disconnected(link.job) }
    }
    links.removeAll { $0.machine == machine }
  }

  /// The publisher died without a word.
  func publisherDied() {
    let dead = links
    links = []
    for link in dead { later { [self] in machines[link.machine].disconnected(link.job) } }
  }

  func machineDied(_ machine: Int) {
    let dead = links.filter { $0.machine == machine }
    links.removeAll { $0.machine == machine }
    for link in dead { later { [self] in publisher.disconnected(link.call) } }
  }

  private func later(_ body: @escaping () -> Void) { queue.append(body) }

  // MARK: Time

  /// Lets everything happen until `condition` holds or this much time has passed. True when it holds.
  @discardableResult
  func run(forMs durationMs: UInt64 = 600_000, until condition: () -> Bool) -> Bool {
    let endMs = nowMs + durationMs
    while true {
      settle()
      if condition() { return true }
      if nowMs >= endMs { return false }
      var wakeMs = min(endMs, nextBlockAtMs, publisher.nextDeadlineMs)
      for machine in machines { wakeMs = min(wakeMs, machine.nextDeadlineMs) }
      nowMs = max(wakeMs, nowMs + 1)
      if nowMs >= nextBlockAtMs { mine() }
      for machine in machines where machine.nextDeadlineMs <= nowMs { machine.timePassed() }
      if publisher.nextDeadlineMs <= nowMs { publisher.timePassed() }
    }
  }

  /// Until nothing moves without time passing.
  private func settle() {
    while true {
      for machine in machines { machine.follow() }
      publisher.follow()
      if queue.isEmpty { return }
      queue.removeFirst()()
    }
  }
}
