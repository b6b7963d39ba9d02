import Agent
import Bitcoin
import Bytes
import Capability
import ChainFollower
import Channel
import Crypto
import Host
import LightClient
import Market
import Sandbox
import Storage

/// The provider's driver: one poll loop that passes events to the core (``AgentMachine``) and
/// performs its effects in order, each completed before the next.
final class AgentProgram {
  /// Timers of the reactor.
  enum TimerToken {
    static let chain: UInt64 = 1
    static let agent: UInt64 = 2
    static let clock: UInt64 = 3
    static let owner: UInt64 = 4
    static let streams: UInt64 = 5
  }

  let configuration: Configuration
  let network: Network
  let folder: DataFolder
  let reactor = Reactor()
  let sandbox: Sandbox
  let machine: AgentMachine
  let chain: ChainFollower
  let log: Log
  let executor: Executor
  let store: LeaseStore
  var calls: CallTable
  /// Effects of the core that are not performed yet.
  var effects = EffectQueue<AgentEffect>()
  var status: StatusServer
  var fault = FaultPoint()
  var report: CapabilityReport?
  /// The running benchmark process.
  var measuring: ForkedWork?
  var chainIsStarted = false
  var clockWasWrong = false
  var hasToldOfCache = false
  /// The earliest time of the next log line about unreachable peers, and the interval after it.
  var peersToldMs: UInt64 = 0
  var peerGapMs: UInt64 = 30_000
  let sensors = OwnerSensors(root: Machine.environment("ZENNET_SENSORS") ?? "")
  /// Processor time of agent and tasks at the last sample; nil before the first.
  var oursMs: UInt64?
  private(set) var isEnding = false
  private var delivery = CloseDelivery()
  /// When memory was last released; nil while there is work.
  private var restedMs: UInt64?

  init(
    configuration: Configuration, network: Network, peers: [(host: String, port: UInt16)],
    payoutScript: [UInt8], folder: DataFolder
  ) {
    self.configuration = configuration
    self.network = network
    self.folder = folder
    log = Log(least: AgentProgram.level(configuration.logLevel))
    let features = KernelFeatures.detect()
    let identity = folder.secrets.identity.publicKey.hex
    sandbox = Sandbox(
      features: features,
      settings: SandboxSettings(
        owner: String(decoding: Array(identity.utf8).prefix(16), as: UTF8.self),
        helperProgram: "/proc/self/exe"))
    machine = AgentMachine(
      configuration: configuration, network: network, secrets: folder.secrets,
      payoutScript: payoutScript, machine: Setup.machine(configuration, features), report: [],
      random: { Entropy.bytes32() })
    var lightClient = LightClientConfiguration()
    // On regtest there are no peers to discover.
    lightClient.usesGossip = configuration.usesGossip ?? (network.rules != .regtest)
    chain = ChainFollower(
      network: network, configuration: lightClient, peers: peers,
      cache: folder.cache, reactor: reactor, timerToken: TimerToken.chain)
    status = StatusServer(path: folder.path + "/status")
    executor = Executor(Hands(sandbox, reactor, machine, log))
    store = LeaseStore(folder.ledger)
    calls = CallTable(reactor)
  }

  static func level(_ number: UInt8) -> Log.Level {
    switch number {
    case 0: return .error
    case 1: return .warning
    case 2: return .info
    default: return .debug
    }
  }

  var now: Instant {
    Instant(nowMs: Clock.monotonicMs(), unixSeconds: Clock.unixSeconds())
  }

  // MARK: Start and end

  /// Runs until SIGTERM or SIGINT.
  func run() {
    begin()
    while true {
      reactor.setTimer(TimerToken.agent, atMs: nextLookMs)
      let event: ReactorEvent?
      do throws(HostError) { event = try reactor.next(untilMs: nil) } catch {
        Output.fail(.system, error.message)
      }
      let beforeNs = OwnerSensors.ownProcessorNs()
      let task = event.flatMap { handle($0) }
      afterEvents()
      // The agent's work for a task is charged to the task.
      task?.worked(ns: OwnerSensors.ownProcessorNs() - beforeNs)
      if isEnding && machine.isSettled && hasDelivered() { break }
    }
    end()
  }

  /// The next deadline of the core or of this program.
  private var nextLookMs: UInt64 {
    let deadline = machine.nextDeadlineMs
    let wanted = deadline == UInt64.max ? Clock.monotonicMs() + 60_000 : deadline
    return min(wanted, delivery.endsAtMs ?? UInt64.max)
  }

  private func begin() {
    // Under memory pressure the kernel kills this program last; needs root.
    try? Files.append("/proc/self/oom_score_adj", Array("-900".utf8))
    cleanUp()
    do throws(HostError) {
      try reactor.watchSignals([.terminate, .interrupt, .childEnded])
    } catch { Output.fail(.system, error.message) }
    if let damage = folder.cache.damage {
      log.warning(damage.message + "; the chain is fetched again")
    }
    restore()
    do throws(HostError) { try status.open(reactor) } catch { log.warning(error.message) }
    log.info(
      "zennet-agent " + Version.text + " on " + network.nameText + ", identity "
        + folder.secrets.identity.publicKey.hex)
    fault.before("started")
    readOwner()
    machine.started(now, tipHeight: chain.client.tipHeight)
    carryOut()
    startChain()
    loadReport()
    afterEvents()
  }

  /// Removes the remains of a killed agent's tasks.
  private func cleanUp() {
    if sandbox.features.level == .refused {
      log.warning("this kernel cannot isolate tasks: see 'zennet-agent check'")
      return
    }
    do throws(SandboxError) {
      let found = try sandbox.cleanStale()
      if found > 0 { log.warning("removed the remains of \(found) interrupted tasks") }
    } catch { Output.fail(.system, error.message) }
  }

  private func restore() {
    do throws(StorageError) {
      for kind in MemoryKind.allCases {
        if let bytes = try store.memory(kind) { machine.restoredMemory(kind, bytes) }
      }
      for contract in try store.leases() {
        guard let lease = try store.lease(contract) else {
          Output.fail(.storage, "the record of contract " + contract.hex + " cannot be read")
        }
        do { try machine.restored(lease, now) } catch {
          Output.fail(.storage, "contract " + contract.hex + ": " + error.message)
        }
      }
    } catch { Output.fail(error) }
  }

  /// Waits up to half a minute until two peers, or all there are, have the broadcast closes,
  /// because this program relays them no more after its end.
  private func hasDelivered() -> Bool {
    var waiting: [Bytes32] = []
    for txid in machine.closesUnderWay where !chain.isDelivered(txid) { waiting.append(txid) }
    switch delivery.look(waiting.count, nowMs: Clock.monotonicMs()) {
    case .begun:
      log.info("waiting until peers have \(waiting.count) closes of channels")
      return false
    case .waiting: return false
    case .delivered: return true
    case .givenUp:
      for txid in waiting {
        log.warning(
          "no two peers are known to have the close " + txid.reversed.hex
            + ": the agent broadcasts it again at its next start; its publisher can too")
      }
      return true
    }
  }

  private func end() {
    status.close(reactor)
    executor.closeAll()
    log.info("ended")
  }

  // MARK: Events

  /// Returns the task whose event it was.
  private func handle(_ event: ReactorEvent) -> TaskBody? {
    switch event {
    case .descriptorReadable(AgentProgram.measuringToken): readMeasurement()
    case .descriptorReadable(let token), .descriptorWritable(let token):
      return executor.portIsReady(token)
    default: handleOwn(event)
    }
    return nil
  }

  private func handleOwn(_ event: ReactorEvent) {
    if chain.handle(event) || status.handle(event, self) { return }
    switch event {
    case .timerFired(TimerToken.owner): readOwner()
    case .timerFired(TimerToken.clock): startChain()
    case .timerFired(TimerToken.streams): break
    case .timerFired:
      lookAtClock()
      machine.timePassed(now)
    case .connected(let id, _):
      if let key = calls.key(of: id) { machine.publisherConnected(key, now) }
    case .received(let id, let bytes):
      if let key = calls.key(of: id) { machine.received(bytes, from: key, now) }
    case .drained(let id):
      if let key = calls.key(of: id) { machine.transportIsBlocked(key, false, now) }
    case .closed(let id, let reason):
      guard let key = calls.closed(id) else { return }
      log.debug("publisher: " + reason.message)
      machine.publisherDisconnected(key, now)
    case .signal(let signal):
      if signal == .childEnded { return executor.childEnded() }
      if !isEnding { log.info("stopping: leases end, what was earned is collected") }
      isEnding = true
      stopMeasuring()
      machine.stopRequested(now)
    case .accepted, .descriptorReadable, .descriptorWritable: break
    }
  }

  /// After every event: performs effects, then passes on chain events until none is left.
  private func afterEvents() {
    carryOut()
    while let event = chain.nextEvent() {
      let tipTold: Bool
      if case .tipChanged = event { tipTold = true } else { tipTold = false }
      machine.chainTold(
        event, now, authenticatedHeight: chain.client.authenticatedHeight,
        feeRateSatPerKvB: chain.client.feeRateSatPerKvB)
      carryOut()
      if tipTold || event == .synced(height: chain.client.tipHeight) { measureIfDue() }
    }
    if !machine.isIdle { stopMeasuring() }
    let restedMs = executor.refreshWatches(nowMs: Clock.monotonicMs())
    if restedMs != UInt64.max { reactor.setTimer(TimerToken.streams, atMs: restedMs) }
    lookAtPeers()
    lookAtCache()
    rest()
  }

  /// Releases memory that only work needs, when the chain is synced and nothing runs: a small host
  /// has 48 MB in total, and the agent is mostly idle. Repeated after a minute, because some memory
  /// is still in use at first, and periodically after that.
  private func rest() {
    if !machine.isIdle || !chain.client.isSynced || measuring != nil {
      restedMs = nil
      return
    }
    let nowMs = Clock.monotonicMs()
    if let restedMs, nowMs < restedMs + 60_000 { return }
    restedMs = nowMs
    HostProcess.releaseProgramPages()
  }
}
