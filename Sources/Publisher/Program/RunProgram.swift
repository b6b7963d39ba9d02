import Bitcoin
import Bytes
import ChainFollower
import Hiring
import Host
import LightClient
import Market
import Wallet

/// The publisher's driver: one poll loop that passes events to the ``HiringMachine`` and performs
/// its effects in order, each completed before the next.
public final class RunProgram {
  enum TimerToken {
    static let chain: UInt64 = 1
    static let machine: UInt64 = 2
    static let progress: UInt64 = 3
  }

  enum WatchToken {
    /// Standard input.
    static let input: UInt64 = 1
    /// A map's arguments.
    static let arguments: UInt64 = 2
  }

  /// The interval of progress lines while the chain syncs.
  static let progressMs: UInt64 = 3_000

  let folder: RunFolder
  let machine: HiringMachine
  let reactor: Reactor
  let request: RunRequest
  let work: PoolWork
  /// The listening address.
  public let address: SocketAddress
  /// The announced endpoint.
  let endpoint: Market.Endpoint
  let chain: ChainFollower
  let timeline: Timeline
  let desk: TaskDesk
  var status: MapStatusLine?
  var costs: CostWarning?
  var connections = WorkerConnections()
  var control = ControlServer()
  var fault = FaultPoint()
  var hasBegun = false
  /// Whether the run is in the ledger.
  var isStored: Bool
  var poolIsFinished = false
  var isStopping = false
  var signals = 0

  public init(
    folder: RunFolder, request: RunRequest, timeline: Timeline
  ) throws(RunError) {
    self.folder = folder
    self.request = request
    self.timeline = timeline
    isStored = request.former != nil
    let options = request.options
    var limits = Reactor.Limits()
    limits.connections = max(limits.connections, 2 * Int(request.offer.workers) + 256)
    OpenFiles.allow(limits.connections + 256)
    reactor = Reactor(limits: limits)
    do throws(HostError) {
      // Before anything is stored or announced: from here on a signal stops the run in order.
      try reactor.watchSignals([.terminate, .interrupt])
      let listener = try reactor.listen(on: try Host.Endpoint(parsing: options.listen))
      guard let address = reactor.address(of: listener) else {
        throw .badAddress(text: options.listen)
      }
      self.address = address
    } catch { throw .host(error) }
    let told = request.announce ?? address.description
    guard let endpoint = request.former?.plan.endpoint ?? Market.Endpoint(text: told) else {
      throw .usage("\(told): not an endpoint that workers can call")
    }
    self.endpoint = endpoint
    let map = options.map.map { MapPresenter($0, timeline) }
    let presenter: any TaskPresenter =
      map ?? RunPresenter(workers: request.offer.workers, timeline)
    desk = TaskDesk(presenter, options, timeline)
    let wallet = folder.walletFolder
    chain = ChainFollower(
      network: wallet.network, configuration: LightClientConfiguration(),
      peers: try RunProgram.peers(options), cache: wallet.cache, reactor: reactor,
      timerToken: TimerToken.chain)
    let bundles = BundleStore()
    machine = try RunProgram.machine(folder, bundles)
    work = PoolWork(folder, machine, request, bundles, desk, map, timeline)
    if map != nil && timeline.showsProgress { status = MapStatusLine() }
    if let former = request.former {
      try work.restore(former, now)
      timeline.tell("run " + RunFolder.name(former.id) + " is resumed")
      openControl()
    } else if map == nil {
      costs = CostWarning(workers: request.offer.workers, workMs: options.workMs)
    }
  }

  static func machine(
    _ folder: RunFolder, _ bundles: BundleStore
  ) throws(RunError) -> HiringMachine {
    let walletFolder = folder.walletFolder
    var settings = HiringSettings()
    // On regtest all providers call from the same address.
    if walletFolder.network.rules == .regtest {
      settings.strangersPerAddress = settings.strangers
      settings.guestsPerAddress = Int.max
    }
    do throws(WalletError) {
      let machine = HiringMachine(
        settings: settings, network: walletFolder.network,
        secrets: try HiringSecrets(keys: walletFolder.keys), wallet: walletFolder.wallet,
        readBundle: { bundles.read($0, offset: $1, count: $2) }, random: { Entropy.bytes32() })
      machine.heldCloses = HeldCloses.read(folder.ledger, walletFolder.keys)
      return machine
    } catch { throw .wallet(error) }
  }

  static func peers(
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

  var now: Instant {
    Instant(nowMs: Clock.monotonicMs(), unixSeconds: Clock.unixSeconds())
  }

  /// Answers queries about the run; nil before the start.
  var query: RunQuery? {
    work.pool.map {
      RunQuery(machine: machine, pool: $0, offer: request.offer, options: request.options)
    }
  }

  func runStatus(_ query: RunQuery) -> RunStatus {
    query.status(
      desk.tally, addedTasks: work.addedTasks, startedUnixSeconds: work.startedUnixSeconds)
  }

  /// The run's record, once it is stored.
  public var record: PoolRecord? {
    guard isStored, let pool = work.pool else { return nil }
    return try? folder.ledger.pool(pool)
  }

  // MARK: The loop

  var isFinished: Bool {
    guard let pool = work.pool else { return isStopping }
    return poolIsFinished || machine.isFinished(pool)
  }

  /// Runs until the pool is finished, or the user leaves.
  public func run() throws(RunError) -> RunEnd {
    timeline.tell("workers may call at " + address.description)
    chain.start()
    reactor.setTimer(TimerToken.progress, atMs: Clock.monotonicMs() + RunProgram.progressMs)
    if folder.walletFolder.wallet.birthHeight != nil { try begin() }
    try afterEvent()
    while !isFinished && signals < 2 {
      let deadline = work.hasWork ? 0 : machine.nextDeadlineMs
      reactor.setTimer(
        TimerToken.machine, atMs: deadline == UInt64.max ? Clock.monotonicMs() + 60_000 : deadline)
      do throws(HostError) {
        if let event = try reactor.next(untilMs: nil) { handle(event) }
      } catch { throw .host(error) }
      try afterEvent()
      watchInputs()
    }
    control.close(self)
    desk.finish()
    timeline.clearProgress()
    return try end()
  }

  func end() throws(RunError) -> RunEnd {
    let pool = work.pool.flatMap { machine.status(of: $0) }
    let open = UInt64(work.addedTasks) - min(desk.tally.ended, work.addedTasks)
    var end = RunEnd(
      desk.tally, open: open, isFinished: isFinished, isStopped: isStopping,
      hireFailed: pool?.hireFailed ?? false, noun: request.options.resultPrefix)
    if !isStored, let path = work.path { try? Files.removeTree(path) }
    if let problem = work.problem { end = RunEnd(end, problem: problem.message) }
    guard let problem = desk.problem else { return end }
    return RunEnd(end, problem: problem.message + "; `zennet logs` shows the missing output")
  }

  /// The wallet's birth height is known: starts the state machine.
  func begin() throws(RunError) {
    hasBegun = true
    let client = chain.client
    machine.started(now, tipHeight: client.tipHeight, baseHeight: client.baseHeight) {
      client.blockHash(at: $0)
    }
    if request.former != nil { try work.goOn(now) }
  }

  /// Creates the pool of a new run, once the chain's fees are known.
  func beginPool() throws(RunError) {
    if work.pool != nil || isStopping || !hasBegun { return }
    let plan = request.plan(endpoint, feeRateSatPerKvB: chain.client.feeRateSatPerKvB)
    try work.begin(plan, listen: address.description, now)
    openControl()
  }

  func handle(_ event: ReactorEvent) {
    if chain.handle(event) || control.handle(event, self) { return }
    switch event {
    case .timerFired(TimerToken.progress): tellProgress()
    case .timerFired: machine.timePassed(now)
    case .accepted(_, let id, let peer):
      machine.connected(connections.accepted(id), address: RunProgram.host(of: peer), now)
    case .received(let id, let bytes): machine.received(bytes, from: CallKey(id.rawValue), now)
    case .drained(let id): machine.transportIsBlocked(CallKey(id.rawValue), false, now)
    case .closed(let id, _): machine.disconnected(connections.closed(id), now)
    case .signal: signalled()
    case .descriptorReadable(WatchToken.input): readInput()
    case .descriptorReadable(WatchToken.arguments): work.read()
    case .connected, .descriptorReadable, .descriptorWritable: break
    }
  }

  /// The address without its port.
  static func host(of address: SocketAddress?) -> String {
    guard let text = address?.description, let colon = text.lastIndex(of: ":") else { return "" }
    return String(text[..<colon])
  }

  /// After every event: creates tasks, performs effects, then passes on chain events until none is
  /// left.
  func afterEvent() throws(RunError) {
    work.feed(now)
    try carryOut()
    while let event = chain.nextEvent() {
      if case .synced = event {
        if !hasBegun {
          machine.setWalletBirth(
            WalletOwner.birthHeight(folder.walletFolder.bornUnixSeconds, chain.client))
          try begin()
        }
        try beginPool()
      }
      if !hasBegun { continue }
      let client = chain.client
      machine.chainEvent(event, now, feeRateSatPerKvB: client.feeRateSatPerKvB) {
        client.blockHash(at: $0)
      }
      try carryOut()
    }
    showStatus()
    if let fault = chain.storageFault { throw .storage(fault) }
  }

  // MARK: Effects

  /// Performs all pending effects. A failed store of money's state ends the program.
  func carryOut() throws(RunError) {
    var stores: [HiringEffect] = []
    while let effect = machine.nextEffect() {
      if effect.isStore {
        stores.append(effect)
        continue
      }
      try store(&stores)
      fault.before(effect.name)
      try carryOut(effect)
      fault.after(effect.name)
    }
    try store(&stores)
  }

  /// Stores consecutive effects in one commit; the wallet has its own file.
  func store(_ effects: inout [HiringEffect]) throws(RunError) {
    var commit: [HiringEffect] = []
    for (place, effect) in effects.enumerated() {
      guard case .storeWallet(let state) = effect else {
        commit.append(effect)
        continue
      }
      // Skip a state that the next effect replaces.
      if place + 1 < effects.count, case .storeWallet = effects[place + 1] { continue }
      try self.commit(&commit)
      fault.before(effect.name)
      do throws(WalletFolderError) { try folder.walletFolder.save(state) } catch {
        throw .folder(error)
      }
      fault.after(effect.name)
    }
    try self.commit(&commit)
    effects.removeAll(keepingCapacity: true)
  }

  func commit(_ effects: inout [HiringEffect]) throws(RunError) {
    if effects.isEmpty { return }
    for effect in effects { fault.before(effect.name) }
    try folder.ledger.store(effects)
    for effect in effects {
      fault.after(effect.name)
      switch effect {
      case .storePool(let id, _) where !isStored:
        isStored = true
        timeline.tell("run " + RunFolder.name(id))
      case .storeLease(_, _, let body):
        if let text = costs?.text(body, feeRateSatPerKvB: chain.client.feeRateSatPerKvB) {
          timeline.tell(text, level: 1)
        }
      default: break
      }
    }
    effects.removeAll(keepingCapacity: true)
  }

  func carryOut(_ effect: HiringEffect) throws(RunError) {
    switch effect {
    case .log(let level, let text): timeline.tell(text, level: level)
    case .transmit(let key, let bytes):
      if connections.transmit(key, bytes, reactor) { machine.transportIsBlocked(key, true, now) }
    case .hangUp(let key): connections.hangUp(key, reactor)
    case .watch(let script, let fromHeight): chain.watch(script, fromHeight: fromHeight)
    case .recall(let outPoint, let script): chain.recall(outPoint, script: script)
    case .broadcast(let transaction): chain.broadcast(transaction)
    case .forget(let txid): chain.forget(txid)
    case .taskStarted(let task, let worker, _): desk.started(task.index, worker: worker)
    case .taskOutput(let task, let isError, let offset, let bytes):
      desk.printed(task.index, isError: isError, offset: offset, bytes)
    case .taskResults(let task, let offset, let bytes):
      try desk.received(task.index, offset: offset, bytes)
    case .keepResults(let task): try desk.keep(task.index)
    case .taskRestarted(let task): desk.restarted(task.index)
    case .taskEnded(let task, let outcome):
      desk.ended(task.index, outcome)
      try work.ended(task.index)
      control.taskEnded(task.index, exit: outcome.exitText, self)
    case .exec(let id, let event): control.tell(id, event, self)
    case .poolFinished: poolIsFinished = true
    case .storePool, .storeLease, .storeLeaseState, .storeChannel, .storeTask, .storeWallet,
      .storeProviders:
      break
    }
  }
}
