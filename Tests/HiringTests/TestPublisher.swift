import Bitcoin
import Bytes
import Channel
import Crypto
import LightClient
import Market
import TestSupport
import Wallet

@testable import Hiring

/// A ``HiringMachine`` in a ``World``: its disk is a value, so that it can be killed before any effect and
/// taken up again from what was stored until then.
final class TestPublisher {
  struct Disk {
    var pools: [Bytes32: [UInt8]] = [:]
    var leases: [Bytes32: [UInt8]] = [:]
    var states: [Bytes32: [UInt8]] = [:]
    var channels: [Bytes32: (sequence: UInt64, amountSat: UInt64, state: [UInt8])] = [:]
    var tasks: [TaskId: [UInt8]] = [:]
    var wallet: [UInt8]?
    var providers: [UInt8]?
    var results: [UInt32: [UInt8]] = [:]
    var kept = Set<UInt32>()
  }

  unowned let world: World
  let keys: WalletKeys
  let bundles: [Bytes32: [UInt8]]
  let machine: HiringMachine
  private(set) var disk: Disk
  private(set) var isRunning = true
  /// In this life, by the tasks' indices.
  private(set) var output: [UInt32: [UInt8]] = [:]
  private(set) var outcomes: [UInt32: TaskOutcome] = [:]
  private(set) var restarted: [UInt32] = []
  private(set) var execEvents: [UInt32: [ExecEvent]] = [:]
  private(set) var finished: [Bytes32] = []
  private(set) var lines: [String] = []
  private(set) var broadcasts: [Transaction] = []
  private(set) var wakeUps = 0
  /// Effects carried out; and the name of the one before which it is killed.
  private(set) var effectCount = 0
  var killBefore: Int?
  private(set) var killedBefore: StaticString?
  private var toldHeight = -1
  private var hasStarted = false

  static func keys() throws -> WalletKeys {
    try WalletKeys(seed: [UInt8](repeating: 5, count: 64), network: .regtest)
  }

  init(_ world: World, bundles: [Bytes32: [UInt8]], disk: Disk = Disk()) throws {
    self.world = world
    self.bundles = bundles
    self.disk = disk
    keys = try TestPublisher.keys()
    var wallet = try Wallet(keys: keys, network: .regtest, birthHeight: 0)
    if let document = disk.wallet {
      wallet = try Wallet(document: document, keys: keys, network: .regtest)
    }
    machine = HiringMachine(
      network: .regtest, secrets: try HiringSecrets(keys: keys), wallet: wallet,
      readBundle: { digest, offset, count in
        bundles[digest].map { Array($0[Int(offset)...].prefix(count)) }
      }, random: { world.random.bytes32() })
    if let providers = disk.providers { try machine.restored(providers: providers) }
    for (_, bytes) in disk.pools.sorted(by: { $0.key < $1.key }) {
      guard let record = PoolRecord.decode(bytes) else { throw HiringError.damaged("pool") }
      machine.restored(pool: record, now)
    }
    for (id, bytes) in disk.tasks.sorted(by: { $0.key.index < $1.key.index }) {
      try machine.restored(task: id, bytes)
    }
    for (id, bytes) in disk.leases.sorted(by: { $0.key < $1.key }) {
      var channels: [UInt8: [UInt8]] = [:]
      for number in HiringMachine.channelNumbers(lease: bytes) {
        channels[number] = disk.channels[ChannelId.of(contract: id, number: number)]?.state
      }
      try machine.restored(lease: bytes, state: disk.states[id], channels: channels, now)
    }
  }

  var now: Instant { Instant(nowMs: world.nowMs, unixSeconds: world.unixSeconds) }
  var nextDeadlineMs: UInt64 { isRunning ? machine.nextDeadlineMs : UInt64.max }

  // MARK: Events

  func connected(_ call: UInt64, address: String) {
    if isRunning { machine.connected(CallKey(call), address: address, now) }
  }
  func disconnected(_ call: UInt64) { if isRunning { machine.disconnected(CallKey(call), now) } }
  func received(_ bytes: [UInt8], _ call: UInt64) {
    if isRunning { machine.received(bytes, from: CallKey(call), now) }
  }
  func timePassed() {
    if !isRunning { return }
    wakeUps += 1
    machine.timePassed(now)
  }

  /// Reports the chain, and carries out what follows.
  func follow() {
    if !isRunning { return }
    if !hasStarted {
      hasStarted = true
      let blocks = world.blocks
      machine.started(now, tipHeight: world.tipHeight, baseHeight: 0) {
        $0 < blocks.count ? blocks[Int($0)].hash : nil
      }
    }
    carryOut()
    while isRunning && toldHeight < Int(world.tipHeight) {
      toldHeight += 1
      let height = UInt32(toldHeight)
      chain(.tipChanged(height: height, hash: world.blocks[toldHeight].hash))
      chain(.blockMatched(height: height, block: world.blocks[toldHeight]))
      chain(.blockScanned(height: height))
      if height == world.tipHeight { chain(.synced(height: height)) }
    }
  }

  private func chain(_ event: LightClientEvent) {
    if !isRunning { return }
    let blocks = world.blocks
    machine.chainEvent(event, now, feeRateSatPerKvB: 1000) {
      $0 < blocks.count ? blocks[Int($0)].hash : nil
    }
    carryOut()
  }

  // MARK: Effects

  private func carryOut() {
    while isRunning, let effect = machine.nextEffect() {
      if let killBefore, effectCount >= killBefore {
        killedBefore = effect.name
        isRunning = false
        world.publisherDied()
        return
      }
      effectCount += 1
      carryOut(effect)
    }
  }

  private func carryOut(_ effect: HiringEffect) {
    switch effect {
    case .log(_, let text): lines.append("\(world.nowMs) " + text)
    case .transmit(let key, let bytes): world.transmit(fromPublisher: key.value, bytes)
    case .hangUp(let key): world.hangUp(fromPublisher: key.value)
    case .watch, .recall, .forget: break
    case .broadcast(let transaction):
      broadcasts.append(transaction)
      world.broadcast(transaction)
    case .storePool(let id, let bytes): disk.pools[id] = bytes
    case .storeLease(let id, _, let bytes): disk.leases[id] = bytes
    case .storeLeaseState(let id, let bytes): disk.states[id] = bytes
    case .storeChannel(let id, let sequence, let amountSat, let state):
      if let stored = disk.channels[id] {
        precondition(sequence >= stored.sequence && amountSat >= stored.amountSat)
      }
      disk.channels[id] = (sequence, amountSat, state)
    case .storeTask(let id, let bytes): disk.tasks[id] = bytes
    case .storeWallet(let document): disk.wallet = document
    case .storeProviders(let bytes): disk.providers = bytes
    case .taskStarted: break
    case .taskRestarted(let id):
      restarted.append(id.index)
      output[id.index] = nil
    case .taskOutput(let id, _, let offset, let bytes):
      precondition(UInt64(output[id.index]?.count ?? 0) == offset || offset == 0)
      if offset == 0 { output[id.index] = [] }
      output[id.index, default: []] += bytes
    case .taskResults(let id, let offset, let bytes):
      if offset == 0 { disk.results[id.index] = [] }
      precondition(UInt64(disk.results[id.index]?.count ?? 0) == offset)
      disk.results[id.index, default: []] += bytes
    case .keepResults(let id): disk.kept.insert(id.index)
    case .taskEnded(let id, let outcome):
      precondition(outcomes[id.index] == nil, "a task ended twice")
      outcomes[id.index] = outcome
    case .exec(let id, let event): execEvents[id, default: []].append(event)
    case .poolFinished(let id): finished.append(id)
    }
  }

  func says(_ text: String) -> Bool { lines.contains { $0.contains(text) } }
}
