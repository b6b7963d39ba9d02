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

@testable import Publisher

/// An ``AgentMachine`` in a ``World``, whose sandbox is a few numbers.
final class FakeMachine {
  /// What a job here does, and how honest its machine is.
  struct Behaviour {
    var hourSat: UInt64 = 50_000_000
    var jobMs: UInt64 = 3_000
    var exitStatus: UInt8 = 0
    var results: [UInt8] = Array(repeating: 0x61, count: 100_000)
    var output: [UInt8] = Array("hello\n".utf8)
    /// Processor time told for each millisecond, in thousandths.
    var cpuPermille: UInt64 = 500
    /// What the report is signed with is another machine's key.
    var signsWithOtherKey = false
    /// Whatever is said, the job goes on.
    var ignoresTimeLimit = false
    /// The cache has it.
    var hasBundle = false
    /// The results handed over differ from their digest.
    var corruptsResults = false
    var network = Network.regtest
    /// The sandbox vanishes while they are collected.
    var losesResults = false
    /// How much faster than the world's its clock goes, millionths.
    var clockPpm: Int64 = 0
    /// What it uses is measured as on a real machine, instead of told.
    var metered: MeteredJob?
  }

  unowned let world: World
  let index: Int
  var behaviour: Behaviour
  let secrets: AgentSecrets
  let machine: AgentMachine
  let payoutScript: [UInt8]
  var lines: [String] = []
  private var toldHeight = -1
  private var hasStarted = false
  private var report: [UInt8]

  // MARK: The sandbox
  private struct Sandbox {
    var key: JobKey
    var startedAtMs: UInt64
    var frozenSinceMs: UInt64?
    var frozenMs: UInt64 = 0
    var endedAtMs: UInt64?
  }
  private var sandbox: Sandbox?
  private(set) var wasFrozen = false
  private(set) var input: [UInt8] = []
  private(set) var inputIsEnded = false
  private(set) var askedFor: [Bytes32] = []
  private(set) var cached: Bytes32?
  private(set) var transferredBytes = 0
  /// Further programs that were started and not let go of.
  private(set) var programs = Set<UInt32>()
  private(set) var actions: [ProgramAction] = []
  /// The plug was pulled.
  var isGone = false

  init(_ world: World, _ index: Int, _ behaviour: Behaviour = Behaviour()) {
    self.world = world
    self.index = index
    self.behaviour = behaviour
    var seed = [UInt8](repeating: 9, count: 32)
    seed[0] = UInt8(index)
    secrets = AgentSecrets(seed: Bytes32(seed))
    payoutScript = Script.p2wsh(witnessScript: [0x51, UInt8(index)])
    var configuration = Configuration()
    configuration.hourSat = behaviour.hourSat
    configuration.maxLossSat = 1_000_000
    var signed = CapabilityReport(
      identity: secrets.identity.publicKey, blockHeight: 0, blockHash: .zero, unixSeconds: 1,
      architecture: "x86_64", processors: 1, memoryMiB: 256, isolation: 2, results: [])
    signed.sign(secrets.identity)
    if behaviour.signsWithOtherKey {
      signed.signature = Ed25519.KeyPair(seed: Bytes32([UInt8](repeating: 3, count: 32)))
        .sign(signed.digest.array)
    }
    report = signed.encode()
    machine = AgentMachine(
      configuration: configuration, network: behaviour.network, secrets: secrets,
      payoutScript: payoutScript,
      machine: MachineFacts(
        processors: .x86_64, isolation: .full, memoryMiB: 256, milliCpus: 1000), report: report,
      random: { world.random.bytes32() })
  }

  /// By its own clock.
  private var nowMs: UInt64 {
    UInt64(Int64(world.nowMs) + Int64(world.nowMs) * behaviour.clockPpm / 1_000_000)
  }
  var now: Instant { Instant(nowMs: nowMs, unixSeconds: world.unixSeconds) }

  /// By the world's clock.
  var nextDeadlineMs: UInt64 {
    let deadlineMs = isGone ? UInt64.max : min(machine.nextDeadlineMs, endAtMs ?? UInt64.max)
    if behaviour.clockPpm == 0 || deadlineMs == UInt64.max { return deadlineMs }
    return deadlineMs * 1_000_000 / UInt64(1_000_000 + behaviour.clockPpm) + 1
  }

  /// Frozen time does not count.
  private var endAtMs: UInt64? {
    guard let sandbox, sandbox.endedAtMs == nil, sandbox.frozenSinceMs == nil else { return nil }
    return sandbox.startedAtMs + behaviour.jobMs + sandbox.frozenMs
  }

  // MARK: Events

  func connected(_ job: UInt32) { if !isGone { machine.publisherConnected(JobKey(job), now) } }
  func disconnected(_ job: UInt32) {
    if !isGone { machine.publisherDisconnected(JobKey(job), now) }
  }
  func received(_ bytes: [UInt8], _ job: UInt32) {
    if !isGone { machine.received(bytes, from: JobKey(job), now) }
  }

  func timePassed() {
    if let at = endAtMs, nowMs >= at { end(.exited(status: behaviour.exitStatus)) }
    machine.timePassed(now)
  }

  func follow() {
    if isGone { return }
    if !hasStarted {
      hasStarted = true
      machine.started(now, tipHeight: world.tipHeight)
      machine.reportSigned(report, now)
    }
    carryOut()
    while toldHeight < Int(world.tipHeight) {
      toldHeight += 1
      let height = UInt32(toldHeight)
      tell(.tipChanged(height: height, hash: world.blocks[toldHeight].hash))
      tell(.blockMatched(height: height, block: world.blocks[toldHeight]))
      if height == world.tipHeight { tell(.synced(height: height)) }
    }
  }

  private func tell(_ event: LightClientEvent) {
    machine.chainTold(
      event, now, authenticatedHeight: UInt32(max(0, toldHeight)), feeRateSatPerVb: 1)
    carryOut()
  }

  private func end(_ outcome: JobOutcome) {
    guard let sandbox, sandbox.endedAtMs == nil else { return }
    self.sandbox?.endedAtMs = nowMs
    behaviour.metered?.ended(nowMs)
    machine.outputEnded(sandbox.key, isError: false, now)
    machine.outputEnded(sandbox.key, isError: true, now)
    machine.sandboxEnded(sandbox.key, outcome, now)
  }

  /// Somebody asks what the job uses, apart from the mind.
  func look() { _ = sample }

  // MARK: Effects

  private func carryOut() {
    while let effect = machine.nextEffect() { carryOut(effect) }
  }

  private func carryOut(_ effect: AgentEffect) {
    switch effect {
    case .log(_, let text): lines.append(text)
    case .dial(let key, _, _): world.dial(index, key.value)
    case .transmit(let key, let bytes): world.transmit(fromMachine: index, key.value, bytes)
    case .hangUp(let key): world.hangUp(fromMachine: index, key.value)
    case .broadcast(let transaction): world.broadcast(transaction)
    case .startSandbox(let key, _):
      sandbox = Sandbox(key: key, startedAtMs: nowMs)
      behaviour.metered?.started(nowMs)
      machine.jobStarted(key, now)
      machine.outputRead(key, behaviour.output, isError: false, now)
    case .freeze:
      wasFrozen = true
      sandbox?.frozenSinceMs = nowMs
      behaviour.metered?.froze(nowMs)
    case .thaw:
      behaviour.metered?.thawed(nowMs)
      if let since = sandbox?.frozenSinceMs { sandbox?.frozenMs += nowMs - since }
      sandbox?.frozenSinceMs = nil
    case .terminate(_, let reason):
      if !behaviour.ignoresTimeLimit { end(.terminated(reason)) }
    case .sampleUsage(let key): machine.usageSampled(key, sample, now)
    case .collectResults(let key, _) where behaviour.losesResults: machine.resultsLost(key, now)
    case .collectResults(let key, _):
      machine.resultsCollected(
        key, sizeBytes: UInt64(behaviour.results.count),
        digest: behaviour.results.isEmpty ? .zero : Sha256.hash(behaviour.results), now)
    case .readResults(let key, let offset, let count):
      var piece = Array(behaviour.results[Int(offset)...].prefix(count))
      if behaviour.corruptsResults && offset == 0 { piece[0] ^= 1 }
      machine.resultBytes(key, piece, offset: offset, now)
    case .destroySandbox(let key):
      sandbox = nil
      machine.sandboxDestroyed(key, now)
    case .loadBundle(let key, let digest, _):
      askedFor.append(digest)
      if behaviour.hasBundle { cached = digest }
      machine.bundleLoaded(key, isStaged: cached == digest, now)
    case .cacheBundle(_, let digest): cached = digest
    case .stageBundle(_, let bytes): transferredBytes += bytes.count
    case .watch, .unwatch, .forget, .storeJob, .storeChannel, .archiveChannel, .dropBundle,
      .eraseTraces:
      break
    case .writeInput(let key, let bytes):
      input += bytes
      machine.inputTaken(key, count: bytes.count, now)
    case .closeInput: inputIsEnded = true
    case .program(let key, let id, let action): carryOut(action, id, key)
    }
  }

  /// A program here says its name, then what it reads, and ends with its input. One called `none` is
  /// not there.
  private func carryOut(_ action: ProgramAction, _ id: UInt32, _ key: JobKey) {
    actions.append(action)
    switch action {
    case .start(let request):
      if request.arguments[0] == Array("none".utf8) {
        return machine.programEnded(key, id, .notExecutable(code: 2), now)
      }
      programs.insert(id)
      machine.programStarted(key, id, now)
      machine.programOutputRead(key, id, request.arguments[0], isError: false, now)
    case .input(let bytes):
      machine.programInputTaken(key, id, count: bytes.count, now)
      machine.programOutputRead(key, id, bytes, isError: true, now)
    case .closeInput: machine.programEnded(key, id, .exited(status: 3), now)
    case .signal(let number): machine.programEnded(key, id, .signalled(number), now)
    case .resize: break
    case .end: programs.remove(id)
    }
  }

  private var sample: UsageSample {
    if let metered = behaviour.metered { return metered.look(nowMs) }
    var sample = UsageSample()
    guard let sandbox else { return sample }
    let endMs = sandbox.endedAtMs ?? nowMs
    var frozenMs = sandbox.frozenMs
    if let since = sandbox.frozenSinceMs { frozenMs += endMs - min(endMs, since) }
    sample.wallMs = endMs - sandbox.startedAtMs
    sample.frozenMs = frozenMs
    let runningMs = sample.wallMs - min(frozenMs, sample.wallMs)
    sample.cpuMs = runningMs * behaviour.cpuPermille / 1000
    sample.memoryMiBMs = runningMs * 8
    sample.memoryPeakKiB = 8 << 10
    return sample
  }
}
