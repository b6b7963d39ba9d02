import Channel
import Market

/// A lease that takes no more tasks: those that run end, then come the final statement, the last payment,
/// the receipt.
struct EndingLease {
  private enum Step {
    /// Tasks are ending.
    case tasks
    /// The last payment is waited for until then.
    case payment(untilMs: UInt64)
    /// The receipt was said; the publisher's signature is waited for until then, and longer while it
    /// has not fetched all results.
    case signature(untilMs: UInt64, resultsUntilMs: UInt64)
  }

  let reason: LeaseEnding
  private var step = Step.tasks
  /// The final statement was said on this connection.
  private var isStated = false
  /// Since when no task is left.
  private var idleSinceMs: UInt64?
  /// There is little time for a last payment.
  private var isHasty: Bool

  init(_ reason: LeaseEnding) {
    self.reason = reason
    isHasty = reason.isHasty
  }

  /// The receipt was said.
  var awaitsSignature: Bool {
    if case .signature = step { return true }
    return false
  }

  /// Tasks run still, or results wait for the publisher: the share is in use.
  func needsShare(_ work: LeaseWork) -> Bool {
    if case .tasks = step { return true }
    return work.hasResults
  }

  /// Nobody fetches its results: a contract that pays may have its place.
  func yields(_ parts: LeaseParts) -> Bool {
    idleSinceMs.map { parts.nowMs >= $0 + LeaseTimes.yieldMs } ?? false
  }

  var mayReport: Bool {
    if case .tasks = step { return true }
    return false
  }

  var nextDeadlineMs: UInt64 {
    switch step {
    case .tasks: return UInt64.max
    case .payment(let untilMs), .signature(let untilMs, _): return untilMs
    }
  }

  // MARK: Changes

  mutating func disconnected() { isStated = false }

  /// A channel has to be closed soon: nothing is waited for any longer than that allows.
  mutating func hurry(nowMs: UInt64) {
    if isHasty { return }
    isHasty = true
    let latestMs = nowMs + LeaseTimes.hastyPaymentMs
    switch step {
    case .tasks: break
    case .payment(let untilMs): step = .payment(untilMs: min(untilMs, latestMs))
    case .signature(let untilMs, _):
      step = .signature(untilMs: min(untilMs, latestMs), resultsUntilMs: latestMs)
    }
  }

  /// True once nothing is left but to close.
  mutating func advance(_ parts: LeaseParts) -> Bool {
    switch step {
    case .tasks:
      if !parts.work.isIdle { return false }
      parts.books.account.close(nowMs: parts.nowMs)
      idleSinceMs = parts.nowMs
      let untilMs = parts.nowMs + (isHasty ? LeaseTimes.hastyPaymentMs : parts.holdMs)
      step = .payment(untilMs: untilMs)
      return settle(parts, untilMs: untilMs)
    case .payment(let untilMs): return settle(parts, untilMs: untilMs)
    case .signature(let untilMs, let resultsUntilMs):
      if parts.nowMs < untilMs { return false }
      if !parts.work.hasResults || parts.nowMs >= resultsUntilMs { return true }
      step = .signature(
        untilMs: min(parts.nowMs + LeaseTimes.signatureMs, resultsUntilMs),
        resultsUntilMs: resultsUntilMs)
      return false
    }
  }

  private mutating func settle(_ parts: LeaseParts, untilMs: UInt64) -> Bool {
    let (books, work) = (parts.books, parts.work)
    if parts.call.isReady && !isStated {
      isStated = true
      work.sayLines()
      books.stateFinally(work)
    }
    if books.channels.first?.funding == nil { return true }
    if isStated && books.channels.paidSat >= books.owedSat(work) {
      // The last orders are overwritten before traces of them are erased.
      parts.storeRows()
      books.sayReceipt(work)
      step = .signature(
        untilMs: parts.nowMs + signatureMs(parts),
        resultsUntilMs: parts.nowMs + (isHasty ? LeaseTimes.hastyPaymentMs : parts.holdMs))
      return false
    }
    if isStated && books.channels.roomSat == 0 { return true }
    return parts.nowMs >= untilMs || (isHasty && parts.call.isDown)
  }

  /// A publisher whose channels were paid nothing needs the signed closes to have its coins back early.
  private func signatureMs(_ parts: LeaseParts) -> UInt64 {
    if isHasty { return LeaseTimes.hastyPaymentMs }
    let channels = parts.books.channels
    return channels.paid.count == channels.count ? LeaseTimes.signatureMs : parts.holdMs
  }
}
