import Bitcoin
import Bytes
import Channel
import LightClient
import Market
import Sandbox
import Session

/// The provider's core. It evaluates announcements, selects publishers to call and owns the leases.
/// It performs no I/O. Call a method for each event, then take ``nextEffect()`` until it returns
/// nil, and call ``timePassed(_:)`` at ``nextDeadlineMs``.
public final class AgentMachine {
  private let context: AgentContext
  private let search: WorkSearch
  private var leases: [Lease] = []
  private var nextLease: UInt32 = 1

  public init(
    configuration: Configuration, network: Network, secrets: AgentSecrets, payoutScript: [UInt8],
    machine: MachineFacts, report: [UInt8], random: @escaping () -> Bytes32
  ) {
    context = AgentContext(
      configuration: configuration, network: network, secrets: secrets,
      payoutScript: payoutScript, machine: machine, report: report, random: random)
    search = WorkSearch(context: context)
  }

  /// The next queued effect; nil when the queue is empty.
  public func nextEffect() -> AgentEffect? { context.nextEffect() }

  // MARK: Start

  /// Restores a stored document. An unreadable one is replaced by an empty one.
  public func restoredMemory(_ kind: MemoryKind, _ bytes: [UInt8]) {
    switch kind {
    case .debtors: context.memory.debtors = Debtors.decode(bytes) ?? Debtors()
    case .history: context.memory.history = History.decode(bytes) ?? History()
    case .losses: context.unconfirmed.losses = Losses.decode(bytes) ?? Losses()
    }
  }

  /// Restores a stored lease. Call it after ``restoredMemory(_:_:)`` and before
  /// ``started(_:tipHeight:)``. Throws if the record or a channel state cannot be read; the owner
  /// must resolve this, because channels hold money.
  public func restored(_ stored: StoredLease, _ now: Instant) throws(ChannelError) {
    context.now = now
    guard let record = LeaseRecord.decode(stored.record) else { throw ChannelError.damagedState }
    let call = Call(
      key: search.takeCallKey(), publisher: record.contract.body.publisher,
      endpoint: record.endpoint, context: context)
    let lease = try Lease(
      takeLeaseKey(), restoring: record, stored, call: call, context: context)
    search.placeTaken(lease)
    leases.append(lease)
  }

  /// Starts to follow announcements. `tipHeight` is the light client's current tip.
  public func started(_ now: Instant, tipHeight: UInt32) {
    context.now = now
    context.tipHeight = tipHeight
    let lookback = context.configuration.lookbackBlocks
    context.emit(
      .watch(
        script: Beacon.scriptPubKey,
        fromHeight: tipHeight > lookback ? tipHeight - lookback : 0))
    for lease in leases { lease.settle() }
    settle()
  }

  private func takeLeaseKey() -> LeaseKey {
    nextLease += 1
    return LeaseKey(nextLease - 1)
  }

  // MARK: The chain

  public func chainTold(
    _ event: LightClientEvent, _ now: Instant, authenticatedHeight: UInt32,
    feeRateSatPerKvB: UInt64
  ) {
    context.now = now
    context.authenticatedHeight = authenticatedHeight
    context.feeRateSatPerKvB = max(1, feeRateSatPerKvB)
    switch event {
    case .tipChanged(let height, _):
      context.tipHeight = height
      for lease in leases { lease.tipChanged() }
      search.tipChanged()
    case .synced: context.isSynced = true
    case .blockMatched(let height, let block):
      for lease in leases { lease.blockMatched(height: height, block) }
      for transaction in block.transactions {
        search.look(at: transaction, isConfirmed: true, leases)
      }
      for lease in leases { lease.tipChanged() }
    case .blocksDisconnected(_, let toHeight):
      for lease in leases { lease.blocksDisconnected(toHeight: toHeight) }
    case .transactionSeen(let transaction):
      search.look(at: transaction, isConfirmed: false, leases)
    case .transactionRelayed(let txid, _):
      for lease in leases { lease.relayed(txid) }
    case .transactionConflicted(let txid, let by, let height):
      context.warning(
        "transaction \(txid.reversed.hex) was displaced by \(by.reversed.hex) at height \(height)")
      for lease in leases { lease.conflicted(txid: txid, by: by, height: height) }
    case .stalled(let reason):
      // A new lease could be paid on a chain that other nodes reject.
      if reason == .reorganisationTooDeep { context.isSynced = false }
      context.warning("chain: " + reason.message)
    case .peerMisbehaved(let address, let what, _):
      context.warning("chain: " + address.text + ": " + what.message)
    case .peerReady(_, let address, let servesFilters):
      context.info(
        "chain: peer " + address.text + (servesFilters ? "" : ", which serves no filters"))
    case .transactionConfirmed, .blockScanned: break
    }
    settle()
  }

  // MARK: The publisher

  public func publisherConnected(_ key: CallKey, _ now: Instant) {
    withCall(key, now) { $0.connected() }
  }
  public func publisherDisconnected(_ key: CallKey, _ now: Instant) {
    withCall(key, now) { $0.disconnected() }
  }
  public func received(_ bytes: [UInt8], from key: CallKey, _ now: Instant) {
    withCall(key, now) { $0.received(bytes) }
  }
  /// While blocked, the core transmits nothing to this publisher.
  public func transportIsBlocked(_ key: CallKey, _ isBlocked: Bool, _ now: Instant) {
    withCall(key, now) { $0.transportIsBlocked(isBlocked) }
  }

  private func withCall(_ key: CallKey, _ now: Instant, _ body: (Call) -> Void) {
    context.now = now
    for lease in leases where lease.call.key == key {
      body(lease.call)
      lease.settle()
      return settle()
    }
    if let call = search.call(key) { body(call) }
    settle()
  }

  // MARK: Tasks

  public func taskStarted(_ task: TaskRef, _ now: Instant) {
    withWork(task.lease, now) { $0.started(task.number) }
  }
  /// Call it for tasks that failed to start too, and after all of the task's output.
  public func taskEnded(
    _ task: TaskRef, _ outcome: JobOutcome, _ usage: UsageSample, _ now: Instant
  ) {
    withWork(task.lease, now) { $0.ended(task.number, outcome, usage) }
  }
  public func usageSampled(_ task: TaskRef, _ sample: UsageSample, _ now: Instant) {
    withWork(task.lease, now) { $0.sampled(task.number, sample) }
  }
  /// `digest` is the SHA-256 of the bytes; zero if there are none.
  public func resultsCollected(
    _ task: TaskRef, sizeBytes: UInt64, digest: Bytes32, _ now: Instant
  ) {
    withWork(task.lease, now) {
      $0.resultsCollected(task.number, sizeBytes: sizeBytes, digest: digest)
    }
  }
  /// Call it instead of `resultsCollected` when the results are lost.
  public func resultsLost(_ task: TaskRef, _ now: Instant) {
    withWork(task.lease, now) { $0.resultsLost(task.number) }
  }
  public func resultBytes(_ task: TaskRef, _ bytes: [UInt8], offset: UInt64, _ now: Instant) {
    withWork(task.lease, now) { $0.resultBytes(task.number, bytes, offset: offset) }
  }
  /// A bundle could not be staged.
  public func bundleLost(_ lease: LeaseKey, digest: Bytes32, _ now: Instant) {
    withWork(lease, now) { $0.bundleLost(digest) }
  }

  /// How many bytes of the task's stream the driver may read now.
  public func outputRoom(_ task: TaskRef, isError: Bool) -> Int {
    lease(task.lease)?.work.outputRoom(task.number, isError: isError) ?? 0
  }
  public func outputRead(_ task: TaskRef, _ bytes: [UInt8], isError: Bool, _ now: Instant) {
    withWork(task.lease, now) { $0.outputRead(task.number, bytes, isError: isError) }
  }
  public func outputEnded(_ task: TaskRef, isError: Bool, _ now: Instant) {
    withWork(task.lease, now) { $0.outputEnded(task.number, isError: isError) }
  }
  public func inputTaken(_ task: TaskRef, count: Int, _ now: Instant) {
    withWork(task.lease, now) { $0.inputTaken(task.number, count) }
  }

  // MARK: Exec sessions

  public func execStarted(_ task: TaskRef, _ id: UInt32, _ now: Instant) {
    withWork(task.lease, now) { $0.execStarted(task.number, id) }
  }
  /// Call it for sessions that failed to start too, and after all of the session's output.
  public func execEnded(_ task: TaskRef, _ id: UInt32, _ outcome: JobOutcome, _ now: Instant) {
    withWork(task.lease, now) { $0.execEnded(task.number, id, outcome) }
  }
  public func execOutputRoom(_ task: TaskRef, _ id: UInt32, isError: Bool) -> Int {
    lease(task.lease)?.work.execOutputRoom(task.number, id, isError: isError) ?? 0
  }
  public func execOutputRead(
    _ task: TaskRef, _ id: UInt32, _ bytes: [UInt8], isError: Bool, _ now: Instant
  ) {
    withWork(task.lease, now) { $0.execOutputRead(task.number, id, bytes, isError: isError) }
  }
  public func execOutputEnded(_ task: TaskRef, _ id: UInt32, isError: Bool, _ now: Instant) {
    withWork(task.lease, now) { $0.execOutputEnded(task.number, id, isError: isError) }
  }
  public func execInputTaken(_ task: TaskRef, _ id: UInt32, count: Int, _ now: Instant) {
    withWork(task.lease, now) { $0.execInputTaken(task.number, id, count) }
  }

  private func lease(_ key: LeaseKey) -> Lease? {
    for lease in leases where lease.key == key { return lease }
    return nil
  }

  private func withWork(_ key: LeaseKey, _ now: Instant, _ body: (LeaseWork) -> Void) {
    context.now = now
    guard let lease = lease(key) else { return }
    body(lease.work)
    lease.settle()
    settle()
  }

  // MARK: Time and the owner

  public func timePassed(_ now: Instant) {
    context.now = now
    for lease in leases { lease.timePassed() }
    search.timePassed()
    settle()
  }

  /// When to call ``timePassed(_:)``; `UInt64.max` when no timer is set.
  public var nextDeadlineMs: UInt64 {
    var earliest = search.nextDeadlineMs(looksForWork: looksForWork, leases)
    for lease in leases { earliest = min(earliest, lease.nextDeadlineMs) }
    return earliest
  }

  /// Stops the agent: leases end and channels are closed.
  public func stopRequested(_ now: Instant) {
    context.now = now
    context.isStopping = true
    for lease in leases { lease.ownerStops() }
    settle()
  }

  /// Applies sensor readings; call it every few seconds. Leases freeze and thaw by them.
  public func ownerRead(_ readings: OwnerReadings, _ now: Instant) {
    context.now = now
    let before = context.owner.reasons
    context.owner.read(readings, nowMs: now.nowMs)
    if context.owner.reasons != before {
      context.info(
        context.owner.isPaused ? "paused: " + context.owner.text : "the pause is over")
      for lease in leases { lease.ownerChanged() }
    }
    settle()
  }

  /// Why the idle policy pauses leases; empty while they run.
  public var pauseText: String { context.owner.text }

  /// The host was measured; `report` is signed. The agent calls no publisher before this.
  public func reportSigned(_ report: [UInt8], _ now: Instant) {
    context.now = now
    context.report = report
    settle()
  }

  // MARK: Queries

  public var isStopping: Bool { context.isStopping }

  /// Whether all leases need only their closes. A stopping program may then end once the pending
  /// closes are delivered; the next start resumes them.
  public var isSettled: Bool {
    for lease in leases where !lease.isSettled { return false }
    return true
  }

  /// Whether no task runs and only chain events are awaited.
  public var isIdle: Bool { isSettled }

  /// Transaction ids of unconfirmed closes, in wire byte order.
  public var closesUnderWay: [Bytes32] {
    var txids: [Bytes32] = []
    for lease in leases { txids += lease.closesUnderWay }
    return txids
  }

  /// All leases that are not archived, the oldest first, for status displays.
  public var leaseSummaries: [LeaseSummary] {
    var summaries: [LeaseSummary] = []
    for lease in leases { summaries.append(lease.summary) }
    return summaries
  }

  // MARK: After every event

  /// Whether the agent looks for new leases.
  private var looksForWork: Bool {
    !context.isStopping && context.isSynced && !context.report.isEmpty && !context.owner.isPaused
  }

  /// Advances the search and creates leases from signed contracts.
  private func settle() {
    search.update(leases)
    if !looksForWork { search.cancelAll() }
    while let negotiation = search.nextSigned() {
      if let lease = search.take(negotiation, leases, { takeLeaseKey() }) {
        leases.append(lease)
        lease.settle()
      }
    }
    search.update(leases)
    leases.removeAll { $0.isOver }
    if looksForWork { search.callNext(leases) }
  }
}
