import Bitcoin
import Bytes
import Channel
import Crypto
import LightClient
import Market
import Session
import Wallet

/// The publisher's core: one owner of the wallet, the connections and the leases, for any number of
/// pools at once. No I/O: call a method for what happened, then take ``nextEffect()`` until nil, and
/// call ``timePassed(_:)`` at ``nextDeadlineMs``.
public final class HiringMachine {
  private let context: HiringContext
  private let treasury: Treasury
  private let providers: Providers
  private let callers: Callers
  private var pools = Roster<Pool>()
  private var execs: [UInt32: Lease] = [:]
  private var lastExec: UInt32 = 0
  /// When leases whose reservation runs are stored next.
  private var storesAtMs = UInt64.max

  /// - Parameters:
  ///   - readBundle: gives the bytes of every bundle that tasks name.
  ///   - random: 32 fresh random bytes a call.
  public init(
    settings: HiringSettings = HiringSettings(), network: Network, secrets: HiringSecrets,
    wallet: Wallet, readBundle: @escaping BundleReader, random: @escaping () -> Bytes32
  ) {
    context = HiringContext(
      settings: settings, network: network, secrets: secrets, readBundle: readBundle,
      random: random)
    treasury = Treasury(wallet, context)
    providers = Providers(context)
    callers = Callers(context)
  }

  /// The next thing to do; nil when there is nothing.
  public func nextEffect() -> HiringEffect? { context.nextEffect() }

  // MARK: After a restart: before ``started(_:tipHeight:baseHeight:blockHash:)``, in this order

  /// What ``HiringEffect/storeProviders(_:)`` wrote.
  public func restored(providers bytes: [UInt8]) throws(HiringError) {
    guard let book = ProviderBook.decode(bytes) else { throw .damaged("book of providers") }
    providers.restored(book)
  }

  public func restored(pool record: PoolRecord, _ now: Instant) {
    context.now = now
    pools.add(Pool(restoring: record, treasury, providers, context), record.id)
  }

  /// What ``HiringEffect/storeTask(_:_:)`` wrote: all tasks of a pool, in the order of their indices.
  public func restored(task: TaskId, _ bytes: [UInt8]) throws(HiringError) {
    guard let pool = pools[task.pool] else { throw .unknown("pool") }
    guard let record = TaskRecord.decode(bytes) else { throw .damaged("task") }
    try pool.board.restore(task.index, record)
  }

  /// What ``HiringEffect/storeLease(contract:pool:_:)``, ``HiringEffect/storeLeaseState(contract:_:)``
  /// and ``HiringEffect/storeChannel(id:sequence:amountSat:_:)`` wrote. Throws where something cannot
  /// be read: then somebody has to look, as it is money.
  ///
  /// - Parameter channels: by their numbers in the lease.
  public func restored(
    lease bytes: [UInt8], state: [UInt8]?, channels: [UInt8: [UInt8]], _ now: Instant
  ) throws(HiringError) {
    context.now = now
    guard let record = LeaseRecord.decode(bytes) else { throw .damaged("lease") }
    guard let pool = pools[record.pool] else { throw .unknown("pool") }
    var progress = LeaseProgress(stage: record.contract.isComplete ? .accepted : .proposed)
    if let state {
      guard let stored = LeaseProgress.decode(state) else { throw .damaged("state of a lease") }
      progress = stored
      // The contract is stored before the progress that says that both signed it.
      if progress.stage == .proposed && record.contract.isComplete { progress.stage = .accepted }
    }
    // Those that ended unfunded are over.
    if progress.stage == .abandoned { return }
    _ = try pool.restore(record, progress, states: channels)
  }

  /// The numbers of a stored lease's channels, to look for their states.
  public static func channelNumbers(lease bytes: [UInt8]) -> [UInt8] {
    guard let record = LeaseRecord.decode(bytes) else { return [] }
    return record.channels.indices.map { UInt8($0) }
  }

  /// The height at which a new wallet begins, for who looked it up.
  public func setWalletBirth(_ height: UInt32) { treasury.setBirth(height) }

  /// Complete closes of channels that other runs have: they are sent in place of refunds.
  public var heldCloses: [OutPoint: Transaction] {
    get { treasury.heldCloses }
    set { treasury.heldCloses = newValue }
  }

  // MARK: Start

  /// Begins. `blockHash` gives the chain as it is known now; the wallet goes back to where both agree.
  public func started(
    _ now: Instant, tipHeight: UInt32, baseHeight: UInt32, blockHash: (UInt32) -> Bytes32?
  ) {
    context.now = now
    context.tipHeight = tipHeight
    for pool in pools.all { pool.adopt() }
    treasury.noteOwnBroadcasts()
    treasury.started(baseHeight: baseHeight, blockHash: blockHash)
    for pool in pools.all { pool.started() }
    settle()
  }

  // MARK: Pools and tasks

  /// A new pool: it is announced when the wallet has the coins. Its id.
  public func addPool(_ plan: PoolPlan, _ now: Instant) -> Bytes32 {
    context.now = now
    let id = context.random()
    let pool = Pool(id: id, plan, treasury, providers, context)
    pools.add(pool, id)
    context.touch(pool)
    settle()
    return id
  }

  /// A task of a pool to which no end was set. Its index. What providers would refuse
  /// (``TaskSpec/problem(in:)``) must not be added.
  public func addTask(_ spec: TaskSpec, to pool: Bytes32, _ now: Instant) -> UInt32 {
    context.now = now
    guard let pool = pools[pool] else { return UInt32.max }
    let index = pool.add(spec)
    settle()
    return index
  }

  /// Leases end when the last task has ended.
  public func noMoreTasks(_ pool: Bytes32, _ now: Instant) {
    context.now = now
    pools[pool]?.noMoreTasks()
    settle()
  }

  /// The publisher wants no more of a pool: tasks end, what was used is paid.
  public func stop(pool: Bytes32, _ now: Instant) {
    context.now = now
    pools[pool]?.stop("the publisher stops the run")
    settle()
  }

  /// Ends one task. Nil where that is on its way, else why not.
  public func stop(task: TaskId, _ now: Instant) -> String? {
    context.now = now
    guard let pool = pools[task.pool] else { return "there is no such run" }
    let problem = pool.stop(task: task.index)
    settle()
    return problem
  }

  // MARK: The pool's input

  /// How many bytes may be given to ``inputRead(_:_:_:)``.
  public func inputRoom(_ pool: Bytes32) -> Int { pools[pool]?.inputRoom ?? 0 }

  public func inputRead(_ bytes: [UInt8], _ pool: Bytes32, _ now: Instant) {
    context.now = now
    pools[pool]?.inputRead(bytes)
    settle()
  }

  public func inputEnded(_ pool: Bytes32, _ now: Instant) {
    context.now = now
    pools[pool]?.inputEnded()
    settle()
  }

  // MARK: Connections

  /// - Parameter address: without a port: callers are bounded for each.
  public func connected(_ key: CallKey, address: String, _ now: Instant) {
    context.now = now
    callers.connected(key, address: address)
    settle()
  }

  public func disconnected(_ key: CallKey, _ now: Instant) {
    context.now = now
    guard let call = callers[key] else { return }
    call.transportEnded()
    end(call, tellsDriver: false)
    settle()
  }

  public func received(_ bytes: [UInt8], from key: CallKey, _ now: Instant) {
    context.now = now
    guard let call = callers[key] else { return }
    call.received(bytes)
    if let lease = call.lease { context.touch(lease) }
    settle()
  }

  /// While true nothing more is transmitted to this provider.
  public func transportIsBlocked(_ key: CallKey, _ isBlocked: Bool, _ now: Instant) {
    context.now = now
    guard let call = callers[key] else { return }
    call.transportIsBlocked(isBlocked)
    if let lease = call.lease { context.touch(lease) }
    settle()
  }

  private func drain(_ call: Call) {
    while !call.isOver, let effect = call.nextEffect() {
      switch effect {
      case .transmit(let bytes): context.emit(.transmit(call.key, bytes))
      case .established(let peer): established(call, peer)
      case .control(let bytes): controlReceived(bytes, call)
      case .streamOpened(let id, let opening):
        if let lease = call.lease {
          lease.streamOpened(id, opening)
        } else {
          call.resetStream(id)
        }
      case .data(let id, let bytes): call.lease?.streamReceived(id, bytes)
      case .streamEnded(let id): call.lease?.streamEnded(id)
      case .streamReset(let id): call.lease?.streamReset(id)
      case .creditAvailable(let id): call.lease?.streamCredit(id)
      case .failed(let error):
        if !call.isStranger { context.debug("connection: " + error.message) }
        end(call, tellsDriver: true)
      case .closed: end(call, tellsDriver: true)
      }
    }
  }

  private func established(_ call: Call, _ peer: Bytes32) {
    let freePlaces = pools.all.reduce(0) { $0 + $1.freePlaces }
    call.introduced(peer)
    if !callers.hasRoom(for: call, freePlaces: freePlaces) {
      call.refuse(.busy, "too many machines call")
    }
  }

  private func end(_ call: Call, tellsDriver: Bool) {
    if call.isOver { return }
    switch call.phase {
    case .invited(let pool), .candidate(let pool): pool.left(call)
    case .hired(let lease): lease.disconnected(from: call)
    case .stranger, .introduced, .over: break
    }
    callers.remove(call)
    if tellsDriver { context.emit(.hangUp(call.key)) }
  }

  private func controlReceived(_ bytes: [UInt8], _ call: Call) {
    let message: SessionMessage
    do throws(MarketError) { message = try SessionMessage.decode(bytes) } catch {
      return call.refuse(.badMessage, error.message)
    }
    switch (call.phase, message) {
    case (.hired(let lease), _): lease.received(message)
    case (.introduced, .hello(let features, let subject)): greeted(features, subject, call)
    case (.invited(let pool), .bid(let report, let bid, let signature)):
      pool.bidReceived(report: report, bid: bid, signature: signature, call)
    case (.invited(let pool), .refuse(let code, let text)),
      (.candidate(let pool), .refuse(let code, let text)):
      pool.declined(call, code, text)
    // Whatever was said may be said again.
    case (.invited, .hello), (.candidate, .hello), (.candidate, .bid): break
    case (_, .refuse): call.close()
    case (_, .unknown): break
    default: call.refuse(.badMessage, "out of place")
    }
  }

  private func greeted(_ features: PeerFeatures, _ subject: CallSubject, _ call: Call) {
    if !features.areUnderstood {
      return call.refuse(.version, "this publisher speaks version \(PeerFeatures.currentVersion)")
    }
    switch subject {
    case .announcement(let txid):
      guard let pool = pools.all.first(where: { $0.isAnnounced(by: txid) }), !pool.isFinished
      else { return call.refuse(.unacceptable, "no announcement of this publisher's") }
      call.say(.welcome(features: PeerFeatures()))
      pool.greeted(call)
    case .lease(let id):
      let lease = pools.all.lazy.compactMap { $0.leases[id] }.first
      guard let lease, lease.provider == call.peer, lease.stage != .abandoned else {
        return call.refuse(.unknownLease, "no such lease")
      }
      call.say(.welcome(features: PeerFeatures()))
      lease.called(call)
    }
  }

  // MARK: Exec sessions

  /// Starts an exec session in a running task; `id` and `task` of the request are filled in here. The
  /// number that ``HiringEffect/exec(_:_:)`` names it with, or why it cannot be.
  public func startExec(
    _ request: ExecRequest, in task: TaskId, _ now: Instant
  ) -> (id: UInt32, problem: String?) {
    context.now = now
    guard let pool = pools[task.pool], let state = pool.board.state(task.index) else {
      return (0, "there is no such task")
    }
    guard case .assigned(let leaseId, let number) = state, let lease = pool.leases[leaseId],
      lease.tasks.isStarted(task.index)
    else { return (0, "the task is not running") }
    var request = request
    lastExec += 1
    request.id = lastExec
    request.task = number
    do throws(MarketError) {
      // What the machine would refuse is refused here first.
      _ = try SessionMessage.decode(SessionMessage.execute(request).encode())
    } catch { return (0, error.message) }
    let problem = lease.execs.start(request)
    if problem == nil { execs[request.id] = lease }
    settle()
    return (request.id, problem)
  }

  private func withExec<Value>(
    _ id: UInt32, _ now: Instant, _ body: (ExecSessions) -> Value
  ) -> Value? {
    context.now = now
    guard let lease = execs[id] else { return nil }
    let value = body(lease.execs)
    settle()
    return value
  }

  /// How many of the bytes were taken. ``ExecEvent/inputRoom`` says when to offer the rest.
  public func execInput(_ id: UInt32, _ bytes: [UInt8], _ now: Instant) -> Int {
    withExec(id, now) { $0.input(id, bytes) } ?? bytes.count
  }

  public func execInputEnded(_ id: UInt32, _ now: Instant) {
    _ = withExec(id, now) { $0.inputEnded(id) }
  }

  public func execOutputTaken(_ id: UInt32, isError: Bool, count: Int, _ now: Instant) {
    _ = withExec(id, now) { $0.outputTaken(id, isError: isError, count: count) }
  }

  public func execSignalled(_ id: UInt32, _ number: UInt8, _ now: Instant) {
    _ = withExec(id, now) { $0.signalled(id, number) }
  }

  public func execResized(_ id: UInt32, _ size: TerminalSize, _ now: Instant) {
    _ = withExec(id, now) { $0.resized(id, size) }
  }

  /// Nobody listens to it any more. Call it after the end too.
  public func execAbandoned(_ id: UInt32, _ now: Instant) {
    _ = withExec(id, now) { $0.abandoned(id) }
    execs[id] = nil
  }

  // MARK: The chain

  /// - Parameter feeRateSatPerKvB: what a transaction should pay to be mined soon.
  public func chainEvent(
    _ event: LightClientEvent, _ now: Instant, feeRateSatPerKvB: UInt64,
    blockHash: (UInt32) -> Bytes32?
  ) {
    context.now = now
    context.feeRateSatPerKvB = min(
      max(feeRateSatPerKvB, FeeRate.minSatPerKvB), FeeRate.maxSatPerKvB)
    switch event {
    case .tipChanged(let height, _), .synced(let height): context.tipHeight = height
    case .blocksDisconnected(_, let toHeight): context.tipHeight = toHeight
    default: break
    }
    treasury.handle(event, closes: expiredCloses, blockHash: blockHash)
    switch event {
    case .tipChanged: for lease in leases { lease.tipChanged() }
    case .blockMatched(let height, let block):
      for pool in pools.all { pool.blockMatched(height: height, block) }
    case .blocksDisconnected(_, let toHeight):
      for pool in pools.all { pool.blocksDisconnected(toHeight: toHeight) }
      context.warning("blocks above \(toHeight) left the chain")
    case .transactionSeen(let transaction):
      for lease in leases { lease.transactionSeen(transaction) }
    case .transactionConflicted(let txid, let by, let height):
      for pool in pools.all { pool.transactionConflicted(txid) }
      context.warning(
        "transaction " + txid.reversed.hex + " was displaced by " + by.reversed.hex
          + " at height \(height)")
    case .stalled(let reason): context.warning("chain: " + reason.message)
    case .peerMisbehaved(let address, let what, _):
      context.warning("chain: " + address.text + ": " + what.message)
    default: break
    }
    for pool in pools.all { context.touch(pool) }
    settle()
  }

  private var leases: [Lease] { pools.all.flatMap(\.leases.all) }

  private var expiredCloses: [OutPoint: Transaction] {
    var closes: [OutPoint: Transaction] = [:]
    for lease in leases {
      for (outPoint, close) in lease.money.channels.heldCloses { closes[outPoint] = close }
    }
    return closes
  }

  // MARK: Time

  public func timePassed(_ now: Instant) {
    context.now = now
    callers.timePassed()
    for pool in pools.all {
      if now.nowMs >= pool.nextDeadlineMs { context.touch(pool) }
      for lease in pool.leases.all where now.nowMs >= lease.nextDeadlineMs {
        lease.timePassed()
      }
      context.touch(pool)
    }
    storeReservations()
    settle()
  }

  /// How long a share was reserved has to survive this program.
  private func storeReservations() {
    if context.now.nowMs < storesAtMs { return }
    storesAtMs = UInt64.max
    for lease in leases where lease.money.account.isReserved { lease.store() }
  }

  /// When ``timePassed(_:)`` is wanted; `UInt64.max` when only events matter.
  public private(set) var nextDeadlineMs = UInt64.max

  private func findDeadline() {
    var earliest = callers.nextDeadlineMs
    var hasReservation = false
    for pool in pools.all {
      earliest = min(earliest, pool.nextDeadlineMs)
      for lease in pool.leases.all {
        earliest = min(earliest, lease.nextDeadlineMs)
        if lease.money.account.isReserved { hasReservation = true }
      }
    }
    if hasReservation {
      if storesAtMs == UInt64.max { storesAtMs = context.now.nowMs + HiringTimes.progressMs }
      earliest = min(earliest, storesAtMs)
    }
    nextDeadlineMs = earliest
  }

  // MARK: After every event

  /// Whatever the event touched is brought up to date, until nothing moves any more.
  private func settle() {
    while true {
      if let call = context.nextCall() {
        drain(call)
      } else if let lease = context.nextLease() {
        lease.advance()
        pools[lease.pool]?.handle(lease)
      } else if let pool = context.nextPool() {
        pool.advance()
      } else {
        break
      }
    }
    findDeadline()
  }

  // MARK: What is known

  /// Nothing is left to be done for it, or to be waited for.
  public func isFinished(_ pool: Bytes32) -> Bool { pools[pool]?.isFinished ?? true }

  public func status(of pool: Bytes32) -> PoolStatus? { pools[pool]?.status }

  /// Nil before the announcement.
  public func record(of pool: Bytes32) -> PoolRecord? { pools[pool]?.record }

  /// The leases that came about, in the order of their places.
  public func leases(of pool: Bytes32) -> [LeaseSummary] {
    (pools[pool]?.leases.all.map(\.summary) ?? []).filter { $0.stage != .abandoned }
      .sorted {
        ($0.worker, $0.openedUnixSeconds, $0.id) < ($1.worker, $1.openedUnixSeconds, $1.id)
      }
  }

  public func tasks(of pool: Bytes32) -> [TaskSummary] { pools[pool]?.board.summaries ?? [] }

  /// What the wallet can spend now.
  public var balance: WalletBalance { treasury.balance }

  /// Who was hired before, and what is owed from earlier leases.
  public var providerBook: ProviderBook { providers.book }

  static func text(_ error: any Error) -> String {
    switch error {
    case let error as WalletError: return error.message
    case let error as ChannelError: return error.message
    case let error as MarketError: return error.message
    default: return "\(error)"
    }
  }
}
