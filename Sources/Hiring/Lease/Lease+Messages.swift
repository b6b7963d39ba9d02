import Bitcoin
import Bytes
import Channel
import Market
import Session

/// Messages from the provider.
extension Lease {
  // MARK: Messages

  /// Handles one message. An invalid message closes the connection, but does not end the lease.
  func received(_ message: SessionMessage) {
    context.touch(self)
    if !link.isLive {
      switch message {
      case .state(let theirs): return compared(theirs)
      case .refuse(let code, let text): return refused(code, text)
      default: return link.refuse(.badMessage, "the lease state must come first")
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
        "the provider's owner ends the lease in \(noticeMs / 1000) s: "
          + String(decoding: text, as: UTF8.self))
      course.leaves()
    case .topUpAccepted(let number, let signature, let nextKey):
      topUpAccepted(number, signature, nextKey)
    case .topUpWanted(let rate): money.topUpWanted(rate)
    case .execStarted(let id): execs.started(id)
    case .execEnded(let end): execs.ended(end)
    case .refuse(let code, let text): refused(code, text)
    // Messages from before the contract may be repeated.
    case .unknown, .state, .hello, .bid: break
    case .welcome, .offer, .contract, .funding, .task, .linesStored, .taskStop,
      .payment, .statementSigned, .end, .receiptSigned, .closeWanted, .topUp, .execute,
      .execSignal, .execResize:
      link.refuse(.badMessage, "out of place")
    }
  }

  func refused(_ code: RefusalCode, _ text: [UInt8]) {
    warning("the provider refused: " + String(decoding: text, as: UTF8.self))
    link.close()
    if stage < .funded { return course.abandon("refused", code) }
    if code == .unknownLease { course.gone("the provider no longer has the lease") }
  }
}
