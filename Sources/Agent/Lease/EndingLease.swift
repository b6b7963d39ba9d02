import Channel
import Market

/// A lease that takes no more tasks: running tasks end, then follow the final statement, the last
/// payment and the receipt.
struct EndingLease {
  private enum Step {
    /// Tasks are ending.
    case tasks
    /// Waits for the last payment until then.
    case payment(untilMs: UInt64)
    /// The receipt was sent. Waits for the publisher's signature, or longer while results are not
    /// fetched.
    case signature(untilMs: UInt64, resultsUntilMs: UInt64)
  }

  let reason: LeaseEnding
  private var step = Step.tasks
  /// The final statement was sent on this connection.
  private var isStated = false
  /// Since when no task is left.
  private var idleSinceMs: UInt64?
  /// Use the short timeout for the last payment.
  private var isHasty: Bool

  init(_ reason: LeaseEnding) {
    self.reason = reason
    isHasty = reason.isHasty
  }

  /// Whether the receipt was sent.
  var awaitsSignature: Bool {
    if case .signature = step { return true }
    return false
  }

  /// Whether the share is in use: tasks are ending, or results are not fetched.
  func needsShare(_ work: LeaseWork) -> Bool {
    if case .tasks = step { return true }
    return work.hasResults
  }

  /// Whether the lease yields its place: its results were not fetched in time.
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

  /// A channel must be closed soon: shortens all waits.
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

  /// Advances the step. Returns true once only the closes are left.
  mutating func advance(_ parts: LeaseParts) -> Bool {
    switch step {
    case .tasks:
      if !parts.work.isIdle { return false }
      parts.books.account.close(nowMs: parts.nowMs)
      idleSinceMs = parts.nowMs
      let untilMs = parts.nowMs + patienceMs(parts)
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
      // Overwrites the last orders before their traces are erased.
      parts.storeRows()
      books.sayReceipt(work)
      step = .signature(
        untilMs: parts.nowMs + signatureMs(parts),
        resultsUntilMs: parts.nowMs + patienceMs(parts))
      return false
    }
    if isStated && books.channels.roomSat == 0 { return true }
    return parts.nowMs >= untilMs || (isHasty && parts.call.isDown)
  }

  /// Without a payment on some channel, wait longer: the signed close returns the publisher's coins
  /// early.
  private func signatureMs(_ parts: LeaseParts) -> UInt64 {
    let channels = parts.books.channels
    let areAllPaid = channels.paid.count == channels.count
    return areAllPaid && !isHasty ? LeaseTimes.signatureMs : patienceMs(parts)
  }

  /// The longest wait for the publisher.
  private func patienceMs(_ parts: LeaseParts) -> UInt64 {
    isHasty ? LeaseTimes.hastyPaymentMs : parts.holdMs
  }
}
