import Bitcoin
import Bytes
import Channel
import Market
import Sandbox
import Session

/// The last payment, the receipt, the close. Whatever the publisher does, what was paid is
/// collected.
extension Job {
  /// How long the publisher is waited for when it has something to do: the contract's grace time,
  /// and at least long enough for a few calls to a publisher that starts again.
  private static let leastPatienceMs: UInt64 = 30_000

  func waitForPublisher() {
    patienceEndsAtMs =
      context.now.nowMs + max(Job.leastPatienceMs, UInt64(contract?.graceMs ?? 0))
  }

  /// The publisher did not do what it had to.
  func patienceEnded() {
    patienceEndsAtMs = nil
    switch stage {
    case .awaitingFunding: abandon("the channel was not funded in time")
    case .awaitingOpening: abandon("the opening payment did not come")
    case .delivering:
      context.warning(label + "the publisher does not fetch its results: they are dropped")
      isDelivered = true
      destroySandbox()
    case .transferring:
      context.warning(label + "the bundle does not come")
      context.emit(.dropBundle(key))
      jobOver(.neverRan, status: 0)
    case .settling: closeChannel()
    case .negotiating, .running, .closing, .closed, .abandoned: break
    }
  }

  func settle() {
    enter(.settling)
    waitForPublisher()
    settleIfPaid()
  }

  /// Signs the receipt once everything that is owed is paid; a publisher that does not pay gets
  /// none, and is waited for no longer than its patience time. A payment that was on its way while
  /// this machine was down belongs in the receipt too: it is signed again as long as the publisher
  /// has not signed.
  func settleIfPaid() {
    guard stage == .settling, let record, let exit = record.exit, paidSat >= owedSat else { return }
    if let signed = record.receipt,
      signed.receipt.paidSat == paidSat || !signed.publisherSignature.isEmpty
    {
      return
    }
    let receipt = Receipt(
      contract: contractId, usage: record.usage, owedSat: owedSat, paidSat: paidSat,
      payments: channel?.paymentCount ?? 0, exitKind: exit.kind, exitStatus: exit.status,
      resultDigest: exit.resultDigest, startedUnixSeconds: record.startedUnixSeconds,
      endedUnixSeconds: record.endedUnixSeconds)
    self.record?.receipt = SignedReceipt(
      receipt: receipt, providerSignature: receipt.sign(context.secrets.identity))
    store()
    sayReceipt()
  }

  func sayReceipt() {
    guard let signed = record?.receipt else { return }
    say(.receipt(body: signed.receipt.encode(), providerSignature: signed.providerSignature))
  }

  func receiptSigned(_ signature: [UInt8]) {
    guard let contract, let signed = record?.receipt, stage == .settling else { return }
    do { try signed.receipt.verify(signature, by: contract.publisher) } catch {
      return refuse(.badMessage, error.message)
    }
    record?.receipt?.publisherSignature = signature
    store()
    context.info(label + "receipt signed: \(owedSat) sat owed, \(paidSat) sat paid")
    closeChannel()
  }

  /// Collects what was paid. Without any payment there is nothing to collect.
  func closeChannel() {
    patienceEndsAtMs = nil
    if stage >= .closing { return }
    if channel?.best == nil { return abandon("nothing was paid") }
    if isSandboxed { destroySandbox() }
    eraseOutput()
    let id = contractId
    do {
      let close = try channel?.close(feeRateSatPerVb: context.feeRateSatPerVb)
      enter(.closing)
      if let close {
        context.info(label + "closing with \(close.txid.reversed.hex): \(paidSat) sat paid")
      }
    } catch {
      context.warning(label + "contract " + id.hex + ": " + error.message)
    }
    drainChannel()
    hangUp()
  }

  func abandon(_ reason: String) {
    if stage >= .closing { return }
    context.warning(label + reason)
    if channel?.best != nil { return closeChannel() }
    patienceEndsAtMs = nil
    eraseOutput()
    if isSandboxed { destroySandbox() } else { context.emit(.dropBundle(key)) }
    if record?.exit == nil {
      record?.exit = JobExit(kind: .neverRan, status: 0, resultBytes: 0, resultDigest: .zero)
    }
    enter(.abandoned)
    context.emit(.archiveChannel(contract: contractId))
    unwatch()
    hangUp()
    isForgotten = !isSandboxed
  }

  /// The publisher says that it never heard of the contract.
  func publisherForgot() {
    switch stage {
    case .awaitingFunding, .awaitingOpening, .transferring: jobOver(.neverRan, status: 0)
    case .running: end(.stoppedByPublisher, .publisher)
    case .negotiating, .delivering, .settling, .closing, .closed, .abandoned: break
    }
    if stage == .delivering || stage == .settling {
      isDelivered = true
      closeChannel()
    } else {
      hangUp()
    }
  }

  private func unwatch() {
    if let contract { context.emit(.unwatch(script: ChannelScript.scriptPubKey(contract.terms))) }
  }

  /// Blocks on top of a close after which no reorganisation is expected to undo it.
  static let burialBlocks: UInt32 = 6

  func forgetIfBuried() {
    guard stage == .closed, !isForgotten, let channel, let height = channel.spendHeight,
      let spend = channel.spend, context.authenticatedHeight >= height + Job.burialBlocks
    else { return }
    context.emit(.forget(txid: spend.txid))
    context.emit(.archiveChannel(contract: contractId))
    unwatch()
    isForgotten = true
  }
}
