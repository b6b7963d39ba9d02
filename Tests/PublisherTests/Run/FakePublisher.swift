import Bitcoin
import Bytes
import Channel
import LightClient
import TestSupport
import Wallet

@testable import Publisher

/// A ``RunMachine`` in a ``World``: its disk is a value, so that it can be killed before any effect and
/// taken up again from what was stored until then.
final class FakePublisher {
  struct Disk {
    var run: [UInt8]?
    var hires: [Bytes32: [UInt8]] = [:]
    var channels: [Bytes32: (sequence: UInt64, amountSat: UInt64, state: [UInt8])] = [:]
    var wallet: [UInt8]?
    var channelIndex: UInt32 = 0
    var results: [UInt16: [UInt8]] = [:]
    var kept: Set<UInt16> = []
  }

  unowned let world: World
  let plan: RunPlan
  let keys: WalletKeys
  var disk: Disk
  var machine: RunMachine
  var isListening = true
  var printed: [UInt16: [UInt8]] = [:]
  var programEvents: [UInt32: [ProgramEvent]] = [:]
  var lines: [String] = []
  /// Effects carried out, over all lives.
  var effectCount = 0
  /// Killed just before the effect with this number.
  var killBefore: Int?
  var end: ExitStatus { RunEnd(machine).status }
  private var toldHeight: Int
  private var hasStarted = false

  init(
    _ world: World, _ plan: RunPlan, keys: WalletKeys, disk: Disk = Disk(), sleptMs: UInt64 = 0
  ) throws {
    self.world = world
    self.sleptMs = sleptMs
    self.plan = plan
    self.keys = keys
    self.disk = disk
    toldHeight = -1
    var wallet = try Wallet(keys: keys, network: .regtest, birthHeight: 0)
    if let document = disk.wallet {
      wallet = try Wallet(document: document, keys: keys, network: .regtest)
    }
    machine = RunMachine(
      plan: plan, network: .regtest, secrets: try RunSecrets(keys: keys), wallet: wallet,
      channelIndex: disk.channelIndex, random: { world.random.bytes32() })
    if let run = disk.run, let record = RunRecord.decode(run) {
      machine.restored(record)
      for (id, bytes) in disk.hires.sorted(by: { $0.key < $1.key }) {
        guard let hire = HireRecord.decode(bytes) else { continue }
        guard let channel = disk.channels[id] else { preconditionFailure("no channel") }
        try machine.restored(hire, channelState: channel.state, now)
      }
    }
  }

  /// How far behind the world's its clock is that nobody sets: so long it slept, or began anew.
  var sleptMs: UInt64
  var now: RunTime { RunTime(nowMs: world.nowMs - sleptMs, unixSeconds: world.unixSeconds) }
  var nextDeadlineMs: UInt64 {
    let deadlineMs = isListening ? machine.nextDeadlineMs : UInt64.max
    return deadlineMs == UInt64.max ? deadlineMs : deadlineMs + sleptMs
  }

  // MARK: Events

  func connected(_ call: UInt64) { if isListening { machine.workerConnected(CallKey(call), now) } }
  func disconnected(_ call: UInt64) {
    if isListening { machine.workerDisconnected(CallKey(call), now) }
  }
  func received(_ bytes: [UInt8], _ call: UInt64) {
    if isListening { machine.received(bytes, from: CallKey(call), now) }
  }
  func timePassed() { if isListening { machine.timePassed(now) } }

  /// Tells the chain, and carries out what follows.
  func follow() {
    if !isListening { return }
    if !hasStarted {
      hasStarted = true
      let blocks = world.blocks
      machine.started(now, tipHeight: world.tipHeight, baseHeight: 0) {
        $0 < blocks.count ? blocks[Int($0)].hash : nil
      }
    }
    carryOut()
    while isListening && toldHeight < Int(world.tipHeight) {
      toldHeight += 1
      let height = UInt32(toldHeight)
      tell(.tipChanged(height: height, hash: world.blocks[toldHeight].hash))
      tell(.blockMatched(height: height, block: world.blocks[toldHeight]))
      tell(.blockScanned(height: height))
      if height == world.tipHeight { tell(.synced(height: height)) }
    }
  }

  private func tell(_ event: LightClientEvent) {
    if !isListening { return }
    let blocks = world.blocks
    machine.chainTold(event, now, feeRateSatPerVb: 1) {
      $0 < blocks.count ? blocks[Int($0)].hash : nil
    }
    carryOut()
  }

  // MARK: Effects

  private func carryOut() {
    while isListening, let effect = machine.nextEffect() {
      if let killBefore, effectCount >= killBefore {
        self.killBefore = nil
        isListening = false
        world.publisherDied()
        return
      }
      effectCount += 1
      carryOut(effect)
    }
  }

  private func carryOut(_ effect: RunEffect) {
    switch effect {
    case .log(_, let text): lines.append(text)
    case .transmit(let key, let bytes): world.transmit(fromPublisher: key.value, bytes)
    case .hangUp(let key): world.hangUp(fromPublisher: key.value)
    case .watch, .unwatch, .forget: break
    case .broadcast(let transaction): world.broadcast(transaction)
    case .storeRun(_, let body): disk.run = body
    case .storeHire(let contract, let body): disk.hires[contract] = body
    case .storeChannel(let contract, let sequence, let amountSat, let state):
      if let stored = disk.channels[contract] {
        precondition(sequence >= stored.sequence && amountSat >= stored.amountSat)
      }
      disk.channels[contract] = (sequence, amountSat, state)
    case .storeWallet(let document): disk.wallet = document
    case .storeChannelIndex(let index): disk.channelIndex = index
    case .appendResults(let worker, let offset, let bytes):
      if offset == 0 { disk.results[worker] = [] }
      precondition(UInt64(disk.results[worker]?.count ?? 0) == offset)
      disk.results[worker, default: []] += bytes
    case .keepResults(let worker): disk.kept.insert(worker)
    case .print(let worker, _, let bytes): printed[worker, default: []] += bytes
    case .program(let id, let event):
      programEvents[id, default: []].append(event)
      if case .output(let isError, let bytes) = event {
        machine.programOutputTaken(id, isError: isError, count: bytes.count, now)
      }
    }
  }

  /// A new program with what the dead one had stored.
  func reborn(sleptMs: UInt64 = 0) throws -> FakePublisher {
    let next = try FakePublisher(world, plan, keys: keys, disk: disk, sleptMs: sleptMs)
    next.effectCount = effectCount
    next.printed = printed
    next.lines = lines + ["-- restarted"]
    return next
  }
}
