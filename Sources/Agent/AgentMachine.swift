import Bitcoin
import Bytes
import Channel
import LightClient
import Market
import Sandbox
import Session

/// The provider's mind: which event leads to which effect. It owns the jobs, looks at announcements
/// and decides whom to call; each ``Job`` lives its own life. No I/O: call a method for what
/// happened, then take ``nextEffect()`` until nil, and call ``timePassed(_:)`` at
/// ``nextDeadlineMs``.
public final class AgentMachine {
  private let context: AgentContext
  private var jobs: [Job] = []
  private var nextKey: UInt32 = 1
  private var announcements = AnnouncementBook()
  private var effectIndex = 0
  /// Set when the owner wants the machine back: no new jobs, the running ones end.
  public private(set) var isStopping = false
  public private(set) var isSynced = false

  public init(
    configuration: Configuration, network: Network, secrets: AgentSecrets, payoutScript: [UInt8],
    machine: MachineFacts, report: [UInt8], random: @escaping () -> Bytes32
  ) {
    context = AgentContext(
      configuration: configuration, network: network, secrets: secrets,
      payoutScript: payoutScript, machine: machine, report: report, random: random)
  }

  /// The next thing to do; nil when there is nothing.
  public func nextEffect() -> AgentEffect? {
    if effectIndex >= context.effects.count {
      context.effects.removeAll(keepingCapacity: true)
      effectIndex = 0
      return nil
    }
    effectIndex += 1
    return context.effects[effectIndex - 1]
  }

  // MARK: Start

  /// Begins to follow the market. `tipHeight` is what the light client knows already.
  public func started(_ now: Instant, tipHeight: UInt32) {
    context.now = now
    context.tipHeight = tipHeight
    let lookback = context.configuration.lookbackBlocks
    context.emit(
      .watch(
        script: Beacon.scriptPubKey,
        fromHeight: tipHeight > lookback ? tipHeight - lookback : 0))
  }

  /// A job that an earlier run stored. Call before ``started(_:tipHeight:)``. Throws where the
  /// channel's state cannot be read: then somebody has to look, as it is money.
  public func restored(
    _ record: JobRecord, channelState: [UInt8], _ now: Instant
  ) throws(ChannelError) {
    context.now = now
    let secret = context.secrets.channelSecret(nonce: record.channelNonce)
    let channel = try ProviderChannel(
      restoring: channelState, secret: secret,
      policy: context.channelPolicy(fundingDepth: record.contract.contract.fundingDepth))
    let job = Job(key: takeKey(), record: record, channel: channel, context: context)
    jobs.append(job)
    job.resumeAfterRestart()
  }

  private func takeKey() -> JobKey {
    nextKey += 1
    return JobKey(nextKey - 1)
  }

  // MARK: The chain

  public func chainTold(
    _ event: LightClientEvent, _ now: Instant, authenticatedHeight: UInt32,
    feeRateSatPerVb: UInt64
  ) {
    context.now = now
    context.authenticatedHeight = authenticatedHeight
    context.feeRateSatPerVb = max(1, feeRateSatPerVb)
    switch event {
    case .tipChanged(let height, _):
      context.tipHeight = height
      for job in jobs { job.tipChanged() }
      announcements.forgetExpired(atHeight: height)
    case .synced: isSynced = true
    case .blockMatched(let height, let block):
      for job in jobs { job.blockMatched(height: height, block) }
      for transaction in block.transactions { look(at: transaction) }
      for job in jobs { job.tipChanged() }
    case .blocksDisconnected(_, let toHeight):
      for job in jobs { job.blocksDisconnected(toHeight: toHeight) }
    case .transactionSeen(let transaction): look(at: transaction)
    case .transactionConflicted(let txid, let by, let height):
      context.warning(
        "transaction \(txid.reversed.hex) was displaced by \(by.reversed.hex) at height \(height)")
    case .stalled(let reason):
      // Whatever was agreed now might be paid for on a chain that nobody else follows.
      if reason == .reorganisationTooDeep { isSynced = false }
      context.warning("chain: " + reason.message)
    case .peerMisbehaved(let address, let what, _):
      context.warning("chain: " + address.text + ": " + what.message)
    case .peerReady(_, let address, let servesFilters):
      context.info(
        "chain: peer " + address.text + (servesFilters ? "" : ", which serves no filters"))
    case .transactionRelayed, .transactionConfirmed, .blockScanned: break
    }
    settle()
  }

  private func look(at transaction: Transaction) {
    guard let announcement = Announcement.find(in: transaction) else { return }
    let txid = transaction.txid
    if !announcements.add(txid, announcement) { return }
    if let reason = Matching.refusal(of: announcement, context) {
      context.info("announcement " + txid.reversed.hex + ": " + reason)
      announcements.remove(txid)
      return
    }
    context.info(
      "announcement " + txid.reversed.hex + ": \(announcement.workers) workers wanted, up to "
        + "\(announcement.priceCeilingSatPerHour) sat an hour")
  }

  /// Whether this machine looks for work at all.
  private var isOpen: Bool {
    !isStopping && isSynced && !context.report.isEmpty && !context.owner.isPaused
  }

  /// Whether another publisher may be called.
  private var hasPlace: Bool {
    if !isOpen { return false }
    for job in jobs where job.stage < .settling { return false }
    return true
  }

  /// A publisher that does not decide makes way for the next one.
  private func makeWay() {
    if !isOpen || announcements.nextCallMs > context.now.nowMs { return }
    for job in jobs where context.now.nowMs >= job.makesWayAtMs { job.makeWay() }
  }

  /// Calls a publisher when a place is free.
  private func callNext() {
    if !hasPlace { return }
    guard let (txid, announcement) = announcements.takeBest(nowMs: context.now.nowMs) else {
      return
    }
    let job = Job(key: takeKey(), announcement: announcement, txid: txid, context: context)
    jobs.append(job)
    job.dialIfDue()
  }

  private func postpone(_ job: Job) {
    if announcements.postpone(job.announcementTxid, nowMs: context.now.nowMs) { return }
    context.info(
      job.label + (job.wasAnswered ? "nothing came of it" : "the publisher is not there"))
  }

  // MARK: The publisher

  public func publisherConnected(_ key: JobKey, _ now: Instant) {
    withJob(key, now) { $0.publisherConnected() }
  }
  public func publisherDisconnected(_ key: JobKey, _ now: Instant) {
    withJob(key, now) { $0.publisherDisconnected() }
  }
  public func received(_ bytes: [UInt8], from key: JobKey, _ now: Instant) {
    withJob(key, now) { $0.received(bytes) }
  }
  /// While true nothing more is transmitted to this publisher.
  public func transportIsBlocked(_ key: JobKey, _ isBlocked: Bool, _ now: Instant) {
    withJob(key, now) { job in
      job.session?.transportIsBlocked = isBlocked
      job.drainSession()
    }
  }

  // MARK: The sandbox

  public func jobStarted(_ key: JobKey, _ now: Instant) {
    withJob(key, now) { $0.jobStarted() }
  }
  public func sandboxEnded(_ key: JobKey, _ outcome: JobOutcome, _ now: Instant) {
    withJob(key, now) { $0.sandboxEnded(outcome) }
  }
  public func usageSampled(_ key: JobKey, _ sample: UsageSample, _ now: Instant) {
    withJob(key, now) { $0.usageSampled(sample) }
  }
  public func resultsCollected(
    _ key: JobKey, sizeBytes: UInt64, digest: Bytes32, _ now: Instant
  ) {
    withJob(key, now) { job in
      job.resultsCollected(sizeBytes: sizeBytes, digest: digest)
      job.drainSession()
    }
  }
  /// Instead of `resultsCollected`: there are none, and never will be.
  public func resultsLost(_ key: JobKey, _ now: Instant) {
    withJob(key, now) { job in
      job.resultsLost()
      job.drainSession()
    }
  }
  public func resultBytes(_ key: JobKey, _ bytes: [UInt8], offset: UInt64, _ now: Instant) {
    withJob(key, now) { $0.resultBytes(bytes, offset: offset) }
  }
  public func sandboxDestroyed(_ key: JobKey, _ now: Instant) {
    withJob(key, now) { job in
      job.sandboxDestroyed()
      job.drainSession()
    }
  }

  /// How many bytes of a standard stream of the job may be read now.
  public func outputRoom(_ key: JobKey, isError: Bool) -> Int {
    job(key)?.outputRoom(isError: isError) ?? 0
  }
  public func outputRead(_ key: JobKey, _ bytes: [UInt8], isError: Bool, _ now: Instant) {
    withJob(key, now) { $0.outputRead(bytes, isError: isError) }
  }
  public func outputEnded(_ key: JobKey, isError: Bool, _ now: Instant) {
    withJob(key, now) { $0.outputEnded(isError: isError) }
  }
  public func inputTaken(_ key: JobKey, count: Int, _ now: Instant) {
    withJob(key, now) { $0.inputTaken(count) }
  }

  /// The answer to `loadBundle`: whether it is staged now.
  public func bundleLoaded(_ key: JobKey, isStaged: Bool, _ now: Instant) {
    withJob(key, now) { $0.bundleLoaded(isStaged: isStaged) }
  }

  // MARK: Further programs

  public func programStarted(_ key: JobKey, _ id: UInt32, _ now: Instant) {
    withJob(key, now) { $0.programStarted(id) }
  }
  /// Also of a program that could not be started. What it printed is to be told before.
  public func programEnded(_ key: JobKey, _ id: UInt32, _ outcome: JobOutcome, _ now: Instant) {
    withJob(key, now) { $0.programEnded(id, outcome) }
  }
  public func programOutputRoom(_ key: JobKey, _ id: UInt32, isError: Bool) -> Int {
    job(key)?.programOutputRoom(id, isError: isError) ?? 0
  }
  public func programOutputRead(
    _ key: JobKey, _ id: UInt32, _ bytes: [UInt8], isError: Bool, _ now: Instant
  ) {
    withJob(key, now) { $0.programOutputRead(id, bytes, isError: isError) }
  }
  public func programOutputEnded(_ key: JobKey, _ id: UInt32, isError: Bool, _ now: Instant) {
    withJob(key, now) { $0.programOutputEnded(id, isError: isError) }
  }
  public func programInputTaken(_ key: JobKey, _ id: UInt32, count: Int, _ now: Instant) {
    withJob(key, now) { $0.programInputTaken(id, count) }
  }

  // MARK: Time and the owner

  public func timePassed(_ now: Instant) {
    context.now = now
    for job in jobs { job.timePassed() }
    settle()
  }

  /// When ``timePassed(_:)`` is wanted; `UInt64.max` when only events matter.
  public var nextDeadlineMs: UInt64 {
    var earliest = hasPlace ? announcements.nextCallMs : UInt64.max
    for job in jobs {
      earliest = min(earliest, job.nextDeadlineMs)
      if isOpen { earliest = min(earliest, max(job.makesWayAtMs, announcements.nextCallMs)) }
    }
    return earliest
  }

  /// The owner wants the machine back: running jobs end, what was earned is collected.
  public func stopRequested(_ now: Instant) {
    context.now = now
    isStopping = true
    for job in jobs { job.ownerStops() }
    settle()
  }

  /// What the machine's sensors say; wanted every few seconds. Jobs freeze and thaw by it.
  public func ownerRead(_ readings: OwnerReadings, _ now: Instant) {
    context.now = now
    let before = context.owner.reasons
    context.owner.read(readings, nowMs: now.nowMs)
    if context.owner.reasons != before {
      context.info(
        context.owner.isPaused ? "paused: " + context.owner.text : "the pause is over")
      for job in jobs { job.ownerPauseChanged() }
    }
    settle()
  }

  /// Why jobs make way for the owner at the moment; empty when they need not.
  public var pauseText: String { context.owner.text }

  /// Nothing is left that needs this program to go on running. Closes that are on their way are
  /// taken up again at the next start.
  public var isIdle: Bool {
    for job in jobs where job.stage < .closing { return false }
    return true
  }

  /// All jobs that are not forgotten, oldest first, for status displays.
  public var jobSummaries: [JobSummary] {
    var summaries: [JobSummary] = []
    for job in jobs { summaries.append(job.summary) }
    return summaries
  }

  /// This machine was measured; `report` is signed. Before that nobody is called.
  public func reportSigned(_ report: [UInt8], _ now: Instant) {
    context.now = now
    context.report = report
    settle()
  }

  // MARK: Parts

  private func job(_ key: JobKey) -> Job? {
    for job in jobs where job.key == key { return job }
    return nil
  }

  private func withJob(_ key: JobKey, _ now: Instant, _ body: (Job) -> Void) {
    context.now = now
    if let job = job(key) { body(job) }
    settle()
  }

  /// After every event: sessions are drained, jobs that are over are forgotten, a free place is filled.
  private func settle() {
    // What a job said because of the chain or a clock leaves now, too.
    for job in jobs { job.drainSession() }
    makeWay()
    for job in jobs where job.isPutOff { postpone(job) }
    jobs.removeAll { $0.isForgotten }
    callNext()
  }
}
