import Bitcoin
import Bytes
import Channel
import LightClient
import Market
import Sandbox
import Session

/// The provider's mind: which event leads to which effect. It looks at announcements, decides whom to call,
/// and owns the leases; each ``Lease`` lives its own life. No I/O: call a method for what happened, then
/// take ``nextEffect()`` until nil, and call ``timePassed(_:)`` at ``nextDeadlineMs``.
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

  /// The next thing to do; nil when there is nothing.
  public func nextEffect() -> AgentEffect? { context.nextEffect() }

  // MARK: Start

  /// A document that an earlier run stored. What cannot be read is begun anew.
  public func restoredMemory(_ kind: MemoryKind, _ bytes: [UInt8]) {
    switch kind {
    case .debtors: context.memory.debtors = Debtors.decode(bytes) ?? Debtors()
    case .history: context.memory.history = History.decode(bytes) ?? History()
    case .losses: context.unconfirmed.losses = Losses.decode(bytes) ?? Losses()
    }
  }

  /// A lease that an earlier run stored. Call after ``restoredMemory(_:_:)`` and before
  /// ``started(_:tipHeight:)``. Throws where its record or a channel's state cannot be read: then somebody
  /// has to look, as it is money.
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

  /// Begins to follow the market. `tipHeight` is what the light client knows already.
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
      // Whatever was agreed now might be paid for on a chain that nobody else follows.
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
  /// While true nothing more is transmitted to this publisher.
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
  /// Also of a task that could not be started. What it printed comes before.
  public func taskEnded(
    _ task: TaskRef, _ outcome: JobOutcome, _ usage: UsageSample, _ now: Instant
  ) {
    withWork(task.lease, now) { $0.ended(task.number, outcome, usage) }
  }
  public func usageSampled(_ task: TaskRef, _ sample: UsageSample, _ now: Instant) {
    withWork(task.lease, now) { $0.sampled(task.number, sample) }
  }
  /// `digest` is SHA-256 of the bytes, zero where there are none.
  public func resultsCollected(
    _ task: TaskRef, sizeBytes: UInt64, digest: Bytes32, _ now: Instant
  ) {
    withWork(task.lease, now) {
      $0.resultsCollected(task.number, sizeBytes: sizeBytes, digest: digest)
    }
  }
  /// Instead of `resultsCollected`: there are none, and never will be.
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

  /// How many bytes of a standard stream of the task may be read now.
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
  /// Also of one that could not be started. What it printed comes before.
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

  /// When ``timePassed(_:)`` is wanted; `UInt64.max` when only events matter.
  public var nextDeadlineMs: UInt64 {
    var earliest = search.nextDeadlineMs(looksForWork: looksForWork, leases)
    for lease in leases { earliest = min(earliest, lease.nextDeadlineMs) }
    return earliest
  }

  /// The owner wants the machine back: leases end, what was earned is collected.
  public func stopRequested(_ now: Instant) {
    context.now = now
    context.isStopping = true
    for lease in leases { lease.ownerStops() }
    settle()
  }

  /// What the machine's sensors say; wanted every few seconds. Leases freeze and thaw by it.
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

  /// Why leases make way for the owner at the moment; empty when they need not.
  public var pauseText: String { context.owner.text }

  /// This machine was measured; `report` is signed. Before that nobody is called.
  public func reportSigned(_ report: [UInt8], _ now: Instant) {
    context.now = now
    context.report = report
    settle()
  }

  // MARK: What can be asked

  public var isStopping: Bool { context.isStopping }

  /// No lease is left that has to do with more than its close: a stopping program may end once the closes
  /// under way are delivered. They are taken up again at the next start.
  public var isSettled: Bool {
    for lease in leases where !lease.isSettled { return false }
    return true
  }

  /// Nothing runs, and nothing is waited for but the chain.
  public var isIdle: Bool { isSettled }

  /// The closes that are not in a block yet, wire byte order.
  public var closesUnderWay: [Bytes32] {
    var txids: [Bytes32] = []
    for lease in leases { txids += lease.closesUnderWay }
    return txids
  }

  /// All leases that are not forgotten, oldest first, for status displays.
  public var leaseSummaries: [LeaseSummary] {
    var summaries: [LeaseSummary] = []
    for lease in leases { summaries.append(lease.summary) }
    return summaries
  }

  // MARK: After every event

  /// Whether this machine looks for work at all.
  private var looksForWork: Bool {
    !context.isStopping && context.isSynced && !context.report.isEmpty && !context.owner.isPaused
  }

  /// Places that are free are taken by what is waiting.
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
