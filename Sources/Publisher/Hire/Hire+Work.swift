import Bytes
import Channel
import Crypto
import Market
import Session

/// The job runs: what the machine says it used is checked, and paid for.
extension Hire {
  func started(_ unixSeconds: UInt64) {
    if stage == .transferring {
      // Only a connection that was there all the time knows when the job began.
      if !hasHeardStart && bundleOffset == contract.bundleBytes {
        workSince = context.now
      }
      enter(.running)
      info("runs")
    }
    hasHeardStart = true
    openStreams()
  }

  func usageReported(_ report: UsageReport) {
    if stage < .transferring || stage >= .receipted { return }
    isFrozen = report.isFrozen
    let decision = rule.usageReported(report, elapsedMs: elapsedMs, paidSat: paidSat)
    if let last = rule.last {
      record.usage = last.usage
      record.owedSat = last.owedSat
    }
    carryOut(decision)
  }

  /// How long the job can have run. The clock that nobody sets stands still while this machine sleeps, and
  /// begins anew with it: then the calendar knows better.
  private var elapsedMs: UInt64 {
    let (now, since) = (context.now, workSince)
    return max(
      max(now.nowMs, since.nowMs) - since.nowMs,
      (max(now.unixSeconds, since.unixSeconds) - since.unixSeconds) * 1000)
  }

  private func carryOut(_ decision: PublisherRule.Decision) {
    if isDistrusted || isGivenUp { return }
    switch decision {
    case .wait: break
    case .pay(let amountSat):
      if holdsPayments { return }
      pay(amountSat)
    case .exhausted:
      if !stopIsWanted { stop("the channel is paid out") }
    case .refuse(let reason):
      isDistrusted = true
      stop("implausible usage: " + reason.text)
    }
  }

  func paymentStored(_ sequence: UInt64) {
    guard let last = channel.last, sequence == last.sequence else { return }
    info("payment \(sequence): \(last.amountSat) sat paid, \(record.owedSat) sat owed")
  }

  func frozen() {
    isFrozen = true
    warning("frozen: \(record.owedSat) sat owed, \(paidSat) sat paid")
  }

  /// Nothing is owed for the time that it takes.
  func paused(_ text: [UInt8]) {
    isFrozen = true
    warning("paused by the machine's owner: " + String(decoding: text, as: UTF8.self))
  }

  func thawed() {
    isFrozen = false
    info("thawed")
  }

  /// Ends the job; what it used until then is paid.
  func stop(_ reason: String) {
    if stage < .funding { return abandon(reason) }
    if stage > .running { return }
    stopIsWanted = true
    warning("stopping the job: " + reason)
    sayStop(reason)
  }

  func sayStop(_ reason: String = "stopped") {
    if stage > .running { return }
    say(.stop(text: Array(Array(reason.utf8).prefix(Limits.maxTextBytes))))
  }

  // MARK: For tests of the freeze

  private var holdsPayments: Bool {
    guard let limit = context.plan.stopPayingAfter, payments >= limit else { return false }
    let since = stoppedPayingAtMs ?? context.now.nowMs
    if stoppedPayingAtMs == nil { warning("paying stops, as asked for") }
    stoppedPayingAtMs = since
    guard let pauseMs = context.plan.payAgainAfterMs else { return true }
    return context.now.nowMs < since + pauseMs
  }

  var payAgainAtMs: UInt64? {
    guard let since = stoppedPayingAtMs, let pauseMs = context.plan.payAgainAfterMs,
      context.now.nowMs < since + pauseMs
    else { return nil }
    return since + pauseMs
  }

  func resumePaying() {
    guard let since = stoppedPayingAtMs, let pauseMs = context.plan.payAgainAfterMs,
      context.now.nowMs >= since + pauseMs, stage >= .transferring, stage < .receipted
    else { return }
    carryOut(rule.due(paidSat: paidSat))
  }

  // MARK: The end

  func exited(_ exit: JobExit) {
    if stage == .funding {
      // It gave up before it was paid anything.
      record.exit = exit
      store()
      return giveUp("ended before it began: " + exit.kind.text)
    }
    if stage < .transferring || stage > .settling { return }
    if record.exit == exit && stage >= .delivering {
      openStreams()
      return settle()
    }
    if record.resultsAreHeld { return }
    if exit.resultBytes > context.plan.offer.maxResultBytes {
      call?.refuse(.unacceptable, "more results than the offer allows")
      return giveUp("more results than the offer allows")
    }
    // A machine that was restarted may have lost what it had promised.
    resultBytes = 0
    resultHash = Sha256()
    resultStream = nil
    record.exit = exit
    record.stage = .delivering
    stageSinceMs = context.now.nowMs
    store()
    info("job ended: " + exit.kind.told(exit.status) + ", \(exit.resultBytes) bytes of results")
    // An empty folder is an archive, too.
    let limitBytes = context.plan.offer.maxResultBytes
    if exit.resultBytes == 0 && exit.kind != .neverRan && limitBytes > 0 {
      warning(
        "the machine has no results: they are lost, or larger than \(limitBytes >> 20) MiB"
          + " (the lesser of --max-result and --disk)")
    }
    openStreams()
    settle()
  }
}
