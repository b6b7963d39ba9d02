import Bitcoin
import Bytes
import ChainFollower
import Channel
import Host
import LightClient
import Market
import Storage
import Wallet

/// The publisher's body: one poll loop that brings events to the ``RunMachine`` and carries out what
/// it decides, each effect finished before the next.
public final class RunProgram {
  private enum TimerToken {
    static let chain: UInt64 = 1
    static let machine: UInt64 = 2
    static let progress: UInt64 = 3
  }
  /// Between two lines about a chain that is still being followed.
  private static let progressMs: UInt64 = 3_000
  /// Of this program's own input.
  private static let inputToken: UInt64 = 1

  let folder: RunFolder
  let options: RunOptions
  let reactor = Reactor()
  /// Where workers call.
  public let address: SocketAddress
  let plan: RunPlan
  public let machine: RunMachine
  let chain: ChainFollower
  let timeline: Timeline
  var printer: OutputPrinter
  /// Open connections of workers.
  var connections: [CallKey: ConnectionId] = [:]
  /// The run whose bundles and options are on disk.
  var keptRun: Bytes32?
  /// Workers whose results are here, but not where they were asked for.
  var unwritten = Set<UInt16>()
  var fault = FaultPoint()
  var control = ControlServer()
  private var hasBegun = false
  private var signals = 0

  /// - Parameters:
  ///   - announce: what workers dial, where it is not the listening address.
  ///   - former: a run to be taken up.
  ///   - forwardsInput: this program's standard input becomes the jobs'.
  public init(
    folder: RunFolder, options: RunOptions, announce: String?, offer: Offer, bundles: [[UInt8]],
    former: RunRecord?, forwardsInput: Bool = false, timeline: Timeline
  ) throws(RunError) {
    self.folder = folder
    self.options = options
    self.timeline = timeline
    let wallet = folder.walletFolder
    do throws(HostError) {
      // Before anything is on disk or announced: from here on a signal ends the run in order.
      try reactor.watchSignals([.terminate, .interrupt])
      let listener = try reactor.listen(on: try Host.Endpoint(parsing: options.listen))
      guard let address = reactor.address(of: listener) else {
        throw .badAddress(text: options.listen)
      }
      self.address = address
    } catch { throw .host(error) }
    let told = announce ?? address.description
    guard let endpoint = former?.endpoint ?? Market.Endpoint(text: told) else {
      throw .usage("\(told): workers cannot call there")
    }
    var plan = RunPlan(offer: offer, endpoint: endpoint, bundles: bundles)
    options.apply(to: &plan)
    // Of a run that is taken up nobody knows how much of its input was read before.
    plan.forwardsInput = forwardsInput && former == nil
    self.plan = plan
    printer = OutputPrinter(namesWorkers: offer.workers > 1)
    let channelIndex = try folder.channelIndex()
    do throws(WalletError) {
      machine = RunMachine(
        plan: plan, network: wallet.network, secrets: try RunSecrets(keys: wallet.keys),
        wallet: wallet.wallet, channelIndex: channelIndex, random: { Entropy.bytes32() })
    } catch { throw .wallet(error) }
    chain = ChainFollower(
      network: wallet.network, configuration: LightClientConfiguration(),
      peers: try RunProgram.peers(options), cache: wallet.cache, reactor: reactor,
      timerToken: TimerToken.chain)
    for known in wallet.wallet.knownOutputs { chain.recall(known.outPoint, script: known.script) }
    if let former { try restore(former) }
  }

  private static func peers(
    _ options: RunOptions
  ) throws(RunError) -> [(host: String, port: UInt16)] {
    var peers: [(host: String, port: UInt16)] = []
    for peer in options.peers {
      do throws(HostError) {
        if case .tcp(let host, let port) = try Host.Endpoint(parsing: peer) {
          peers.append((host, port))
        }
      } catch { throw .host(error) }
    }
    return peers
  }

  private func restore(_ former: RunRecord) throws(RunError) {
    keptRun = former.id
    machine.restored(former)
    let hires = try folder.hires(of: former.id)
    for hire in hires {
      let id = hire.contract.contract.id
      guard let state = try folder.channelState(id) else {
        throw .damaged("the channel of contract " + id.hex + " is missing")
      }
      do { try machine.restored(hire, channelState: state, now) } catch {
        throw .damaged("channel " + id.hex + ": " + RunMachine.message(error))
      }
    }
    timeline.tell("run " + RunFolder.name(former.id) + " is taken up")
    openControl(former.id)
    unpackAgain(hires)
  }

  var now: RunTime {
    RunTime(nowMs: Clock.monotonicMs(), unixSeconds: Clock.unixSeconds())
  }

  // MARK: The loop

  /// Runs until every worker's money is where it belongs, or the user gives up.
  public func run() throws(RunError) -> RunEnd {
    timeline.tell("workers may call at " + address.description)
    chain.start()
    reactor.setTimer(TimerToken.progress, atMs: Clock.monotonicMs() + RunProgram.progressMs)
    if machine.wallet.birthHeight != nil { begin() }
    try afterEvent()
    while !machine.isFinished && signals < 2 {
      let deadline = machine.nextDeadlineMs
      reactor.setTimer(
        TimerToken.machine, atMs: deadline == UInt64.max ? Clock.monotonicMs() + 60_000 : deadline)
      do throws(HostError) {
        if let event = try reactor.next(untilMs: nil) { handle(event) }
      } catch { throw .host(error) }
      try afterEvent()
      watchInput()
    }
    control.close(self)
    printer.finish()
    let end = RunEnd(machine, unwritten: unwritten)
    guard let problem = printer.problem else { return end }
    return RunEnd(end, problem: problem.message + "; `zennet logs` has what is missing")
  }

  /// Until the chain is known nothing else happens, which may take long, or need somebody's help.
  private func tellProgress() {
    if machine.isSynced { return }
    let progress = chain.client.progress
    var text = "following the chain: height \(progress.tipHeight)"
    if let height = progress.filterHeight { text += ", filters up to \(height)" }
    text += ", looked through up to \(progress.scannedHeight), peers: \(progress.readyPeers)"
    if progress.isWaitingForBlock { text += ", waiting for a block" }
    if progress.filterHeight == progress.tipHeight && !progress.isCrossChecked {
      text += ", asking whether they agree about filters"
    }
    timeline.tell(text)
    reactor.setTimer(TimerToken.progress, atMs: Clock.monotonicMs() + RunProgram.progressMs)
  }

  /// This program's own input is read only while the jobs take it.
  private func watchInput() {
    if plan.forwardsInput && machine.inputRoom > 0 {
      reactor.watch(0, token: RunProgram.inputToken)
    } else {
      reactor.unwatch(RunProgram.inputToken)
    }
  }

  private func readInput() {
    let source = Descriptor(owning: 0)
    let result = (try? source.read(limit: min(65_536, max(1, machine.inputRoom)))) ?? .ended
    _ = source.release()
    switch result {
    case .bytes(let bytes): machine.inputRead(bytes, now)
    case .ended: machine.inputEnded(now)
    case .wouldBlock: break
    }
  }

  /// The run shall end, however often that is said.
  func stop(_ text: String) {
    if !machine.isStopping { timeline.tell(text) }
    machine.stopRequested(now)
  }

  /// The run shall end; a second time: now.
  private func signalled() {
    signals += 1
    timeline.tell(
      signals == 1
        ? "stopping: jobs end, what they used is paid; once more to leave now"
        : "left; `zennet resume` takes the run up again")
    machine.stopRequested(now)
  }

  /// The wallet's past is known: the machine can begin.
  private func begin() {
    hasBegun = true
    let client = chain.client
    machine.started(now, tipHeight: client.tipHeight, baseHeight: client.baseHeight) {
      client.blockHash(at: $0)
    }
  }

  private func handle(_ event: ReactorEvent) {
    if chain.handle(event) || control.handle(event, self) { return }
    switch event {
    case .timerFired(TimerToken.progress): tellProgress()
    case .timerFired: machine.timePassed(now)
    case .accepted(_, let id, _):
      connections[CallKey(id.rawValue)] = id
      machine.workerConnected(CallKey(id.rawValue), now)
    case .received(let id, let bytes):
      machine.received(bytes, from: CallKey(id.rawValue), now)
    case .drained(let id): machine.transportIsBlocked(CallKey(id.rawValue), false, now)
    case .closed(let id, _):
      connections[CallKey(id.rawValue)] = nil
      machine.workerDisconnected(CallKey(id.rawValue), now)
    case .signal: signalled()
    case .descriptorReadable(let token):
      if token == RunProgram.inputToken && machine.inputRoom > 0 { readInput() }
    case .connected, .descriptorWritable: break
    }
  }

  /// After every event: effects, then what the chain learnt, until both are quiet.
  private func afterEvent() throws(RunError) {
    try carryOut()
    while let event = chain.nextEvent() {
      if !hasBegun {
        guard case .synced = event else { continue }
        machine.setWalletBirth(
          WalletOwner.birthHeight(folder.walletFolder.bornUnixSeconds, chain.client))
        begin()
      }
      let client = chain.client
      machine.chainTold(
        event, now, feeRateSatPerVb: (client.feeRateSatPerKvB + 999) / 1000,
        blockHash: { client.blockHash(at: $0) })
      try carryOut()
    }
    control.answerWaiting(self)
    if let fault = chain.storageFault { throw .storage(fault) }
  }
}
