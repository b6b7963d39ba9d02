import Agent
import Bitcoin
import Bytes
import Capability
import Channel
import Crypto
import LightClient
import Market
import Sandbox
import TestSupport

/// How a provider behaves beyond what its ``AgentMachine`` decides.
public struct ProviderBehaviour: Sendable {
  public var hourSat: UInt64 = 400_000
  /// What its tasks used is reported multiplied by this, in tenths.
  public var overstatesTenths: UInt64 = 10
  /// Tasks go on whatever is asked for.
  public var ignoresStops = false
  /// After its first stored payment it is gone for good.
  public var vanishesWhenPaid = false
  /// Its monotonic clock's deviation, millionths.
  public var clockPpm: Int64 = 0
  public var memoryMiB: UInt32 = 256
  public var milliCpus: UInt32 = 2000

  public init() {}
}

/// An ``AgentMachine`` with a disk and sandboxes that are values: it can be killed before any effect, and
/// started again from what was stored until then.
final class SimulatedProvider {
  struct Disk {
    var leases: [Bytes32: [UInt8]] = [:]
    var rows: [Bytes32: [UInt32: [UInt8]]] = [:]
    var channels: [Bytes32: (sequence: UInt64, amountSat: UInt64, state: [UInt8])] = [:]
    var archived = Set<Bytes32>()
    var memory: [MemoryKind: [UInt8]] = [:]
  }

  unowned let world: MarketWorld
  let index: Int
  let behaviour: ProviderBehaviour
  let secrets: AgentSecrets
  let payoutScript: [UInt8]
  private(set) var machine: AgentMachine
  private(set) var feed = ChainFeed()
  private(set) var disk = Disk()
  private var tasks: [TaskRef: SimulatedTask] = [:]
  private var results: [TaskRef: [UInt8]] = [:]
  private var frozenShares = Set<LeaseKey>()
  /// Shares that are open, with the bundles that came.
  private var staged: [LeaseKey: Set<Bytes32>] = [:]
  /// What the agent last reported of each lease, and the loss that its contract allows.
  private(set) var summaries: [Bytes32: Agent.LeaseSummary] = [:]
  private(set) var risks: [Bytes32: UInt64] = [:]
  private(set) var lines: [String] = []
  private(set) var effectCount = 0
  /// Killed just before the effect with this number; nil lets it live.
  var killBefore: Int?
  private(set) var isGone = false
  /// Starts again then.
  private(set) var wakesAtMs: UInt64?
  private let report: [UInt8]
  private var hasStarted = false

  init(_ world: MarketWorld, _ index: Int, _ behaviour: ProviderBehaviour) {
    self.world = world
    self.index = index
    self.behaviour = behaviour
    secrets = AgentSecrets(seed: Sha256.hash([0x70, UInt8(index)]))
    payoutScript = Script.p2wsh(witnessScript: [0x51, UInt8(index)])
    var signed = CapabilityReport(
      identity: secrets.identity.publicKey, blockHeight: 0, blockHash: .zero, unixSeconds: 1,
      architecture: "x86_64", processors: 2, memoryMiB: behaviour.memoryMiB, isolation: 2,
      results: [])
    signed.sign(secrets.identity)
    report = signed.encode()
    machine = SimulatedProvider.machine(world, behaviour, secrets, payoutScript, report)
  }

  private static func machine(
    _ world: MarketWorld, _ behaviour: ProviderBehaviour, _ secrets: AgentSecrets,
    _ payoutScript: [UInt8], _ report: [UInt8]
  ) -> AgentMachine {
    var configuration = Configuration()
    configuration.hourSat = behaviour.hourSat
    configuration.closeMarginBlocks = world.closeMarginBlocks
    configuration.minChannelBlocks = 2
    configuration.memoryMiB = behaviour.memoryMiB
    configuration.milliCpus = behaviour.milliCpus
    return AgentMachine(
      configuration: configuration, network: .regtest, secrets: secrets,
      payoutScript: payoutScript,
      machine: MachineFacts(
        processors: .x86_64, isolation: .full, memoryMiB: behaviour.memoryMiB,
        milliCpus: behaviour.milliCpus), report: report,
      random: { world.random.bytes32() })
  }

  // MARK: Time

  private var nowMs: UInt64 {
    UInt64(Int64(world.nowMs) + Int64(world.nowMs) * behaviour.clockPpm / 1_000_000)
  }
  var now: Instant { Instant(nowMs: nowMs, unixSeconds: world.unixSeconds) }

  /// By the world's clock.
  var nextDeadlineMs: UInt64 {
    if let wakesAtMs { return wakesAtMs }
    if isGone { return UInt64.max }
    var deadline = machine.nextDeadlineMs
    for task in tasks.values { if let at = task.endsAtMs { deadline = min(deadline, at) } }
    if behaviour.clockPpm == 0 || deadline == UInt64.max { return deadline }
    return deadline * 1_000_000 / UInt64(1_000_000 + behaviour.clockPpm) + 1
  }

  func timePassed() {
    if let at = wakesAtMs, world.nowMs >= at { return restart() }
    if isGone { return }
    for (ref, task) in tasks.sorted(by: { $0.key.number < $1.key.number }) {
      if let at = task.endsAtMs, nowMs >= at { end(ref, .exited(status: task.status)) }
    }
    machine.timePassed(now)
  }

  // MARK: Life

  /// Nothing more comes from it.
  func vanish() {
    isGone = true
    tasks = [:]
    world.providerDied(index)
  }

  /// Killed now; its program starts again after a while.
  func crash(restartsAfterMs: UInt64) {
    vanish()
    wakesAtMs = world.nowMs + restartsAfterMs
  }

  private func restart() {
    wakesAtMs = nil
    isGone = false
    results = [:]
    frozenShares = []
    staged = [:]
    feed = ChainFeed()
    hasStarted = false
    machine = SimulatedProvider.machine(world, behaviour, secrets, payoutScript, report)
    for (kind, bytes) in disk.memory.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
      machine.restoredMemory(kind, bytes)
    }
    for (contract, record) in disk.leases.sorted(by: { $0.key < $1.key })
    where !disk.archived.contains(contract) {
      let ids = Agent.LeaseRecord.decode(record)?.channelIds ?? []
      let rows = (disk.rows[contract] ?? [:]).sorted { $0.key < $1.key }
      let stored = StoredLease(
        record: record, channels: ids.map { disk.channels[$0]?.state },
        rows: rows.map { StoredRow(number: $0.key, body: $0.value) })
      do { try machine.restored(stored, now) } catch {
        world.fail("provider \(index): a lease cannot be restored: \(error)")
      }
    }
  }

  // MARK: The publisher

  func connected(_ key: CallKey) { if !isGone { machine.publisherConnected(key, now) } }
  func disconnected(_ key: CallKey) { if !isGone { machine.publisherDisconnected(key, now) } }
  func received(_ bytes: [UInt8], _ key: CallKey) {
    if !isGone { machine.received(bytes, from: key, now) }
  }

  func chainEvent(_ event: LightClientEvent) { feed.queue(event) }

  /// Reports the chain, and carries out what follows. True when anything happened.
  func follow() -> Bool {
    if isGone { return false }
    let before = effectCount
    if !hasStarted {
      hasStarted = true
      machine.started(now, tipHeight: 0)
      machine.reportSigned(report, now)
    }
    carryOut()
    var hasEvents = false
    while !isGone, let event = feed.next(world.chain) {
      hasEvents = true
      for transaction in feed.broadcast.values { world.chain.submit(transaction) }
      machine.chainTold(
        event, now, authenticatedHeight: world.chain.tipHeight, feeRateSatPerKvB: 1000)
      carryOut()
    }
    let moved = hasEvents || effectCount != before
    if moved && !isGone {
      for summary in machine.leaseSummaries { summaries[summary.contract] = summary }
    }
    return moved
  }

  // MARK: Effects

  private func carryOut() {
    while !isGone, let effect = machine.nextEffect() {
      if let killBefore, effectCount >= killBefore {
        self.killBefore = nil
        return crash(restartsAfterMs: 50 + UInt64(world.random.int(0...5000)))
      }
      effectCount += 1
      carryOut(effect)
    }
  }

  private func carryOut(_ effect: AgentEffect) {
    switch effect {
    case .log(_, let text): lines.append("\(world.nowMs) \(text)")
    case .dial(let key, _, let port, _): world.dial(provider: index, key, port: port)
    case .transmit(let key, let bytes): world.transmit(provider: index, key, bytes)
    case .hangUp(let key): world.hangUp(provider: index, key)
    case .watch(let script, let height): feed.watch(script, fromHeight: height, world.chain)
    case .unwatch(let script): feed.unwatch(script)
    case .broadcast(let transaction):
      feed.add(transaction)
      world.relay(transaction)
    case .relay(let transaction):
      feed.add(transaction)
      world.relay(transaction)
      let txid = transaction.txid
      if world.chain.isKnown(txid) { feed.queue(.transactionRelayed(txid: txid, peers: 2)) }
    case .forget(let txid): feed.forget(txid)
    case .storeLease, .storeRows, .storeChannel, .archiveLease, .storeMemory: store(effect)
    case .eraseTraces: break
    default: carryOutInSandbox(effect)
    }
  }

  private func store(_ effect: AgentEffect) {
    switch effect {
    case .storeLease(let contract, let bytes):
      disk.leases[contract] = bytes
      if let record = Agent.LeaseRecord.decode(bytes) {
        risks[contract] = record.contract.body.providerMaxLossSat
      }
    case .storeRows(let contract, let rows):
      for row in rows {
        disk.rows[contract, default: [:]][row.number] = row.body.isEmpty ? nil : row.body
      }
    case .storeChannel(let id, let sequence, let amountSat, let state):
      if let stored = disk.channels[id] {
        if sequence < stored.sequence || amountSat < stored.amountSat {
          world.fail("provider \(index): a channel's state goes backwards")
        }
      }
      disk.channels[id] = (sequence, amountSat, state)
      if behaviour.vanishesWhenPaid && amountSat > 0 { vanish() }
    case .archiveLease(let contract, _): disk.archived.insert(contract)
    case .storeMemory(let kind, let bytes): disk.memory[kind] = bytes
    default: break
    }
  }

  private func carryOutInSandbox(_ effect: AgentEffect) {
    switch effect {
    case .openShare(let lease, _, _): staged[lease] = []
    case .stageBundle(let lease, let digest, _):
      if staged[lease] == nil { world.fail("provider \(index): a bundle has nowhere to go") }
      staged[lease]?.insert(digest)
    case .dropBundle(let lease, let digest): staged[lease]?.remove(digest)
    case .closeShare(let lease):
      staged[lease] = nil
      for ref in tasks.keys where ref.lease == lease { tasks[ref] = nil }
      for ref in results.keys where ref.lease == lease { results[ref] = nil }
      frozenShares.remove(lease)
    case .freezeShare(let lease), .thawShare(let lease):
      let isFreeze: Bool
      if case .freezeShare = effect { isFreeze = true } else { isFreeze = false }
      if isFreeze { frozenShares.insert(lease) } else { frozenShares.remove(lease) }
      for ref in tasks.keys where ref.lease == lease {
        tasks[ref]?.setFrozen(isFreeze, nowMs: nowMs)
      }
    case .startTask(let ref, let spec, let digests):
      if !(staged[ref.lease] ?? []).isSuperset(of: digests) {
        world.fail("provider \(index): task \(ref.number) starts without its bundles")
      }
      let task = SimulatedTask(
        spec, nowMs: nowMs, isFrozen: frozenShares.contains(ref.lease))
      tasks[ref] = task
      machine.taskStarted(ref, now)
      if task.outputBytes > 0 {
        machine.outputRead(
          ref, [UInt8](repeating: 0x61, count: task.outputBytes), isError: false, now)
      }
    case .writeInput(let ref, let bytes): machine.inputTaken(ref, count: bytes.count, now)
    case .signalTask(let ref, let number):
      if !behaviour.ignoresStops { end(ref, .signalled(number)) }
    case .terminate(let ref, let reason):
      if !behaviour.ignoresStops { end(ref, .terminated(reason)) }
    case .sampleUsage(let ref):
      if let task = tasks[ref] { machine.usageSampled(ref, reported(task), now) }
    case .collectResults(let ref, _, _):
      let bytes = [UInt8](repeating: 0x62, count: tasks[ref]?.resultBytes ?? 0)
      results[ref] = bytes
      machine.resultsCollected(
        ref, sizeBytes: UInt64(bytes.count), digest: bytes.isEmpty ? .zero : Sha256.hash(bytes),
        now)
    case .readResults(let ref, let offset, let count):
      let bytes = results[ref] ?? []
      machine.resultBytes(
        ref, Array(bytes.dropFirst(Int(offset)).prefix(count)), offset: offset, now)
    case .dropResults(let ref): results[ref] = nil
    case .destroyTask(let ref): tasks[ref] = nil
    default: break
    }
  }

  private func end(_ ref: TaskRef, _ outcome: JobOutcome) {
    guard var task = tasks[ref], task.endedAtMs == nil else { return }
    task.end(nowMs: nowMs)
    tasks[ref] = task
    machine.outputEnded(ref, isError: false, now)
    machine.outputEnded(ref, isError: true, now)
    machine.taskEnded(ref, outcome, reported(task), now)
  }

  private func reported(_ task: SimulatedTask) -> UsageSample {
    var sample = task.usage(nowMs: nowMs)
    sample.cpuMs = sample.cpuMs * behaviour.overstatesTenths / 10
    sample.memoryMiBMs = sample.memoryMiBMs * behaviour.overstatesTenths / 10
    return sample
  }
}
