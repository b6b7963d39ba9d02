import Bitcoin
import Bytes
import Channel
import Market
import Sandbox
import Session

/// The end of a lease.
extension Lease {
  // MARK: The end

  func end(_ reason: LeaseEnding) {
    switch phase {
    case .awaitingFunding(let wait):
      if wait.step != .relaying { return drop(reason.text) }
    case .open: break
    case .ending, .closing, .closed, .over: return
    }
    books.account.reserve(false, nowMs: context.nowMs)
    phase = .ending(EndingLease(reason))
    books.enter(.ending, ending: reason)
    sayLeaving(reason)
    work.stopAll(reason.exit, graceMs: UInt64(contract.stopGraceMs))
  }

  func receiptSigned(_ signature: [UInt8]) {
    guard case .ending(let ending) = phase, ending.awaitsSignature else { return }
    if !books.receiptSigned(signature) {
      return context.warning(label + "the publisher's signature of the receipt is wrong")
    }
    context.info(label + "receipt signed: \(books.channels.paidSat) sat paid")
    beginClosing(isAgreed: true)
  }

  /// The publisher requests a signed close, which it may broadcast itself.
  func closeWanted(_ number: UInt8) {
    guard case .ending(let ending) = phase, ending.awaitsSignature,
      let close = books.channels.signClose(number)
    else { return }
    call.say(.closeSigned(close))
  }

  /// Closes the paid channels, whatever the publisher does.
  ///
  /// - Parameter isAgreed: the publisher signed the receipt. Otherwise it is sent a refusal, so
  ///   that it does not wait for one.
  func beginClosing(isAgreed: Bool = false) {
    books.remember(work)
    work.sayLines()
    if !isAgreed { call.say(.refuse(code: .unknownLease, text: Array("the lease is closed".utf8))) }
    parts.storeRows()
    books.eraseTraces()
    call.flush()
    closeShare()
    phase = .closing
    books.enter(.closing)
    books.channels.close()
    call.hangUp()
  }

  /// Ends a lease without a payment to collect.
  func drop(_ reason: String) {
    context.info(label + reason)
    closeShare()
    call.hangUp()
    archive()
  }

  func archive() {
    books.channels.unwatch()
    context.emit(.archiveLease(contract: books.id, channels: books.record.channelIds))
    phase = .over
  }

  /// Advances the phase.
  func advance() {
    switch phase {
    case .awaitingFunding(let wait): advance(wait)
    case .open(var open):
      let reason = open.advance(parts)
      phase = .open(open)
      if let reason { end(reason) }
    case .ending(var ending):
      let isDone = ending.advance(parts)
      phase = .ending(ending)
      if !ending.needsShare(work) { holdsPlace = false }
      if isDone { beginClosing() }
    case .closing: advanceClosing()
    case .closed: if books.channels.isBuried { archive() }
    case .over: break
    }
    switch phase {
    case .awaitingFunding(let wait):
      talk.taskRefusal =
        wait.step == .relaying ? nil : Refusal(.busy, "the lease has no funding yet")
    case .open: talk.taskRefusal = nil
    case .ending, .closing, .closed, .over:
      talk.taskRefusal = Refusal(.busy, "the lease is ending")
    }
  }

  func advance(_ wait: FundingWait) {
    if context.nowMs < wait.untilMs { return }
    switch wait.step {
    case .unfunded:
      context.info(label + "not funded in time: its place is released")
      holdsPlace = false
      phase = .awaitingFunding(
        FundingWait(step: .lapsed, untilMs: context.nowMs + LeaseTimes.lateFundingMs))
    case .relaying: open()
    case .lapsed: drop("it was never funded")
    }
  }

  func advanceClosing() {
    if books.channels.isCollected {
      phase = .closed
      books.enter(.closed)
      if books.channels.isBuried { archive() }
      return
    }
    let expiryHeight = books.channels.newest?.terms.expiryHeight ?? 0
    if books.channels.isUnconfirmed && context.tipHeight > expiryHeight + LeaseTimes.burialBlocks {
      archive()
    }
  }
}
