import Bitcoin
import Bytes
import Crypto
import LightClient
import Market
import Sandbox
import TestSupport
import Testing

@testable import Agent

/// An ``AgentMachine`` with a driver of numbers: a disk, sandboxes, a chain, and publishers on the wire.
final class LeaseScene {
  /// What the disk holds.
  struct Disk {
    var records: [Bytes32: [UInt8]] = [:]
    var rows: [Bytes32: [UInt32: [UInt8]]] = [:]
    var channels: [Bytes32: (sequence: UInt64, amountSat: UInt64, state: [UInt8])] = [:]
    var memory: [MemoryKind: [UInt8]] = [:]
    var archived: [Bytes32] = []
    var commits = 0
  }

  final class Task {
    let ref: TaskRef
    let spec: JobSpec
    var usage = UsageSample()
    var hasStarted = false
    var sampledMs: UInt64
    var input: [UInt8] = []
    var collected: [UInt8] = []
    var printed = 0

    init(_ ref: TaskRef, _ spec: JobSpec, nowMs: UInt64) {
      self.ref = ref
      self.spec = spec
      sampledMs = nowMs
    }
  }

  var configuration: Configuration
  var machine: AgentMachine
  var nowMs: UInt64 = 1000
  var disk = Disk()
  var tasks: [TaskRef: Task] = [:]
  var frozen: Set<LeaseKey> = []
  var shares: Set<LeaseKey> = []
  var bundles: [LeaseKey: [Bytes32: [UInt8]]] = [:]
  var broadcasts: [Transaction] = []
  var relays: [Transaction] = []
  var log: [String] = []
  var effects: [String] = []
  var dials: [(host: String, atMs: UInt64)] = []
  var erasures = 0
  var publishers: [ScriptedPublisher] = []
  /// Whether peers fetch what is relayed.
  var peersAsk = true
  /// Whether sandboxes come up.
  var sandboxesStart = true
  var height: UInt32 = 100
  var wires: [CallKey: ScriptedPublisher] = [:]
  var seed: UInt64 = 0

  static let payoutScript: [UInt8] = [0, 20] + [UInt8](repeating: 9, count: 20)

  init(_ change: (inout Configuration) -> Void = { _ in }) {
    configuration = Configuration()
    configuration.hourSat = 400_000
    configuration.closeMarginBlocks = 6
    configuration.minChannelBlocks = 6
    configuration.memoryMiB = 256
    configuration.milliCpus = 2000
    change(&configuration)
    machine = LeaseScene.makeMachine(configuration, seed: 0)
    machine.started(now, tipHeight: height)
    sync()
  }

  static func makeMachine(_ configuration: Configuration, seed: UInt64) -> AgentMachine {
    var counter = seed
    return AgentMachine(
      configuration: configuration, network: .regtest,
      secrets: AgentSecrets(seed: Sha256.hash([42])), payoutScript: payoutScript,
      machine: MachineFacts(
        processors: .x86_64, isolation: .full, memoryMiB: 4096, milliCpus: 4000),
      report: [1, 2, 3],
      random: {
        counter += 1
        return Sha256.hash(Array("random \(counter)".utf8))
      })
  }

  var now: Instant { Instant(nowMs: nowMs, unixSeconds: 1_700_000_000 + nowMs / 1000) }

  func sync() {
    tell(.tipChanged(height: height, hash: .zero))
    tell(.synced(height: height))
  }

  /// The owner's plug: everything that is not on disk is gone.
  func restart(forgetRecordsOf forgotten: [Bytes32] = []) {
    for key in wires.keys { wires[key]?.disconnected(key.value) }
    wires = [:]
    tasks = [:]
    shares = []
    frozen = []
    bundles = [:]
    seed += 1000
    machine = LeaseScene.makeMachine(configuration, seed: seed)
    for kind in MemoryKind.allCases {
      if let bytes = disk.memory[kind] { machine.restoredMemory(kind, bytes) }
    }
    for id in disk.records.keys.sorted() where !disk.archived.contains(id) {
      guard let bytes = disk.records[id], let record = LeaseRecord.decode(bytes) else {
        Issue.record("a record that cannot be read")
        continue
      }
      var rows: [StoredRow] = []
      for number in (disk.rows[id] ?? [:]).keys.sorted() {
        rows.append(StoredRow(number: number, body: disk.rows[id]![number]!))
      }
      try! machine.restored(
        StoredLease(
          record: bytes, channels: record.channelIds.map { disk.channels[$0]?.state }, rows: rows),
        now)
    }
    machine.started(now, tipHeight: height)
    sync()
    run()
  }

  // MARK: Publishers and the chain

  func offer(
    memoryMiB: UInt32 = 64, milliCpus: UInt32 = 1000, ceilingSat: UInt64 = 10_000_000,
    change: (inout Offer) -> Void = { _ in }
  ) -> Offer {
    var offer = Offer(
      network: Network.regtest.identity, title: [],
      share: ShareLimits(memoryMiB: memoryMiB, milliCpus: milliCpus, pids: 64, diskMiB: 8),
      priceCeilingSatPerHour: ceilingSat,
      traffic: HourlyTraffic(diskKiB: 1 << 20, networkKiB: 1 << 20), payoutIntervalMs: 1000,
      publisherMaxLossSat: 100_000, holdMs: 60_000, channelBlocks: 100, closeMarginBlocks: 6,
      feeLadderSatPerKvB: [1000, 5000, 25_000])
    change(&offer)
    return offer
  }

  @discardableResult
  func publisher(
    _ offer: Offer? = nil, _ change: (ScriptedPublisher) -> Void = { _ in }
  ) -> ScriptedPublisher {
    let publisher = ScriptedPublisher(
      UInt8(publishers.count + 1), offer: offer ?? self.offer(), port: 7000)
    publisher.height = height
    change(publisher)
    publishers.append(publisher)
    return publisher
  }

  func announce(_ publisher: ScriptedPublisher) {
    mine([publisher.announcement])
  }

  /// A publisher that has hired this machine, with its funding handed over.
  func hire(
    _ offer: Offer? = nil, _ change: (ScriptedPublisher) -> Void = { _ in }
  ) -> ScriptedPublisher {
    let publisher = publisher(offer, change)
    announce(publisher)
    return publisher
  }

  func mine(_ transactions: [Transaction] = [], blocks: Int = 1) {
    for index in 0..<blocks {
      height += 1
      for publisher in publishers { publisher.height = height }
      tell(.tipChanged(height: height, hash: .zero))
      if index == 0 && !transactions.isEmpty {
        let header = BlockHeader(
          version: 1, previous: .zero, merkleRoot: .zero, time: 0, bits: 0, nonce: 0)
        tell(
          .blockMatched(
            height: height, block: Block(header: header, transactions: transactions)))
      }
      run()
    }
  }

  func confirm(_ publisher: ScriptedPublisher, channel: Int = 0) {
    mine([publisher.funding(channel)])
  }

  func disconnectBlocks(to lower: UInt32) {
    tell(.blocksDisconnected(fromHeight: height, toHeight: lower))
    height = lower
    tell(.tipChanged(height: height, hash: .zero))
    run()
  }

  func tell(_ event: LightClientEvent) {
    machine.chainTold(event, now, authenticatedHeight: height, feeRateSatPerKvB: 1000)
    run()
  }

  func breakConnection(_ publisher: ScriptedPublisher) {
    guard let key = publisher.hangUp() else { return }
    wires[CallKey(key)] = nil
    machine.publisherDisconnected(CallKey(key), now)
    run()
  }

  // MARK: Time

  /// Until nothing happens before `ms` have passed.
  func pass(ms: UInt64) {
    let endMs = nowMs + ms
    run()
    var rounds = 0
    while nowMs < endMs {
      var nextMs = min(endMs, max(machine.nextDeadlineMs, nowMs + 1))
      for task in tasks.values where task.hasStarted && !frozen.contains(task.ref.lease) {
        if let endsMs = endsMs(task) { nextMs = min(nextMs, max(endsMs, nowMs + 1)) }
      }
      advance(to: nextMs)
      machine.timePassed(now)
      run()
      rounds += 1
      if rounds > 200_000 {
        Issue.record("the machine spins")
        return
      }
    }
  }

  func advance(to nextMs: UInt64) {
    let elapsedMs = nextMs - nowMs
    for task in tasks.values where task.hasStarted {
      if frozen.contains(task.ref.lease) {
        task.usage.wallMs += elapsedMs
        task.usage.frozenMs += elapsedMs
      } else {
        task.usage.wallMs += elapsedMs
        task.usage.cpuMs += elapsedMs * task.spec.limits.cpuMilli / 1000
        task.usage.memoryMiBMs += elapsedMs * (task.spec.limits.memoryBytes >> 20)
      }
    }
    nowMs = nextMs
  }

  /// `sleep N` ends after N ms of its own time.
  func endsMs(_ task: Task) -> UInt64? {
    let words = task.spec.arguments[0].split(separator: " ")
    guard words[0] == "sleep", let ms = UInt64(words[1]) else { return nil }
    let ranMs = task.usage.wallMs - task.usage.frozenMs
    return nowMs + (ms > ranMs ? ms - ranMs : 0)
  }

  func endDueTasks() -> Bool {
    for ref in tasks.keys.sorted(by: { ($0.lease, $0.number) < ($1.lease, $1.number) }) {
      guard let task = tasks[ref], task.hasStarted, !frozen.contains(ref.lease),
        let endsMs = endsMs(task), endsMs <= nowMs
      else { continue }
      end(ref, .exited(status: 0))
      return true
    }
    return false
  }

  func end(_ ref: TaskRef, _ outcome: JobOutcome) {
    guard let task = tasks[ref], task.hasStarted else { return }
    task.hasStarted = false
    machine.outputEnded(ref, isError: false, now)
    machine.outputEnded(ref, isError: true, now)
    machine.taskEnded(ref, outcome, task.usage, now)
  }

  // MARK: What tests ask

  var summary: LeaseSummary? { machine.leaseSummaries.last }
  var stage: LeaseStage? { summary?.stage }
}
