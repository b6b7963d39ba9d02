import Agent
import Bitcoin
import Bytes
import Hiring
import LightClient
import Market
import Simulator
import TestSupport

/// Publishers, providers, a chain and the network between them, on one clock: no socket, no disk, no
/// waiting. The same seed gives the same run.
public final class MarketWorld {
  public private(set) var nowMs: UInt64 = 1_000_000
  var random: SeededGenerator
  public let chain: MarketChain
  private(set) var providers: [SimulatedProvider] = []
  private(set) var publishers: [SimulatedPublisher] = []
  /// What broke a promise of the code under test, one line each.
  public private(set) var failures: [String] = []

  public var blockEveryMs: UInt64 = 10_000
  public var closeMarginBlocks: UInt32 = 6
  public var faults = FaultOptions()
  private var nextBlockAtMs: UInt64

  private struct Link {
    let id: Int
    let provider: Int
    let providerKey: Agent.CallKey
    let publisher: Int
    let publisherKey: Hiring.CallKey
    var arrivesAtProviderMs: UInt64 = 0
    var arrivesAtPublisherMs: UInt64 = 0
  }
  private var links: [Link] = []
  private var lastLink = 0
  private var queue = EventQueue<() -> Void>()
  private var toDoubleSpend: [Bytes32] = []

  public init(seed: UInt64) {
    random = SeededGenerator(seed: seed)
    chain = MarketChain(seed: seed)
    nextBlockAtMs = nowMs + 10_000
  }

  public var unixSeconds: UInt64 { 1_700_000_000 + nowMs / 1000 }

  func fail(_ text: String) { failures.append("\(nowMs) " + text) }

  public func addProvider(_ behaviour: ProviderBehaviour = ProviderBehaviour()) {
    providers.append(SimulatedProvider(self, providers.count, behaviour))
  }

  /// A publisher with coins.
  public func addPublisher(
    _ behaviour: PublisherBehaviour = PublisherBehaviour(), coinsSat: UInt64 = 10_000_000
  ) throws {
    let publisher = try SimulatedPublisher(self, publishers.count, behaviour)
    publishers.append(publisher)
    chain.give(coinsSat, to: publisher.receiveScript)
  }

  // MARK: The chain

  func relay(_ transaction: Transaction) {
    let isNew = !chain.isKnown(transaction.txid)
    if chain.submit(transaction) != nil || !isNew { return }
    let script = Beacon.scriptPubKey
    if transaction.outputs.contains(where: { $0.scriptPubKey == script }) {
      for provider in providers {
        later(delay()) { provider.chainEvent(.transactionSeen(transaction)) }
      }
    }
  }

  func doubleSpendLater(_ txid: Bytes32) {
    if !toDoubleSpend.contains(txid) { toDoubleSpend.append(txid) }
  }

  private func mine() {
    for txid in toDoubleSpend where !chain.isConfirmed(txid) { _ = chain.doubleSpend(txid) }
    chain.mine()
    nextBlockAtMs = nowMs + blockEveryMs / 2 + UInt64(random.int(0...Int(blockEveryMs)))
  }

  /// The last blocks are replaced by one more than they were.
  func reorganise(depth: Int) {
    let real = min(depth, chain.blocks.count - 1)
    chain.disconnect(real)
    for _ in 0...real { chain.mine() }
  }

  /// What the closes of a lease's channels paid to its provider, as the chain has it.
  func payoutSat(of lease: Agent.LeaseSummary, to script: [UInt8]) -> UInt64 {
    var sum: UInt64 = 0
    for funding in [lease.funding] + lease.topUps.map(\.funding) {
      guard let funding, let close = chain.spentBy[funding] else { continue }
      for output in close.outputs where output.scriptPubKey == script { sum += output.amountSat }
    }
    return sum
  }

  // MARK: Connections

  private func delay() -> UInt64 {
    faults.minDelayMs
      + UInt64(random.int(0...Int(faults.maxDelayMs - faults.minDelayMs)))
  }

  private func chance(_ probability: Double) -> Bool {
    probability > 0 && Double(random.int(0...999_999)) / 1_000_000 < probability
  }

  private func later(_ ms: UInt64, _ body: @escaping () -> Void) {
    queue.push(body, atMs: nowMs + ms)
  }

  /// Publishers listen at the port 4500 + index.
  func dial(provider: Int, _ key: Agent.CallKey, port: UInt16) {
    let publisher = Int(port) - 4500
    let fails = chance(faults.dialFailure)
    later(delay()) { [self] in
      if fails || !publishers.indices.contains(publisher) || publishers[publisher].isGone {
        return providers[provider].disconnected(key)
      }
      lastLink += 1
      let link = Link(
        id: lastLink, provider: provider, providerKey: key, publisher: publisher,
        publisherKey: Hiring.CallKey(UInt64(lastLink)))
      links.append(link)
      providers[provider].connected(key)
      publishers[publisher].connected(link.publisherKey, address: "198.51.100.\(provider)")
    }
  }

  func transmit(provider: Int, _ key: Agent.CallKey, _ bytes: [UInt8]) {
    guard
      let index = links.lastIndex(where: { $0.provider == provider && $0.providerKey == key })
    else { return }
    if chance(faults.disconnect) { return cut(links[index].id) }
    let link = links[index]
    let at = max(link.arrivesAtPublisherMs, nowMs + delay())
    links[index].arrivesAtPublisherMs = at
    let publisher = publishers[link.publisher]
    queue.push({ publisher.received(bytes, link.publisherKey) }, atMs: at)
  }

  func transmit(publisher: Int, _ key: Hiring.CallKey, _ bytes: [UInt8]) {
    guard
      let index = links.lastIndex(where: { $0.publisher == publisher && $0.publisherKey == key })
    else { return }
    if chance(faults.disconnect) { return cut(links[index].id) }
    let link = links[index]
    let at = max(link.arrivesAtProviderMs, nowMs + delay())
    links[index].arrivesAtProviderMs = at
    let provider = providers[link.provider]
    queue.push({ provider.received(bytes, link.providerKey) }, atMs: at)
  }

  /// One end closed: what it sent before still arrives.
  func hangUp(provider: Int, _ key: Agent.CallKey) {
    guard
      let index = links.lastIndex(where: { $0.provider == provider && $0.providerKey == key })
    else { return }
    let link = links.remove(at: index)
    let publisher = publishers[link.publisher]
    queue.push(
      { publisher.disconnected(link.publisherKey) },
      atMs: max(link.arrivesAtPublisherMs, nowMs) + 1)
  }

  func hangUp(publisher: Int, _ key: Hiring.CallKey) {
    guard
      let index = links.lastIndex(where: { $0.publisher == publisher && $0.publisherKey == key })
    else { return }
    let link = links.remove(at: index)
    let provider = providers[link.provider]
    queue.push(
      { provider.disconnected(link.providerKey) },
      atMs: max(link.arrivesAtProviderMs, nowMs) + 1)
  }

  private func cut(_ id: Int) {
    guard let index = links.firstIndex(where: { $0.id == id }) else { return }
    let link = links.remove(at: index)
    later(1) { [self] in
      providers[link.provider].disconnected(link.providerKey)
      publishers[link.publisher].disconnected(link.publisherKey)
    }
  }

  func providerDied(_ provider: Int) {
    for link in links where link.provider == provider {
      later(1) { [self] in publishers[link.publisher].disconnected(link.publisherKey) }
    }
    links.removeAll { $0.provider == provider }
  }

  func publisherDied(_ publisher: Int) {
    for link in links where link.publisher == publisher {
      later(1) { [self] in providers[link.provider].disconnected(link.providerKey) }
    }
    links.removeAll { $0.publisher == publisher }
  }

  // MARK: Time

  /// Lets everything happen until `condition` holds or this much time has passed. True when it holds.
  @discardableResult
  public func run(forMs durationMs: UInt64, until condition: () -> Bool = { false }) -> Bool {
    let endMs = nowMs + durationMs
    while true {
      settle()
      if condition() { return true }
      if nowMs >= endMs || !failures.isEmpty { return false }
      var wakeMs = min(endMs, nextBlockAtMs, queue.nextMs ?? UInt64.max)
      for provider in providers { wakeMs = min(wakeMs, provider.nextDeadlineMs) }
      for publisher in publishers { wakeMs = min(wakeMs, publisher.nextDeadlineMs) }
      if wakeMs <= nowMs { stuckTurns += 1 } else { stuckTurns = 0 }
      if stuckTurns > 10_000 {
        fail(
          "time stands still: a deadline is not met by its own event: "
            + providers.map { "provider \($0.index) \($0.nextDeadlineMs)" }.joined(separator: ", ")
            + publishers.map { "publisher \($0.index) \($0.nextDeadlineMs)" }
            .joined(separator: ", ") + ", block \(nextBlockAtMs), queue \(queue.nextMs ?? 0)")
        return false
      }
      nowMs = max(wakeMs, nowMs)
      while let next = queue.nextMs, next <= nowMs, let item = queue.pop() { item.event() }
      if nowMs >= nextBlockAtMs { mine() }
      for provider in providers where provider.nextDeadlineMs <= nowMs { provider.timePassed() }
      for publisher in publishers where publisher.nextDeadlineMs <= nowMs {
        publisher.timePassed()
      }
    }
  }

  private var stuckTurns = 0

  /// Until nothing moves without time passing.
  private func settle() {
    var turns = 0
    while true {
      var moved = false
      for provider in providers where provider.follow() { moved = true }
      for publisher in publishers where publisher.follow() { moved = true }
      if !moved { return }
      turns += 1
      if turns > 10_000 { return fail("effects lead to effects without end") }
    }
  }
}
