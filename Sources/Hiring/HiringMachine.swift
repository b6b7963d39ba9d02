import Bitcoin
import Bytes
import Channel
import Crypto
import LightClient
import Market
import Session
import Wallet

/// The publisher's core: owns the wallet, the connections and the leases of any number of pools. It
/// performs no I/O. Call a method for each event, then take ``nextEffect()`` until it returns nil,
/// and call ``timePassed(_:)`` at ``nextDeadlineMs``.
public final class HiringMachine {
  let context: HiringContext
  let treasury: Treasury
  let providers: Providers
  let directory = PoolDirectory()
  let switchboard: Switchboard
  let execs: ExecDesk
  /// When leases with a running reservation are stored next, in ms.
  var storesAtMs = UInt64.max

  /// - Parameters:
  ///   - readBundle: reads any bundle that a task names.
  ///   - random: returns 32 fresh random bytes per call.
  public init(
    settings: HiringSettings = HiringSettings(), network: Network, secrets: HiringSecrets,
    wallet: Wallet, readBundle: @escaping BundleReader, random: @escaping () -> Bytes32
  ) {
    context = HiringContext(
      settings: settings, network: network, secrets: secrets, readBundle: readBundle,
      random: random)
    treasury = Treasury(wallet, context)
    providers = Providers(context)
    let directory = directory
    switchboard = Switchboard(context) { directory.pools.all }
    execs = ExecDesk(directory)
  }

  /// The next queued effect; nil when the queue is empty.
  public func nextEffect() -> HiringEffect? { context.nextEffect() }

  /// When to call ``timePassed(_:)``; `UInt64.max` when no timer is set.
  public internal(set) var nextDeadlineMs = UInt64.max

  // MARK: After a restart: before ``started(_:tipHeight:baseHeight:blockHash:)``, in this order

  /// Restores what ``HiringEffect/storeProviders(_:)`` stored.
  public func restored(providers bytes: [UInt8]) throws(HiringError) {
    guard let book = ProviderBook.decode(bytes) else { throw .damaged("book of providers") }
    providers.restored(book)
  }

  public func restored(pool record: PoolRecord, _ now: Instant) {
    context.now = now
    directory.pools.add(Pool(restoring: record, treasury, providers, context), record.id)
  }

  /// Restores what ``HiringEffect/storeTask(_:_:)`` stored: all tasks of a pool, by ascending
  /// index.
  public func restored(task: TaskId, _ bytes: [UInt8]) throws(HiringError) {
    guard let pool = directory.pools[task.pool] else { throw .unknown("pool") }
    guard let record = TaskRecord.decode(bytes) else { throw .damaged("task") }
    try pool.board.restore(task.index, record)
  }

  /// Restores what ``HiringEffect/storeLease(contract:pool:_:)``,
  /// ``HiringEffect/storeLeaseState(contract:_:)`` and
  /// ``HiringEffect/storeChannel(id:sequence:amountSat:_:)`` stored. Throws if a record cannot be
  /// read; the operator must resolve this, because channels hold money.
  ///
  /// - Parameter channels: channel states by their number in the lease.
  public func restored(
    lease bytes: [UInt8], state: [UInt8]?, channels: [UInt8: [UInt8]], _ now: Instant
  ) throws(HiringError) {
    context.now = now
    guard let record = LeaseRecord.decode(bytes) else { throw .damaged("lease") }
    guard let pool = directory.pools[record.pool] else { throw .unknown("pool") }
    var progress = LeaseProgress(stage: record.contract.isComplete ? .accepted : .proposed)
    if let state {
      guard let stored = LeaseProgress.decode(state) else { throw .damaged("state of a lease") }
      progress = stored
      // The completed contract is stored before the progress that records its stage.
      if progress.stage == .proposed && record.contract.isComplete { progress.stage = .accepted }
    }
    // A lease abandoned before its funding needs nothing more.
    if progress.stage == .abandoned { return }
    try pool.restore(record, progress, states: channels)
  }

  /// The channel numbers of a stored lease, for loading their states.
  public static func channelNumbers(lease bytes: [UInt8]) -> [UInt8] {
    guard let record = LeaseRecord.decode(bytes) else { return [] }
    return record.channels.indices.map { UInt8($0) }
  }

  /// Sets the birth height of a new wallet: no earlier block is scanned.
  public func setWalletBirth(_ height: UInt32) { treasury.setBirth(height) }

  /// Fully signed closes of other runs' channels, sent instead of refunds.
  public var heldCloses: [OutPoint: Transaction] {
    get { treasury.heldCloses }
    set { treasury.heldCloses = newValue }
  }

  // MARK: Start

  /// Starts the core. `blockHash` returns the current chain's hash at a height; the wallet rolls
  /// back to the last common block.
  public func started(
    _ now: Instant, tipHeight: UInt32, baseHeight: UInt32, blockHash: (UInt32) -> Bytes32?
  ) {
    context.now = now
    context.tipHeight = tipHeight
    for pool in directory.pools.all { pool.relayAgain() }
    treasury.noteOwnBroadcasts()
    treasury.started(baseHeight: baseHeight, blockHash: blockHash)
    for pool in directory.pools.all { pool.started() }
    settle()
  }

  // MARK: Pools and tasks

  /// Adds a pool, which is announced once the wallet has enough coins. Returns its id.
  public func addPool(_ plan: PoolPlan, _ now: Instant) -> Bytes32 {
    context.now = now
    let id = context.random()
    let pool = Pool(id: id, plan, treasury, providers, context)
    directory.pools.add(pool, id)
    context.touch(pool)
    settle()
    return id
  }

  /// Adds a task to an incomplete pool and returns its index. Do not add a task that providers
  /// would refuse (``TaskSpec/problem(in:)``).
  public func addTask(_ spec: TaskSpec, to pool: Bytes32, _ now: Instant) -> UInt32 {
    context.now = now
    guard let pool = directory.pools[pool] else { return UInt32.max }
    let index = pool.add(spec)
    settle()
    return index
  }

  /// Marks the pool complete: its leases end after the last task.
  public func noMoreTasks(_ pool: Bytes32, _ now: Instant) {
    context.now = now
    directory.pools[pool]?.noMoreTasks()
    settle()
  }

  /// Stops a pool: its tasks are stopped and used time is paid.
  public func stop(pool: Bytes32, _ now: Instant) {
    context.now = now
    directory.pools[pool]?.stop("the publisher stops the run")
    settle()
  }

  /// Stops one task. Returns nil if the stop was requested, else the reason.
  public func stop(task: TaskId, _ now: Instant) -> String? {
    context.now = now
    guard let pool = directory.pools[task.pool] else { return "there is no such run" }
    let problem = pool.stop(task: task.index)
    settle()
    return problem
  }

  // MARK: The pool's input

  /// How many bytes ``inputRead(_:_:_:)`` accepts.
  public func inputRoom(_ pool: Bytes32) -> Int { directory.pools[pool]?.inputRoom ?? 0 }

  public func inputRead(_ bytes: [UInt8], _ pool: Bytes32, _ now: Instant) {
    context.now = now
    directory.pools[pool]?.inputRead(bytes)
    settle()
  }

  public func inputEnded(_ pool: Bytes32, _ now: Instant) {
    context.now = now
    directory.pools[pool]?.inputEnded()
    settle()
  }

  // MARK: Connections

  /// - Parameter address: without a port; callers are limited per address.
  public func connected(_ key: CallKey, address: String, _ now: Instant) {
    context.now = now
    switchboard.connected(key, address: address)
    settle()
  }

  public func disconnected(_ key: CallKey, _ now: Instant) {
    context.now = now
    switchboard.disconnected(key)
    settle()
  }

  public func received(_ bytes: [UInt8], from key: CallKey, _ now: Instant) {
    context.now = now
    switchboard.received(bytes, from: key)
    settle()
  }

  /// While blocked, the core transmits nothing to this provider.
  public func transportIsBlocked(_ key: CallKey, _ isBlocked: Bool, _ now: Instant) {
    context.now = now
    switchboard.transportIsBlocked(key, isBlocked)
    settle()
  }

  // MARK: Exec sessions

  /// Starts an exec session in a running task; fills in the request's `id` and `task`. Returns the
  /// number used in ``HiringEffect/exec(_:_:)``, or the problem.
  public func startExec(
    _ request: ExecRequest, in task: TaskId, _ now: Instant
  ) -> (id: UInt32, problem: String?) {
    context.now = now
    let started = execs.start(request, in: task)
    settle()
    return started
  }

  func withExec<Value>(
    _ id: UInt32, _ now: Instant, _ body: (ExecSessions) -> Value
  ) -> Value? {
    context.now = now
    guard let sessions = execs[id] else { return nil }
    let value = body(sessions)
    settle()
    return value
  }

  /// Returns how many bytes were accepted. Offer the rest after ``ExecEvent/inputRoom``.
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

  /// Releases the session: the client is gone. Call it after the session's end too.
  public func execAbandoned(_ id: UInt32, _ now: Instant) {
    _ = withExec(id, now) { $0.abandoned(id) }
    execs.forget(id)
  }

  // MARK: The chain

  /// - Parameter feeRateSatPerKvB: estimated rate for confirmation within a few blocks.
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
      for pool in directory.pools.all { pool.blockMatched(height: height, block) }
    case .blocksDisconnected(_, let toHeight):
      for pool in directory.pools.all { pool.blocksDisconnected(toHeight: toHeight) }
      context.warning("blocks above \(toHeight) left the chain")
    case .transactionSeen(let transaction):
      for lease in leases { lease.transactionSeen(transaction) }
    case .transactionConflicted(let txid, let by, let height):
      for pool in directory.pools.all { pool.transactionConflicted(txid) }
      context.warning(
        "transaction " + txid.reversed.hex + " was displaced by " + by.reversed.hex
          + " at height \(height)")
    case .stalled(let reason): context.warning("chain: " + reason.message)
    case .peerMisbehaved(let address, let what, _):
      context.warning("chain: " + address.text + ": " + what.message)
    default: break
    }
    for pool in directory.pools.all { context.touch(pool) }
    settle()
  }

  var leases: [Lease] { directory.pools.all.flatMap(\.leases.all) }

  var expiredCloses: [OutPoint: Transaction] {
    var closes: [OutPoint: Transaction] = [:]
    for lease in leases {
      for (outPoint, close) in lease.money.channels.heldCloses { closes[outPoint] = close }
    }
    return closes
  }
}
