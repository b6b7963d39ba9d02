import Bytes
import Channel
import Crypto
import Market

/// The last payment, the receipt, the close.
extension Hire {
  /// Everything is here that was to come: what is still owed is paid.
  func settle() {
    guard let exit = record.exit, stage == .delivering || stage == .settling else { return }
    if exit.resultBytes > 0 && !record.resultsAreHeld && !isDistrusted { return }
    enter(.settling)
    if isDistrusted || isGivenUp { return }
    if case .pay(let amountSat) = rule.due(paidSat: paidSat), !paymentsAreStopped {
      pay(amountSat)
    }
  }

  private var paymentsAreStopped: Bool {
    stoppedPayingAtMs != nil && (context.plan.payAgainAfterMs == nil || payAgainAtMs != nil)
  }

  func receiptReceived(_ body: [UInt8], _ signature: [UInt8]) {
    if record.receipt != nil { return answerReceipt() }
    if stage != .settling {
      warning("a receipt before its time")
      return
    }
    do {
      let receipt = try Receipt.decode(body)
      try receipt.verify(signature, by: contract.provider)
      try check(receipt)
      record.receipt = SignedReceipt(
        receipt: receipt, providerSignature: signature,
        publisherSignature: receipt.sign(context.secrets.identity))
      record.usage = receipt.usage
      record.owedSat = receipt.owedSat
    } catch {
      warning("receipt refused: " + error.message)
      call?.refuse(.unacceptable, "receipt: " + error.message)
      return
    }
    enter(.receipted)
    info("receipt: \(record.owedSat) sat owed, \(paidSat) sat paid in \(payments) payments")
    answerReceipt()
  }

  /// Every number of the receipt, against what this side knows.
  private func check(_ receipt: Receipt) throws(MarketError) {
    try receipt.check(against: contract)
    guard let exit = record.exit else {
      throw MarketError.unacceptable(field: "receipt", problem: "the job has not ended")
    }
    if isDistrusted {
      throw MarketError.unacceptable(field: "usage", problem: "was not believed")
    }
    if receipt.paidSat != paidSat { throw MarketError.differs(field: "paid amount") }
    if receipt.payments != payments { throw MarketError.differs(field: "payments") }
    if receipt.owedSat > paidSat {
      throw MarketError.unacceptable(field: "owed amount", problem: "above what was paid")
    }
    if receipt.exitKind != exit.kind || receipt.exitStatus != exit.status {
      throw MarketError.differs(field: "exit")
    }
    if receipt.resultDigest != exit.resultDigest {
      throw MarketError.differs(field: "result digest")
    }
    // A machine that was restarted may have forgotten the last of what it had reported; more than
    // it reported was never looked at.
    if let last = rule.last, !last.usage.isAtLeast(receipt.usage) {
      throw MarketError.unacceptable(field: "usage", problem: "above what was reported")
    }
  }

  /// The signed answer lets the machine hang up, so the rest of the output comes first.
  func answerReceipt() {
    if !hasHeardStart || outputHasEnded { return sayReceiptSigned() }
    if answerAtMs == nil { answerAtMs = context.now.nowMs + Hire.outputPatienceMs }
  }

  func sayReceiptSigned() {
    answerAtMs = nil
    guard let receipt = record.receipt else { return }
    say(.receiptSigned(publisherSignature: receipt.publisherSignature))
  }
}
