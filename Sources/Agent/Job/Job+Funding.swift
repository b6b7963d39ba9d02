import Bitcoin
import Bytes
import Channel
import Market
import Sandbox
import Session

/// The channel's money: the funding as this machine's own light client sees it, the payments, and
/// what the chain does to both.
extension Job {
  func fundingNamed(_ outPoint: OutPoint) {
    if channel == nil { return refuse(.badMessage, "a funding before a contract") }
    do { try channel?.fundingAnnounced(outPoint) } catch {
      return refuse(.money, error.message)
    }
    drainChannel()
    for candidate in fundingCandidates where candidate.transaction.txid == outPoint.txid {
      fundingSeen(candidate.transaction, height: candidate.height)
    }
    // Said again after a broken connection: the publisher may have missed the answer.
    if let height = channel?.fundingHeight, channel?.isFunded == true {
      say(.funded(height: height))
    }
  }

  /// A block that touches a watched script.
  func blockMatched(height: UInt32, _ block: Block) {
    guard let contract, channel != nil else { return }
    let script = ChannelScript.scriptPubKey(contract.terms)
    for transaction in block.transactions {
      if let funding = channel?.funding, transaction.txid == funding.txid {
        fundingSeen(transaction, height: height)
      } else if channel?.funding == nil,
        transaction.outputs.contains(where: { $0.scriptPubKey == script })
      {
        // A publisher pays once; a few more are kept in case it made a mistake.
        if fundingCandidates.count < 8 { fundingCandidates.append((transaction, height)) }
      }
      channel?.spendSeen(transaction, height: height)
    }
    drainChannel()
  }

  private func fundingSeen(_ transaction: Transaction, height: UInt32) {
    do { try channel?.fundingConfirmed(transaction, height: height) } catch {
      refuse(.money, error.message)
      return abandon("the funding is not what the contract says")
    }
    drainChannel()
  }

  func blocksDisconnected(toHeight: UInt32) {
    fundingCandidates.removeAll { $0.height > toHeight }
    channel?.blocksDisconnected(fromHeight: toHeight + 1)
    drainChannel()
    if stage == .closed && channel?.spend == nil { enter(.closing) }
  }

  func tipChanged() {
    channel?.tipChanged(
      height: context.tipHeight, authenticatedHeight: context.authenticatedHeight)
    drainChannel()
    forgetIfBuried()
  }

  func paymentReceived(_ payment: ChannelPayment) {
    if channel == nil { return refuse(.badMessage, "a payment before a contract") }
    do { try channel?.received(payment) } catch { return refuse(.money, error.message) }
    drainChannel()
  }

  /// Carries out what the channel asks. The store stands before everything that relies on it, and
  /// the driver keeps that order: so a state counts as stored once its effect is in the queue.
  func drainChannel() {
    while let effect = channel?.nextEffect() {
      switch effect {
      case .store(let revision, let state):
        context.emit(
          .storeChannel(
            contract: contractId, sequence: channel?.best?.sequence ?? 0, amountSat: paidSat,
            state))
        channel?.stored(revision: revision)
      case .acknowledge(let sequence, _):
        say(.paymentStored(sequence: sequence))
        paymentStored()
      case .funded(let height): funded(height)
      case .fundingLost: lostFunding()
      case .broadcast(let transaction): context.emit(.broadcast(transaction))
      case .closeIsDue: expiryIsNear()
      case .closed(let spend, let height): channelClosed(spend, height)
      }
    }
  }

  private func funded(_ height: UInt32) {
    fundingIsLost = false
    context.info(label + "funded at height \(height)")
    say(.funded(height: height))
    if stage == .awaitingFunding {
      enter(.awaitingOpening)
      waitForPublisher()
      beginIfOpened()
    }
    considerFreezing()
  }

  private func lostFunding() {
    fundingIsLost = true
    context.warning(label + "a reorganisation took the funding out of the chain")
    considerFreezing()
  }

  private func paymentStored() {
    beginIfOpened()
    considerFreezing()
    settleIfPaid()
  }

  private func beginIfOpened() {
    guard let contract, stage == .awaitingOpening, paidSat >= contract.openingPaymentSat
    else { return }
    enter(.transferring)
    waitForPublisher()
    pullBundle()
  }

  /// The channel has to be closed before its expiry, whatever the job does.
  private func expiryIsNear() {
    context.warning(label + "the channel expires soon: closing it")
    switch stage {
    case .running: end(.stoppedByOwner, .owner)
    case .negotiating, .awaitingFunding, .awaitingOpening, .transferring, .delivering, .settling,
      .closing, .closed, .abandoned:
      break
    }
    if stage < .closing { closeChannel() }
  }

  private func channelClosed(_ spend: ChannelSpend, _ height: UInt32) {
    switch spend.kind {
    case .close:
      context.info(
        label + "close \(spend.txid.reversed.hex) is in block \(height): "
          + "\(spend.payoutSat) sat to the owner")
    case .refund:
      context.warning(label + "the publisher took the channel back at height \(height)")
    }
    if isSandboxed { destroySandbox() }
    enter(.closed)
    hangUp()
  }
}
