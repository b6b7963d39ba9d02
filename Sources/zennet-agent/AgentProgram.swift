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

/// The provider's body: one poll loop that brings events to the mind (``AgentMachine``) and carries
/// out what it decides, each effect finished before the next.
final class AgentProgram {
  /// Timers of the reactor.
  enum TimerToken {
    static let chain: UInt64 = 1
    static let agent: UInt64 = 2
    static let clock: UInt64 = 3
    static let owner: UInt64 = 4
  }

  let configuration: Configuration
  let network: Network
  let folder: DataFolder
  let reactor = Reactor()
  let sandbox: Sandbox
  let machine: AgentMachine
  let chain: ChainFollower
  let log: Log
  var bodies: [JobBody] = []
  var status: StatusServer
  /// Nil when it cannot be used.
  let cache: FileCache?
  var fault = FaultPoint()
  var report: CapabilityReport?
  /// While this machine is measured.
  var measuring: ForkedWork?
  var chainIsStarted = false
  var clockWasWrong = false
  var hasToldOfCache = false
  /// When the next line about peers that are not reached may come, and the gap after it.
  var peersToldMs: UInt64 = 0
  var peerGapMs: UInt64 = 30_000
  let sensors = OwnerSensors(root: Machine.environment("ZENNET_SENSORS") ?? "")
  /// Processor time of agent and jobs at the last look; nil before the first.
  var oursMs: UInt64?
  /// Processor time of all jobs so far.
  var jobsMs: UInt64 = 0
  private(set) var isEnding = false
  /// When it last came to rest; nil while there is work.
  private var restedMs: UInt64?

  init(
    configuration: Configuration, network: Network, peers: [(host: String, port: UInt16)],
    payoutScript: [UInt8], folder: DataFolder
  ) {
    self.configuration = configuration
    self.network = network
    self.folder = folder
    log = Log(least: AgentProgram.level(configuration.logLevel))
    cache = AgentProgram.openCache(configuration, folder, log)
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
    // On a chain that everybody runs alone there is nobody to hear of.
    lightClient.usesGossip = configuration.usesGossip ?? (network.rules != .regtest)
    chain = ChainFollower(
      network: network, configuration: lightClient, peers: peers,
      cache: folder.cache, reactor: reactor, timerToken: TimerToken.chain)
    status = StatusServer(path: folder.path + "/status")
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
      let deadline = machine.nextDeadlineMs
      reactor.setTimer(
        TimerToken.agent, atMs: deadline == UInt64.max ? Clock.monotonicMs() + 60_000 : deadline)
      let event: ReactorEvent?
      do throws(HostError) { event = try reactor.next(untilMs: nil) } catch {
        Output.fail(.system, error.message)
      }
      if let event { handle(event) }
      afterEvents()
      if isEnding && machine.isIdle { break }
    }
    end()
  }

  private func begin() {
    // When memory runs out this program goes last; root may ask for that.
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

  /// Before anything else: what a killed agent left of its jobs.
  private func cleanUp() {
    if sandbox.features.level == .refused {
      log.warning("this kernel cannot wall off jobs: see 'zennet-agent check'")
      return
    }
    do throws(SandboxError) {
      let found = try sandbox.cleanStale()
      if found > 0 { log.warning("removed what \(found) interrupted jobs had left") }
    } catch { Output.fail(.system, error.message) }
  }

  private func restore() {
    do throws(StorageError) {
      for channel in try folder.ledger.channels.all() {
        let id = channel.contract
        let document = try folder.ledger.documents.get(kind: DocumentKind.job, id: id)
        guard let record = document.flatMap({ JobRecord.decode($0.body) }) else {
          Output.fail(.storage, "the record of contract " + id.hex + " cannot be read")
        }
        do { try machine.restored(record, channelState: channel.state, now) } catch {
          Output.fail(.storage, "channel " + id.hex + ": " + error.message)
        }
      }
    } catch { Output.fail(error) }
  }

  private func end() {
    status.close(reactor)
    for body in bodies { release(body) }
    sandbox.removeFolders()
    log.info("ended")
  }

  // MARK: Events

  private func handle(_ event: ReactorEvent) {
    if chain.handle(event) || status.handle(event, self) { return }
    switch event {
    case .timerFired(TimerToken.owner): readOwner()
    case .timerFired(TimerToken.clock): startChain()
    case .timerFired:
      lookAtClock()
      machine.timePassed(now)
    case .connected(let id, _):
      if let body = body(connection: id) { machine.publisherConnected(body.key, now) }
    case .received(let id, let bytes):
      guard let body = body(connection: id) else { return }
      body.process?.countTransfer(bytes: UInt64(bytes.count))
      machine.received(bytes, from: body.key, now)
    case .drained(let id):
      if let body = body(connection: id) { machine.transportIsBlocked(body.key, false, now) }
    case .closed(let id, let reason):
      guard let body = body(connection: id) else { return }
      body.connection = nil
      dropIfEmpty(body)
      log.debug("publisher: " + reason.message)
      machine.publisherDisconnected(body.key, now)
    case .descriptorReadable(AgentProgram.measuringToken): readMeasurement()
    case .descriptorReadable(let token), .descriptorWritable(let token): portIsReady(token)
    case .signal(let signal):
      if signal == .childEnded { return pollSandboxes() }
      if !isEnding { log.info("stopping: jobs end, what was earned is collected") }
      isEnding = true
      stopMeasuring()
      machine.stopRequested(now)
    case .accepted: break
    }
  }

  /// After every event: effects, then what the chain learnt, until both are quiet.
  private func afterEvents() {
    carryOut()
    while let event = chain.nextEvent() {
      let tipTold: Bool
      if case .tipChanged = event { tipTold = true } else { tipTold = false }
      machine.chainTold(
        event, now, authenticatedHeight: chain.client.authenticatedHeight,
        feeRateSatPerVb: (chain.client.feeRateSatPerKvB + 999) / 1000)
      carryOut()
      if tipTold || event == .synced(height: chain.client.tipHeight) { measureIfDue() }
    }
    if !machine.isIdle { stopMeasuring() }
    refreshWatches()
    lookAtPeers()
    lookAtCache()
    rest()
  }

  /// Whenever all is followed and nothing runs: what only work needs of the program is given back.
  /// An old machine has 48 MB for everything, and this program rests for most of its life. Once more
  /// a minute later, as what came to rest last was still at work, and then now and then for what
  /// else comes by.
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

  func body(connection id: ConnectionId) -> JobBody? {
    for body in bodies where body.connection == id { return body }
    return nil
  }

  func body(_ key: JobKey) -> JobBody {
    for body in bodies where body.key == key { return body }
    let body = JobBody(key: key)
    bodies.append(body)
    return body
  }
}
