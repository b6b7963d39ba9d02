import Bitcoin
import Bytes
import Channel
import Market
import Sandbox
import Session

/// The channels' fundings and spends.
extension Lease {
  // MARK: Funding

  func fundingOffered(_ number: UInt8, _ transaction: Transaction) {
    if case .awaitingFunding(let wait) = phase, wait.step == .lapsed, number == 0 {
      do { try books.channels.offered(number, transaction) } catch {
        return context.warning(label + error.message)
      }
      if let close = books.channels.signClose(number) { call.say(.closeSigned(close)) }
      return
    }
    do { try books.channels.offered(number, transaction) } catch {
      context.warning(label + error.message)
      let refusal = Refusal(.money, error.message)
      call.say(.refuse(code: refusal.code, text: refusal.bytes))
      return
    }
    if case .awaitingFunding(var wait) = phase, number == 0 {
      if wait.step == .unfunded {
        wait = FundingWait(step: .relaying, untilMs: context.nowMs + LeaseTimes.relayHintMs)
        phase = .awaitingFunding(wait)
        // Bundles transfer meanwhile.
        openShare()
      }
      if books.channels.first?.isConfirmed == true { open() }
    } else {
      books.sayFunding(number)
    }
  }

  /// Opens the lease: tasks may run, within the owner's limit for unconfirmed fundings.
  func open() {
    phase = .open(OpenLease())
    books.enter(.open)
    openShare()
    books.sayFunding(0)
  }

  func openShare() {
    if hasShare { return }
    hasShare = true
    context.emit(.openShare(key, name: work.shareName, contract.share))
  }

  func closeShare() {
    work.clear()
    if hasShare { context.emit(.closeShare(key)) }
    hasShare = false
    holdsPlace = false
  }

  func drainChannels() {
    while let note = books.channels.nextNote() {
      switch note {
      case .stored(let channel, let sequence):
        call.say(.paymentStored(channel: channel, sequence: sequence))
      case .confirmed(let channel, let height):
        context.info(label + "channel \(channel) is funded at height \(height)")
        books.fundingConfirmed(work)
        if case .awaitingFunding(let wait) = phase, wait.step == .relaying { open() }
        books.sayFunding(channel)
      case .lost(let channel): fundingLost(channel)
      case .doubleSpent(let channel, let other): doubleSpent(channel, other)
      case .closeIsDue(let channel): closeIsDue(channel)
      case .spent(let channel, let spend, let height): spent(channel, spend, height)
      }
    }
  }

  func fundingLost(_ channel: UInt8) {
    context.warning(
      label + "a reorganisation took the funding of channel \(channel) out of the chain")
    if call.isReady { call.say(.fundingState(channel: channel, sight: .lost)) }
    if !books.channels.isUnconfirmed { return }
    books.fundingLost(work)
  }

  func doubleSpent(_ channel: UInt8, _ other: Bytes32) {
    let lostSat = books.exposedSat(work)
    context.warning(
      label + "the funding of channel \(channel) was double-spent by " + other.reversed.hex + ": "
        + "\(lostSat) sat of work are lost")
    context.unconfirmed.lost(key, lostSat, unixSeconds: context.now.unixSeconds)
    context.store(.losses)
    switch phase {
    case .awaitingFunding: drop("its funding was double-spent")
    case .open, .ending:
      end(.unconfirmed)
      beginClosing()
    case .closing, .closed, .over: break
    }
  }

  /// A channel must be closed before its expiry. Only the last one waits briefly, for the last
  /// payment.
  func closeIsDue(_ number: UInt8) {
    let isLast = Int(number) + 1 == books.channels.count
    switch phase {
    case .open: if isLast { end(.term) } else { books.channels.close(number) }
    case .ending(var ending):
      if !isLast { return books.channels.close(number) }
      ending.hurry(nowMs: context.nowMs)
      phase = .ending(ending)
    case .closing: books.channels.close(number)
    case .awaitingFunding, .closed, .over: break
    }
  }

  func spent(_ number: UInt8, _ spend: ChannelSpend, _ height: UInt32) {
    switch spend.kind {
    case .close:
      context.info(
        label + "close " + spend.txid.reversed.hex + " is in block \(height): "
          + "\(spend.payoutSat) sat to the owner")
    case .refund:
      context.warning(label + "the publisher took channel \(number) back at height \(height)")
    }
    if books.channels.hasUsable { return }
    switch phase {
    case .open, .ending: beginClosing()
    case .awaitingFunding: drop("its channel was spent before it opened")
    case .closing, .closed, .over: break
    }
  }
}
