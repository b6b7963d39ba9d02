import Bitcoin
import Bytes
import Channel
import Market
import Sandbox
import Session

/// The job runs: what it uses is measured, told and paid for; what is not paid for freezes it.
extension Job {
  /// The longest time between two looks at what the job used. For so long sockets may hold more memory
  /// than the job may (``SandboxProcess/usage(nowMs:)``).
  static let maxSampleMs: UInt64 = 250
  /// The shortest: a look costs some 80 µs, and looking shall not take a thousandth of a processor.
  static let minSampleMs: UInt64 = 100
  /// After its start a job is looked at this soon, then at twice its age.
  private static let firstSampleMs: UInt64 = 20
  /// What is reckoned with where looks are as close as can be.
  static let leastLookMs = lookMs(minSampleMs)

  /// A look may come late on a busy machine: rules cover twice the time.
  private static func lookMs(_ sampleMs: UInt64) -> UInt32 { UInt32(2 * sampleMs) }

  func jobStarted() {
    guard record != nil, stage == .transferring else { return }
    record?.startedUnixSeconds = context.now.unixSeconds
    enter(.running)
    say(.started(unixSeconds: context.now.unixSeconds))
    openInput()
    if let record {
      freezeRule = FreezeRule(
        record.contract.contract, limits: record.offer.limits, lookMs: Job.lookMs(sampleMs))
    }
    ownerPauseChanged()
    nextSampleAtMs = context.now.nowMs
    nextReportAtMs = context.now.nowMs + UInt64(record?.contract.contract.payoutIntervalMs ?? 0)
    sampleIfDue()
  }

  /// Often enough that what the job can use between two looks is a small part of what the
  /// publisher may owe.
  var sampleMs: UInt64 {
    guard let record else { return Job.maxSampleMs }
    let contract = record.contract.contract
    var interval = min(Job.maxSampleMs, UInt64(contract.payoutIntervalMs))
    while interval > Job.minSampleMs
      && contract.costSat(ofFullUse: record.offer.limits, ms: interval)
        > contract.providerMaxLossSat / 8
    {
      interval /= 2
    }
    return max(interval, Job.minSampleMs)
  }

  /// A young job is looked at more often: what it held between its last look and its end is not known
  /// (``Meter``), and shall be a part of what it held, however short it was.
  private var nextLookMs: UInt64 {
    min(sampleMs, max(record?.usage.runningMs ?? 0, Job.firstSampleMs))
  }

  func sampleIfDue() {
    if stage != .running || context.now.nowMs < nextSampleAtMs { return }
    nextSampleAtMs = context.now.nowMs + nextLookMs
    context.emit(.sampleUsage(key))
  }

  func usageSampled(_ sample: UsageSample) {
    guard record != nil, stage == .running || stage == .delivering else { return }
    record?.usage = UsageVector(
      cpuMs: sample.cpuMs, memoryMiBMs: sample.memoryMiBMs, memoryPeakKiB: sample.memoryPeakKiB,
      diskReadKiB: sample.diskReadKiB, diskWriteKiB: sample.diskWriteKiB,
      networkKiB: sample.networkKiB, wallMs: sample.wallMs, frozenMs: sample.frozenMs)
    if stage != .running { return }
    considerFreezing()
    // What stands still, whoever's the wish, does not come nearer to its limit.
    if let offer, let record, record.usage.runningMs >= offer.limits.wallMs {
      end(.timeLimit, .timeLimit)
    }
    if context.now.nowMs >= nextReportAtMs {
      nextReportAtMs = context.now.nowMs + UInt64(contract?.payoutIntervalMs ?? 1000)
      report()
    }
  }

  func report() {
    guard let record else { return }
    reports += 1
    say(
      .usage(
        UsageReport(
          sequence: reports, usage: record.usage, owedSat: owedSat,
          isFrozen: isFrozen || isPaused)))
  }

  /// Freeze on unpaid: ``FreezeRule`` decides, this carries it out. A funding that a reorganisation
  /// took out of the chain counts as nothing paid.
  func considerFreezing() {
    guard stage == .running, var rule = freezeRule else { return }
    let decision = rule.decide(
      owedSat: fundingIsLost ? nil : owedSat, paidSat: paidSat, nowMs: context.now.nowMs)
    freezeRule = rule
    switch decision {
    case .run: thaw()
    case .freeze: freeze()
    case .end:
      freeze()
      end(.unpaid, .unpaid)
    }
  }

  private func freeze() {
    if isFrozen { return }
    isFrozen = true
    if !isPaused { context.emit(.freeze(key)) }
    context.warning(label + "frozen: \(owedSat) sat owed, \(paidSat) sat paid")
    say(.frozen)
    report()
  }

  private func thaw() {
    if !isFrozen { return }
    isFrozen = false
    if !isPaused { context.emit(.thaw(key)) }
    context.info(label + "thawed: \(owedSat) sat owed, \(paidSat) sat paid")
    say(isPaused ? pausedMessage : .thawed)
    nextSampleAtMs = context.now.nowMs
  }

  /// The owner needs the machine, or needs it no more: the job stops where it is, unpaid, and goes on.
  func ownerPauseChanged() {
    let wanted = context.owner.isPaused
    if stage == .negotiating && wanted { return endNegotiation("the owner needs the machine") }
    guard stage == .running, isPaused != wanted else { return }
    isPaused = wanted
    if !isFrozen { context.emit(wanted ? .freeze(key) : .thaw(key)) }
    if wanted {
      context.info(label + "paused: " + context.owner.text)
      say(pausedMessage)
    } else {
      context.info(label + "goes on")
      if !isFrozen { say(.thawed) }
    }
    report()
    nextSampleAtMs = context.now.nowMs
  }

  var pausedMessage: SessionMessage {
    .paused(text: Array(Array(context.owner.text.utf8).prefix(Limits.maxTextBytes)))
  }

  func stopRequested() {
    switch stage {
    case .running: end(.stoppedByPublisher, .publisher)
    case .transferring where isSandboxed: end(.stoppedByPublisher, .publisher)
    case .awaitingFunding, .awaitingOpening, .transferring:
      jobOver(.stoppedByPublisher, status: 0)
    case .negotiating, .delivering, .settling, .closing, .closed, .abandoned: break
    }
  }

  /// Ends a job that runs; what happened is told by the sandbox.
  func end(_ kind: ExitKind, _ reason: StopReason) {
    if endReason != nil { return }
    endReason = kind
    context.emit(.terminate(key, reason))
  }

  func timePassed() {
    session?.tick(nowMs: context.now.nowMs)
    drainSession()
    dialIfDue()
    sampleIfDue()
    if isFrozen { considerFreezing() }
    if let patienceEndsAtMs, context.now.nowMs >= patienceEndsAtMs { patienceEnded() }
    if context.now.nowMs >= negotiationEndsAtMs {
      endNegotiation("nothing came of it in time")
    }
  }

  /// When this job next wants to know that time passed.
  var nextDeadlineMs: UInt64 {
    var earliest = UInt64.max
    if let deadline = session?.nextDeadlineMs { earliest = min(earliest, deadline) }
    if link == .down && stage < .closing { earliest = min(earliest, dialAtMs) }
    if stage == .running { earliest = min(earliest, nextSampleAtMs) }
    if let patienceEndsAtMs { earliest = min(earliest, patienceEndsAtMs) }
    return min(earliest, negotiationEndsAtMs)
  }
}
