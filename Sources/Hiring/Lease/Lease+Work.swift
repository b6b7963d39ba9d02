import Bitcoin
import Bytes
import Channel
import Market
import Session

/// Tasks, money and streams.
extension Lease {
  // MARK: Work and money

  func fundingSeen(_ channel: UInt8, _ sight: FundingSight) {
    if Int(channel) >= money.channels.count { return }
    switch sight {
    case .relayed: break
    case .confirmed(let height): info("reports its funding at height \(height)")
    case .lost: warning("a reorganisation took the funding of channel \(channel) out of the chain")
    }
    if channel == 0 && sight != .lost { course.fundingSeen() }
  }

  func lineCame(_ line: TaskLine) {
    if !course.isAtWork { return }
    course.progressed()
    tasks.ended(line)
  }

  /// Runs `body` on a provider's report; a fault ends the lease.
  func trusting(_ body: () throws(LeaseFault) -> Void) {
    if !course.isAtWork || !books.isTrusted { return }
    do throws(LeaseFault) { try body() } catch { course.failed(error.reason, isFault: true) }
  }

  func pay() {
    if !course.isAtWork || !books.isTrusted { return }
    if money.pay(isEnding: stage == .ending) { store() }
    if stage == .open && money.isExhausted { course.end("the channels are paid out") }
  }

  func stands(_ standing: Standing, _ text: [UInt8]) {
    if stage < .funded || stage > .ending || !course.conduct.stands(standing) { return }
    let reason = text.isEmpty ? "" : " (" + String(decoding: text, as: UTF8.self) + ")"
    switch standing {
    case .running: info("runs again")
    case .frozen:
      warning("frozen: \(money.owedSat) sat owed, \(money.paidSat) sat paid" + reason)
    case .unconfirmed: warning("suspended until its funding confirms" + reason)
    case .paused: warning("paused by the provider's owner" + reason)
    case .awaitingTopUp: warning("suspended until its next channel is seen" + reason)
    }
  }

  func topUpAccepted(_ number: UInt8, _ signature: [UInt8], _ nextKey: [UInt8]) {
    do throws(MarketError) {
      if try money.topUpAccepted(number, signature, nextKey: nextKey) { course.report(.toppedUp) }
    } catch { course.failed("top-up: " + error.message) }
  }

  func statementReceived(_ body: [UInt8], _ signature: [UInt8]) {
    trusting { () throws(LeaseFault) in
      course.progressed()
      guard let statement = try books.statementReceived(body, signature) else { return }
      if statement.isFinal { course.finalStatementCame() } else { store() }
      books.sayStatementSigned()
    }
  }

  func receiptReceived(_ body: [UInt8], _ signature: [UInt8], _ closes: [SignedClose]) {
    if books.hasReceipt { return course.answerAgain() }
    if stage != .ending { return }
    trusting { () throws(LeaseFault) in
      course.progressed()
      if !(try books.receiptReceived(body, signature, closes)) { return }
      course.settle(hasReceipt: true)
      info(
        "receipt: \(money.owedSat) sat owed, \(money.paidSat) sat paid in \(money.payments) "
          + "payments")
    }
  }

  /// A close that the provider sent unasked: the funding came too late, or the owner ends the lease
  /// early.
  func closeSigned(_ close: SignedClose) {
    do throws(ChannelError) { try money.channels.closeReceived(close) } catch {
      return warning("its close is refused: " + error.message)
    }
    if money.paidSat == 0 && close.signatures.amountSat == 0 {
      if stage == .funded { info("the provider's hold expired before the funding arrived") }
      money.channels.close(.unpaid)
      if stage < .settled { course.settle(hasReceipt: false) }
    }
  }

  // MARK: Streams: a task's, a bundle's or an exec session's

  func streamOpened(_ id: StreamId, _ opening: StreamOpening) {
    context.touch(self)
    if !link.isLive || !(tasks.streamOpened(id, opening) || execs.streamOpened(id, opening)) {
      link.resetStream(id)
    }
  }

  func streamReceived(_ id: StreamId, _ bytes: [UInt8]) {
    context.touch(self)
    course.progressed()
    if !tasks.received(id, bytes) && !execs.received(id, bytes) { link.resetStream(id) }
  }

  func streamEnded(_ id: StreamId) {
    context.touch(self)
    tasks.streamEnded(id)
    execs.streamEnded(id)
  }

  func streamReset(_ id: StreamId) {
    context.touch(self)
    tasks.streamReset(id)
    execs.streamReset(id)
  }

  func streamCredit(_ id: StreamId) {
    context.touch(self)
    tasks.credit(id)
    execs.credit(id)
  }
}
