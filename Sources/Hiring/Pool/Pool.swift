import Bitcoin
import Bytes
import Channel
import Market
import Wallet

/// So many leases of one offer, with one announcement, and the tasks that they run. It decides who is
/// hired, which lease gets which task, and when it is over; each ``Lease`` lives its own life.
final class Pool {
  let id: Bytes32
  let plan: PoolPlan
  let board: TaskBoard
  var isTouched = false
  private(set) var leases = Roster<Lease>()
  private(set) var input = PoolInput()
  private(set) var isFinished = false
  private(set) var record: PoolRecord?

  private let context: HiringContext
  private let treasury: Treasury
  private let providers: Providers
  private let announcer: Announcer
  private let funder: Funder
  private var bids: BidBook
  private var places: Places
  private var refusals = RefusalCounts()
  private var failedProviders = Set<Bytes32>()
  private var contracts: [Bytes32: Int] = [:]
  private var isComplete = false
  private var isStopping = false
  private var hireFailed = false
  /// Leases that may have room for a task.
  private var mayTake: [Bytes32: Lease] = [:]

  /// Contracts that one provider may be offered, as each takes keys and a place on disk.
  private static let maxContractsPerProvider = 8

  init(
    id: Bytes32, _ plan: PoolPlan, _ treasury: Treasury, _ providers: Providers,
    _ context: HiringContext
  ) {
    self.id = id
    self.plan = plan
    self.treasury = treasury
    self.providers = providers
    self.context = context
    board = TaskBoard(id, reruns: plan.reruns, context)
    announcer = Announcer(plan, treasury, context)
    funder = Funder(announcer, treasury, context)
    bids = BidBook(windowMs: plan.bidWindowMs)
    places = Places(plan.offer.workers, nowMs: context.now.nowMs)
  }

  /// A pool of an earlier program; its tasks and its leases follow.
  convenience init(
    restoring record: PoolRecord, _ treasury: Treasury, _ providers: Providers,
    _ context: HiringContext
  ) {
    self.init(id: record.id, record.plan, treasury, providers, context)
    self.record = record
    isComplete = record.isComplete
    isStopping = record.isStopping
    if isStopping { board.stop() }
  }

  func restore(
    _ record: LeaseRecord, _ progress: LeaseProgress, states: [UInt8: [UInt8]]
  ) throws(HiringError) -> Lease {
    let lease = try Lease(
      restoring: record, progress, states: states, plan: plan, treasury, providers, context)
    lease.tasks.restore(lines: board.lines(of: lease.id))
    board.restored(lease: lease.id, worker: lease.worker)
    for task in board.assigned(to: lease.id) {
      lease.tasks.restore(task.number, index: task.index, task.spec)
    }
    if !progress.fault.isEmpty { failedProviders.insert(lease.provider) }
    contracts[lease.provider, default: 0] += 1
    adopt(lease)
    return lease
  }

  private func adopt(_ lease: Lease) {
    leases.add(lease, lease.id)
    lease.tasks.input = { [unowned self] in input }
    lease.hasMoreWork = { [unowned self, unowned lease] in
      !isComplete || board.hasWork(for: lease.provider, worker: lease.worker)
    }
    context.touch(lease)
    context.touch(self)
  }

  /// Everything of an earlier program is restored: what it funded is known to all that it funds, and
  /// relayed again.
  func adopt() {
    Funder.adopt(leases.all)
    if let record, record.announcementHeight == 0, !isStopping {
      context.emit(.broadcast(record.announcement))
    }
  }

  func started() {
    places.announced(nowMs: context.now.nowMs)
    for lease in leases.all {
      funder.consider(lease)
      if lease.stage == .settled || lease.isOver { takeLost(lease) }
    }
    context.touch(self)
  }

  // MARK: What the publisher wants

  func add(_ spec: TaskSpec) -> UInt32 {
    let index = board.add(spec)
    for lease in leases.all where lease.holdsPlace { mayTake[lease.id] = lease }
    if hireFailed && !leases.all.contains(where: { $0.holdsPlace }) { board.giveUp(nil) }
    context.touch(self)
    return index
  }

  func noMoreTasks() {
    if isComplete { return }
    isComplete = true
    storeFlags()
    context.touch(self)
  }

  func stop(_ reason: String) {
    if isStopping { return }
    isComplete = true
    isStopping = true
    storeFlags()
    board.stop()
    for lease in leases.all { lease.end(reason) }
    context.touch(self)
  }

  /// Nil where its end is on its way, else why not.
  func stop(task index: UInt32) -> String? {
    context.touch(self)
    guard let state = board.state(index) else { return "there is no task \(index)" }
    switch state {
    case .waiting, .assigned:
      board.stop(index)
      if case .assigned(let lease, let number) = state {
        leases[lease]?.tasks.stop(number, "stopped by its publisher")
      }
      return nil
    case .line, .lost, .notHired, .stopped: return "the task has ended already"
    }
  }

  private func storeFlags() {
    if record == nil { return }
    record?.isComplete = isComplete
    record?.isStopping = isStopping
    store()
  }

  private func store() {
    if let record { context.emit(.storePool(id: id, record.encode())) }
  }

  // MARK: Input

  /// Of all tasks that may still want it.
  private var leastInputOffset: UInt64 {
    if board.waitingCount > 0 || !isComplete { return 0 }
    var least = input.endOffset
    for lease in leases.all {
      if let offset = lease.tasks.leastInputOffset { least = min(least, offset) }
    }
    return least
  }

  var inputRoom: Int { input.room(sentOffset: leastInputOffset) }

  func inputRead(_ bytes: [UInt8]) {
    input.append(bytes)
    for lease in leases.all { lease.tasks.inputGrew() }
    input.trim(sentOffset: leastInputOffset)
  }

  func inputEnded() {
    input.end()
    for lease in leases.all { lease.tasks.inputGrew() }
  }

  // MARK: Callers

  /// The places that are to be filled: those that tasks wait for, or may come for.
  private var openPlaces: [UInt16] {
    if isStopping || hireFailed || record == nil { return [] }
    var held = Set<UInt16>()
    for lease in leases.all where lease.holdsPlace { held.insert(lease.worker) }
    var open: [UInt16] = []
    var any = isComplete ? board.waitsFor(0).any : Int.max
    for worker in 0..<plan.offer.workers where !held.contains(worker) {
      if places.isGivenUp(worker) { continue }
      if board.waitsFor(worker).own > 0 {
        open.append(worker)
      } else if any > 0 {
        open.append(worker)
        any -= 1
      }
    }
    return open
  }

  var freePlaces: Int { openPlaces.count }

  /// Whether the transaction is this pool's announcement.
  func isAnnounced(by txid: Bytes32) -> Bool { record?.announcement.txid == txid }

  /// A caller asks about the announcement.
  func greeted(_ call: Call) {
    if openPlaces.isEmpty && !leases.all.contains(where: { $0.stage < .open }) {
      return call.refuse(.busy, "enough machines are hired")
    }
    if failedProviders.contains(call.peer) {
      return call.refuse(.unacceptable, "an earlier lease with this machine failed")
    }
    call.enter(.invited(self))
    call.say(.offer(plan.offer.encode()))
  }

  /// An invited caller does not bid.
  func declined(_ call: Call, _ code: RefusalCode, _ text: [UInt8]) {
    refusals.add(code, of: call.peer)
    context.info(
      "a machine does not bid (" + code.text + "): " + String(decoding: text, as: UTF8.self))
    call.close()
  }

  func bidReceived(report: [UInt8], bid body: [UInt8], signature: [UInt8], _ call: Call) {
    let bid: Bid
    let worstHourlySat: UInt64
    do throws(BidCheck.Refusal) {
      (bid, worstHourlySat) = try BidCheck.check(
        report: report, bid: body, signature: signature, peer: call.peer, plan: plan,
        book: providers.book)
    } catch { return refuseBid(call, error.code, error.text) }
    if let lease = leases.all.first(where: { $0.provider == bid.provider && $0.holdsPlace }),
      !bidsAnew(bid, lease, call)
    {
      return
    }
    if isComplete && !board.hasWork(for: bid.provider) {
      return refuseBid(call, .busy, "no task is left for this machine")
    }
    if contracts[bid.provider, default: 0] >= Pool.maxContractsPerProvider {
      return refuseBid(call, .busy, "too many contracts came to nothing")
    }
    // One machine, one bid: the newest connection counts.
    if let other = bids.call(of: bid.provider), other !== call {
      bids.remove(other)
      other.refuse(.busy, "another connection of the same machine")
    }
    call.enter(.candidate(self))
    bids.add(
      Candidate(call: call, bid: bid, report: report, worstHourlySat: worstHourlySat),
      nowMs: context.now.nowMs)
    context.info("bid of " + bid.provider.hex + ": at most \(worstHourlySat) sat an hour")
    context.touch(self)
  }

  /// A provider that bids again has not signed its contract: it never arrived, or the provider lost it.
  /// True where the bid has to be weighed like any other.
  private func bidsAnew(_ bid: Bid, _ lease: Lease, _ call: Call) -> Bool {
    if lease.stage != .proposed {
      refuseBid(call, .busy, "this machine is hired already")
      return false
    }
    if lease.contract.bidDigest == bid.digest {
      lease.propose(on: call)
      return false
    }
    // A machine that was killed before it stored the contract has new keys. Nothing is funded yet.
    lease.abandon("another bid of the same machine")
    return true
  }

  private func refuseBid(_ call: Call, _ code: RefusalCode, _ reason: String) {
    refusals.add(code, of: call.peer)
    context.warning("bid refused: " + reason)
    call.refuse(code, reason)
  }

  /// A caller that was not hired hung up.
  func left(_ call: Call) { bids.remove(call) }

  // MARK: Hiring

  private func announceIfDue() {
    if isStopping || hireFailed { return }
    if let record, context.tipHeight < record.announcementEndsAt || openPlaces.isEmpty { return }
    if record == nil && isComplete && board.isAllEnded { return }
    guard let announced = announcer.announce() else { return }
    if record == nil {
      record = PoolRecord(
        id: id, plan: plan, announcement: announced.transaction,
        announcementEndsAt: announced.endsAt, startedUnixSeconds: context.now.unixSeconds,
        startHeight: context.tipHeight, isComplete: isComplete)
      places.announced(nowMs: context.now.nowMs)
    } else {
      record?.announcement = announced.transaction
      record?.announcementHeight = 0
      record?.announcementEndsAt = announced.endsAt
    }
    store()
    treasury.flush()
    context.emit(.broadcast(announced.transaction))
    announcer.announced(announced.transaction)
  }

  private func hireIfDue() {
    if bids.isEmpty { return }
    var open = openPlaces
    if open.isEmpty { return dismissRest() }
    for candidate in bids.best(places: open.count, nowMs: context.now.nowMs) {
      guard
        let index = open.firstIndex(where: {
          !isComplete || board.hasWork(for: candidate.bid.provider, worker: $0)
        })
      else { continue }
      if !mayRisk(candidate) { continue }
      if hire(candidate, open[index]) { open.remove(at: index) }
      if open.isEmpty { return }
    }
  }

  /// Whether what may be lost to unknown machines allows another.
  private func mayRisk(_ candidate: Candidate) -> Bool {
    if providers.book.isKnown(candidate.bid.provider) { return true }
    let riskSat = candidate.bid.firstPaymentSat + plan.reserveSat
    let sumSat = Exposure.sumSat(leases.all, providers.book)
    if sumSat + riskSat <= plan.unknownLossLimitSat { return true }
    bids.remove(candidate.call)
    refuseBid(
      candidate.call, .risk,
      "up to \(sumSat) sat are risked with unknown machines, at most "
        + "\(plan.unknownLossLimitSat) sat may be")
    if !leases.all.contains(where: { $0.holdsPlace }) {
      failHiring("what may be lost to unknown machines is lost")
    }
    return false
  }

  private func hire(_ candidate: Candidate, _ worker: UInt16) -> Bool {
    bids.remove(candidate.call)
    do {
      let lease = try Lease(
        try leaseRecord(candidate, worker), plan: plan, treasury, providers, context)
      contracts[candidate.bid.provider, default: 0] += 1
      adopt(lease)
      context.info(
        "worker \(worker) is " + candidate.bid.provider.hex + " for at most "
          + "\(candidate.worstHourlySat) sat an hour")
      lease.propose(on: candidate.call)
      return true
    } catch {
      context.warning("cannot hire: " + HiringMachine.text(error))
      candidate.call.refuse(.internalFault, "cannot make a contract")
      return false
    }
  }

  private func leaseRecord(_ candidate: Candidate, _ worker: UInt16) throws -> LeaseRecord {
    let bid = candidate.bid
    let offer = plan.offer
    let keys = try treasury.takeChannelKeys()
    let terms = ChannelTerms(
      providerKey: bid.providerKey, publisherKey: keys.publisherKey,
      expiryHeight: context.tipHeight + offer.channelBlocks,
      closeMarginBlocks: offer.closeMarginBlocks,
      capacitySat: plan.capacitySat(
        worstHourlySat: candidate.worstHourlySat, maxLossSat: bid.maxLossSat,
        firstPaymentSat: bid.firstPaymentSat, debtSat: bid.debt?.amountSat ?? 0),
      reserveSat: plan.reserveSat, feeLadderSatPerKvB: offer.feeLadderSatPerKvB,
      payoutScript: bid.payoutScript, returnKey: keys.returnKey)
    let contract = Contract(
      offer: offer, bid: bid, publisher: context.secrets.identity.publicKey, workerIndex: worker,
      terms: terms)
    // What the provider would refuse is refused here first.
    let checked = try Contract.decode(contract.encode())
    try checked.check(against: offer, bid)
    return LeaseRecord(
      pool: id,
      contract: Signed(contract, publisherSignature: contract.sign(context.secrets.identity)),
      report: candidate.report, startHeight: context.tipHeight,
      channels: [LeaseChannelRecord(channelIndex: keys.index)])
  }

  /// When all places are taken for good, those who still wait may look for other work.
  private func dismissRest() {
    if leases.all.contains(where: { $0.stage < .open }) { return }
    for candidate in bids.all {
      bids.remove(candidate.call)
      candidate.call.refuse(.busy, "enough machines are hired")
    }
  }

  private func giveUpPlacesIfDue() {
    guard let timeoutMs = plan.hireTimeoutMs, record != nil, !hireFailed else { return }
    let given = places.giveUp(openPlaces, timeoutMs: timeoutMs, nowMs: context.now.nowMs)
    if given.isEmpty { return }
    for worker in given {
      context.warning("worker \(worker): no machine was hired within \(timeoutMs / 1000) s")
      board.giveUp(worker)
    }
    if openPlaces.isEmpty && !leases.all.contains(where: { $0.holdsPlace }) {
      failHiring("no machine was hired in time")
    }
  }

  private func failHiring(_ reason: String) {
    if hireFailed { return }
    hireFailed = true
    let why = refusals.text
    context.warning(reason + (why.isEmpty ? "; no machine answered" : ": " + why))
    for worker in 0..<plan.offer.workers { board.giveUp(worker) }
    board.giveUp(nil)
    dismissRest()
  }

  // MARK: Leases

  func handle(_ lease: Lease) {
    while let event = lease.nextEvent() {
      context.touch(self)
      switch event {
      case .accepted, .toppedUp: funder.consider(lease)
      case .opened: mayTake[lease.id] = lease
      case .task(let event): taskMoved(event, lease)
      case .over(let failed):
        places.emptied(lease.worker, nowMs: context.now.nowMs)
        if failed {
          if failedProviders.count < 4096 { failedProviders.insert(lease.provider) }
          takeLost(lease)
        }
      case .abandoned(let code):
        if let code { refusals.add(code, of: lease.provider) }
        places.emptied(lease.worker, nowMs: context.now.nowMs)
        leases.remove(lease.id)
      case .moved: if lease.stage >= .settled { takeLost(lease) }
      }
    }
    if lease.takesTasks { mayTake[lease.id] = lease }
    if lease.isOver || lease.stage == .settled { context.touch(self) }
  }

  private func takeLost(_ lease: Lease) {
    for (index, hasStarted) in lease.takeLost() {
      board.lost(index, provider: lease.provider, hasStarted: hasStarted)
    }
    for other in leases.all where other.holdsPlace { mayTake[other.id] = other }
  }

  private func taskMoved(_ event: LeaseTasks.Event, _ lease: Lease) {
    switch event {
    case .started(let index, let unixSeconds):
      board.started(index)
      context.emit(
        .taskStarted(
          TaskId(pool: id, index: index), worker: lease.worker, unixSeconds: unixSeconds))
    case .complete(let index, let number, let place, let line, let hasResults):
      let hasEnded = board.complete(
        index, lease: lease.id, provider: lease.provider, place: place, line,
        hasResults: hasResults)
      lease.tasks.stored(number)
      // The line of a task that runs again is on disk with its lease.
      if !hasEnded { lease.store() }
    case .refused(let index, let code, let text):
      context.warning(
        "worker \(lease.worker): task \(index) is refused (" + code.text + "): " + text)
      board.refused(index, provider: lease.provider)
      for other in leases.all where other.holdsPlace { mayTake[other.id] = other }
    case .ended, .orphanEnded, .fault: break
    }
  }

  /// Gives waiting tasks to leases with room: one each, in turns.
  private func assign() {
    if isStopping { return }
    var takers = mayTake.values.sorted {
      ($0.tasks.outstandingCount, $0.worker, $0.id) < ($1.tasks.outstandingCount, $1.worker, $1.id)
    }
    mayTake = [:]
    while board.waitingCount > 0 && !takers.isEmpty {
      takers.removeAll { lease in
        guard lease.takesTasks,
          let index = board.next(for: lease.provider, worker: lease.worker),
          let spec = board.spec(index), lease.tasks.hasRoom(for: spec.limits)
        else { return true }
        let number = lease.tasks.takeNumber()
        board.assign(index, to: lease.id, worker: lease.worker, number: number)
        lease.tasks.send(number, index: index, spec)
        context.touch(lease)
        return false
      }
    }
  }

  /// Leases that nothing is left for end.
  private func releaseIdle() {
    if !isComplete || record == nil { return }
    for lease in leases.all where lease.holdsPlace && lease.tasks.isEmpty {
      if isStopping || !board.hasWork(for: lease.provider, worker: lease.worker) {
        lease.end("no task is left")
      }
    }
  }

  // MARK: After every event

  func advance() {
    if isFinished { return }
    announceIfDue()
    giveUpPlacesIfDue()
    hireIfDue()
    funder.fundIfDue(
      othersMayFollow: !openPlaces.isEmpty || leases.all.contains { $0.stage == .proposed })
    assign()
    releaseIdle()
    board.storeAdded()
    finishIfDone()
  }

  private func finishIfDone() {
    if !isComplete || !board.isAllEnded { return }
    if !leases.all.allSatisfy(\.needsNobody) { return }
    isFinished = true
    announcer.release()
    for candidate in bids.all { candidate.call.refuse(.busy, "the work is done") }
    if leases.all.allSatisfy(\.isOver) {
      record?.isFinished = true
      store()
    }
    context.emit(.poolFinished(id: id))
  }

  var nextDeadlineMs: UInt64 {
    if isFinished { return UInt64.max }
    let nowMs = context.now.nowMs
    var earliest = funder.nextDeadlineMs
    if !bids.isEmpty, !openPlaces.isEmpty, let atMs = bids.deadlineMs(nowMs: nowMs) {
      earliest = min(earliest, atMs)
    }
    if let timeoutMs = plan.hireTimeoutMs {
      let atMs = places.deadlineMs(openPlaces, timeoutMs: timeoutMs)
      if atMs > nowMs { earliest = min(earliest, atMs) }
    }
    return earliest
  }

  // MARK: The chain

  /// The chain holds another transaction that spends what the announcement was made of.
  func transactionConflicted(_ txid: Bytes32) {
    if record?.announcement.txid == txid { record?.announcementEndsAt = 0 }
  }

  func blockMatched(height: UInt32, _ block: Block) {
    if let record, record.announcementHeight != height {
      let txid = record.announcement.txid
      if block.transactions.contains(where: { $0.txid == txid }) {
        self.record?.announcementHeight = height
        store()
        context.info("announcement is in block \(height)")
      }
    }
    for lease in leases.all { lease.blockMatched(height: height, block) }
  }

  func blocksDisconnected(toHeight: UInt32) {
    if let record, record.announcementHeight > toHeight {
      self.record?.announcementHeight = 0
      store()
      context.emit(.broadcast(record.announcement))
    }
    for lease in leases.all { lease.blocksDisconnected(toHeight: toHeight) }
  }

  // MARK: Summary

  var status: PoolStatus {
    PoolStatus(
      places: Int(plan.offer.workers), hired: leases.all.filter(\.holdsPlace).count,
      open: leases.all.filter { $0.stage == .open }.count, waiting: board.waitingCount,
      running: board.assignedCount, ended: board.endedCount, isComplete: isComplete,
      isStopping: isStopping, hireFailed: hireFailed,
      refusals: refusals.histogram.map {
        PoolStatus.Refusals(code: $0.code, providers: $0.count)
      })
  }
}
