import Bitcoin
import Bytes
import Channel
import Market
import Wallet

/// Fills a pool's places: announces the offer, collects bids and selects providers. Limits the risk
/// with unknown providers and the time that a place stays empty.
final class Recruiter {
  private let pool: PoolState
  private let context: HiringContext
  private let treasury: Treasury
  private let providers: Providers
  private let announcer: Announcer
  private var bids: BidBook
  private var places: Places
  private var refusals = RefusalCounts()
  private var failedProviders = Set<Bytes32>()
  /// The number of contracts by provider.
  private var contracts: [Bytes32: Int] = [:]
  /// Hiring has stopped.
  private(set) var hasFailed = false

  /// Most contracts per provider, because each uses channel keys and disk space.
  private static let maxContractsPerProvider = 8
  private static let maxFailedProviders = 4096

  private var plan: PoolPlan { pool.plan }

  init(
    _ pool: PoolState, _ announcer: Announcer, _ treasury: Treasury, _ providers: Providers,
    _ context: HiringContext
  ) {
    self.pool = pool
    self.announcer = announcer
    self.treasury = treasury
    self.providers = providers
    self.context = context
    bids = BidBook(windowMs: pool.plan.bidWindowMs)
    places = Places(pool.plan.offer.workers, nowMs: context.now.nowMs)
  }

  // MARK: Queries

  /// The places to fill: those for which tasks wait or may be added.
  var openPlaces: [UInt16] {
    if pool.isStopping || hasFailed || pool.record == nil { return [] }
    var held = Set<UInt16>()
    for lease in pool.leases.all where lease.holdsPlace { held.insert(lease.worker) }
    var open: [UInt16] = []
    var any = pool.isComplete ? pool.board.waitsFor(0).any : Int.max
    for worker in 0..<plan.offer.workers where !held.contains(worker) {
      if places.isGivenUp(worker) { continue }
      if pool.board.waitsFor(worker).own > 0 {
        open.append(worker)
      } else if any > 0 {
        open.append(worker)
        any -= 1
      }
    }
    return open
  }

  private var holdsAnyPlace: Bool { pool.leases.all.contains { $0.holdsPlace } }
  private var isNegotiating: Bool { pool.leases.all.contains { $0.stage < .open } }

  var histogram: [PoolStatus.Refusals] {
    refusals.histogram.map { PoolStatus.Refusals(code: $0.code, providers: $0.count) }
  }

  // MARK: Leases

  /// After the restore: restarts the places' timeouts.
  func started() { places.announced(nowMs: context.now.nowMs) }

  /// Registers a restored lease.
  func restored(_ lease: Lease, hasFault: Bool) {
    contracts[lease.provider, default: 0] += 1
    if hasFault { failedProviders.insert(lease.provider) }
  }

  /// A lease released its place.
  func emptied(_ lease: Lease, failed: Bool) {
    places.emptied(lease.worker, nowMs: context.now.nowMs)
    if failed && failedProviders.count < Recruiter.maxFailedProviders {
      failedProviders.insert(lease.provider)
    }
  }

  func refused(_ provider: Bytes32, _ code: RefusalCode) { refusals.add(code, of: provider) }

  // MARK: Callers

  /// A caller asks for the offer. Returns whether it is invited to bid.
  func greeted(_ call: Call) -> Bool {
    if openPlaces.isEmpty && !isNegotiating {
      call.refuse(.busy, "all places are taken")
      return false
    }
    if failedProviders.contains(call.peer) {
      call.refuse(.unacceptable, "an earlier lease with this provider failed")
      return false
    }
    return true
  }

  /// An invited caller declined to bid.
  func declined(_ call: Call, _ code: RefusalCode, _ text: [UInt8]) {
    refusals.add(code, of: call.peer)
    context.info(
      "a provider does not bid (" + code.text + "): " + String(decoding: text, as: UTF8.self))
    call.close()
  }

  /// Checks a bid. Returns the candidate, or nil if the caller was refused or got its earlier
  /// contract again.
  func bidReceived(
    report: [UInt8], bid body: [UInt8], signature: [UInt8], _ call: Call
  ) -> Candidate? {
    let bid: Bid
    let worstHourlySat: UInt64
    do throws(BidCheck.Refusal) {
      (bid, worstHourlySat) = try BidCheck.check(
        report: report, bid: body, signature: signature, peer: call.peer, plan: plan,
        book: providers.book)
    } catch {
      refuse(call, error.code, error.text)
      return nil
    }
    let holder = pool.leases.all.first { $0.provider == bid.provider && $0.holdsPlace }
    if let holder, !bidsAnew(bid, holder, call) { return nil }
    if !pool.hasWork(for: bid.provider) {
      refuse(call, .busy, "no task is left for this provider")
      return nil
    }
    if contracts[bid.provider, default: 0] >= Recruiter.maxContractsPerProvider {
      refuse(call, .busy, "too many contracts with this provider")
      return nil
    }
    return Candidate(call: call, bid: bid, report: report, worstHourlySat: worstHourlySat)
  }

  func consider(_ candidate: Candidate) {
    // One bid per provider: the newest connection replaces the others.
    if let other = bids.call(of: candidate.bid.provider), other !== candidate.call {
      bids.remove(other)
      other.refuse(.busy, "replaced by a newer connection of the same provider")
    }
    bids.add(candidate, nowMs: context.now.nowMs)
    context.info(
      "bid of " + candidate.bid.provider.hex + ": at most \(candidate.worstHourlySat) sat an hour")
  }

  /// A provider that bids again has not received or has lost its unsigned contract. Returns whether
  /// the bid counts as a new one.
  private func bidsAnew(_ bid: Bid, _ lease: Lease, _ call: Call) -> Bool {
    if lease.stage != .proposed {
      refuse(call, .busy, "this provider is already hired")
      return false
    }
    if lease.contract.bidDigest == bid.digest {
      lease.propose(on: call)
      return false
    }
    // A provider that was killed before it stored the contract has new keys. No channel is funded
    // yet.
    lease.abandon("replaced by a newer bid of the same provider")
    return true
  }

  private func refuse(_ call: Call, _ code: RefusalCode, _ reason: String) {
    refusals.add(code, of: call.peer)
    context.warning("bid refused: " + reason)
    call.refuse(code, reason)
  }

  /// A caller without a lease disconnected.
  func left(_ call: Call) { bids.remove(call) }

  /// Refuses all waiting candidates, so that they can look for other work.
  func dismissAll(_ reason: String) {
    for candidate in bids.all {
      bids.remove(candidate.call)
      candidate.call.refuse(.busy, reason)
    }
  }

  // MARK: Announcing

  func announceIfDue() {
    if pool.isStopping || hasFailed { return }
    if let record = pool.record {
      if context.tipHeight < record.announcementEndsAt || openPlaces.isEmpty { return }
    } else if pool.isComplete && pool.board.isAllEnded {
      return
    }
    guard let announced = announcer.announce() else { return }
    var record =
      pool.record
      ?? PoolRecord(
        id: pool.id, plan: plan, announcement: announced.transaction,
        announcementEndsAt: announced.endsAt, startedUnixSeconds: context.now.unixSeconds,
        startHeight: context.tipHeight, isComplete: pool.isComplete)
    if pool.record == nil { places.announced(nowMs: context.now.nowMs) }
    record.announcement = announced.transaction
    record.announcementHeight = 0
    record.announcementEndsAt = announced.endsAt
    pool.announced(record)
    treasury.flush()
    context.emit(.broadcast(announced.transaction))
    announcer.announced(announced.transaction)
  }

  // MARK: Choosing

  /// Offers the open places to the best bids, once the bid window is over.
  ///
  /// - Parameter adopt: adds the lease to the pool, before the contract is sent.
  func hireIfDue(_ adopt: (Lease) -> Void) {
    if bids.isEmpty { return }
    var open = openPlaces
    if open.isEmpty {
      // All places have an opened lease.
      if !isNegotiating { dismissAll("all places are taken") }
      return
    }
    for candidate in bids.best(places: open.count, nowMs: context.now.nowMs) {
      let provider = candidate.bid.provider
      guard let index = open.firstIndex(where: { pool.hasWork(for: provider, worker: $0) }) else {
        continue
      }
      if !mayRisk(candidate) { continue }
      if hire(candidate, open[index], adopt) { open.remove(at: index) }
      if open.isEmpty { return }
    }
  }

  /// Whether the loss limit for unknown providers allows this candidate.
  private func mayRisk(_ candidate: Candidate) -> Bool {
    if providers.book.isKnown(candidate.bid.provider) { return true }
    let riskSat = candidate.bid.firstPaymentSat + plan.reserveSat
    let sumSat = Exposure.sumSat(pool.leases.all, providers.book)
    if sumSat + riskSat <= plan.unknownLossLimitSat { return true }
    bids.remove(candidate.call)
    refuse(
      candidate.call, .risk,
      "\(sumSat) sat are at risk with unknown providers; \(riskSat) sat more exceed the "
        + "limit of \(plan.unknownLossLimitSat) sat")
    if !holdsAnyPlace { fail("the loss limit for unknown providers is reached") }
    return false
  }

  private func hire(_ candidate: Candidate, _ worker: UInt16, _ adopt: (Lease) -> Void) -> Bool {
    bids.remove(candidate.call)
    do {
      let record = try leaseRecord(candidate, worker)
      let lease = try Lease(record, plan: plan, treasury, providers, context)
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
    // Rejects locally what the provider would refuse.
    let checked = try Contract.decode(contract.encode())
    try checked.check(against: offer, bid)
    return LeaseRecord(
      pool: pool.id,
      contract: Signed(contract, publisherSignature: contract.sign(context.secrets.identity)),
      report: candidate.report, startHeight: context.tipHeight,
      channels: [LeaseChannelRecord(channelIndex: keys.index)])
  }

  // MARK: Giving up

  func giveUpPlacesIfDue() {
    guard let timeoutMs = plan.hireTimeoutMs, pool.record != nil, !hasFailed else { return }
    let given = places.giveUp(openPlaces, timeoutMs: timeoutMs, nowMs: context.now.nowMs)
    if given.isEmpty { return }
    for worker in given {
      context.warning("worker \(worker): no provider was hired within \(timeoutMs / 1000) s")
      pool.board.giveUp(worker)
    }
    if openPlaces.isEmpty && !holdsAnyPlace { fail("no provider was hired in time") }
  }

  private func fail(_ reason: String) {
    if hasFailed { return }
    hasFailed = true
    let why = refusals.text
    context.warning(reason + (why.isEmpty ? "; no provider answered" : ": " + why))
    for worker in 0..<plan.offer.workers { pool.board.giveUp(worker) }
    pool.board.giveUp(nil)
    if !isNegotiating { dismissAll("all places are taken") }
  }

  /// A task was added after hiring stopped.
  func taskAdded() { if hasFailed && !holdsAnyPlace { pool.board.giveUp(nil) } }

  var nextDeadlineMs: UInt64 {
    let nowMs = context.now.nowMs
    var earliest = UInt64.max
    if !bids.isEmpty, !openPlaces.isEmpty, let atMs = bids.deadlineMs(nowMs: nowMs) {
      earliest = min(earliest, atMs)
    }
    if let timeoutMs = plan.hireTimeoutMs {
      let atMs = places.deadlineMs(openPlaces, timeoutMs: timeoutMs)
      if atMs > nowMs { earliest = min(earliest, atMs) }
    }
    return earliest
  }
}
