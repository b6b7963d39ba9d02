import Bitcoin
import Bytes
import Channel
import Market
import Session

/// What its provider says.
extension Lease {
  // MARK: Messages

  /// One message of the provider. What makes no sense is refused and ends the connection, never the
  /// lease.
  func received(_ message: SessionMessage) {
    context.touch(self)
    if !link.isLive {
      switch message {
      case .state(let theirs): return compared(theirs)
      case .refuse(let code, let text): return refused(code, text)
      default: return link.refuse(.badMessage, "before both sides said where they stand")
      }
    }
    switch message {
    case .accept(let signature, let nextKey):
      course.accepted(signature, nextKey: nextKey)
    case .fundingState(let channel, let sight): fundingSeen(channel, sight)
    case .taskState(let number, let state): tasks.stateReported(number, state)
    case .taskEnded(let line): lineCame(line)
    case .usage(let report):
      trusting { () throws(LeaseFault) in
        try books.believe(report.usage, owedSat: report.owedSat)
      }
    case .paymentStored(let channel, let sequence): money.paymentStored(channel, sequence)
    case .statement(let body, let signature): statementReceived(body, signature)
    case .receipt(let body, let signature, let closes): receiptReceived(body, signature, closes)
    case .closeSigned(let close): closeSigned(close)
    case .standing(let standing, let text): stands(standing, text)
    case .leaving(let noticeMs, let text):
      warning(
        "the machine's owner ends the lease in \(noticeMs / 1000) s: "
          + String(decoding: text, as: UTF8.self))
      course.leaves()
    case .topUpAccepted(let number, let signature, let nextKey):
      topUpAccepted(number, signature, nextKey)
    case .topUpWanted(let rate): money.topUpWanted(rate)
    case .execStarted(let id): execs.started(id)
    case .execEnded(let end): execs.ended(end)
    case .refuse(let code, let text): refused(code, text)
    // What was said before the contract may be said again.
    case .unknown, .state, .hello, .bid: break
    case .welcome, .offer, .contract, .funding, .task, .linesStored, .taskStop,
      .payment, .statementSigned, .end, .receiptSigned, .closeWanted, .topUp, .execute,
      .execSignal, .execResize:
      link.refuse(.badMessage, "out of place")
    }
  }

  func refused(_ code: RefusalCode, _ text: [UInt8]) {
    warning("the machine refused: " + String(decoding: text, as: UTF8.self))
    link.close()
    if stage < .funded { return course.abandon("refused", code) }
    if code == .unknownLease { course.gone("it does not know the lease any more") }
  }
}
