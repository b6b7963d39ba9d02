import Bitcoin
import Bytes
import Channel
import Market

/// The channel's money: funded together with the other workers' channels, opened with the first
/// payment, closed by the machine or taken back after the expiry.
extension Hire {
  /// The wallet has signed the funding. It is stored here; the run relays it once all channels that
  /// it funds are stored.
  func fund(_ transaction: Transaction) throws(ChannelError) {
    try channel.fundingBuilt(transaction)
    drainChannel(holdsFunding: true)
    enter(.funding)
    sayFunding()
  }

  func sayFunding() {
    guard let funding = channel.funding else { return }
    say(.funding(outPoint: funding, amountSat: contract.terms.capacitySat))
  }

  /// The machine sees the funding, deep enough: the opening payment lets it begin.
  func fundingSeen(_ height: UInt32) {
    if stage < .funding || isGivenUp { return }
    if !isFunded { info("sees its funding at height \(height)") }
    isFunded = true
    if payments > 0 {
      // It may have missed the opening payment.
      if stage <= .transferring {
        channel.resend()
        drainChannel()
      }
      return
    }
    if stage == .funding {
      record.openedUnixSeconds = context.now.unixSeconds
      workSince = context.now
      enter(.transferring)
    }
    pay(rule.openingSat)
  }

  /// Signs a payment of `amountSat` in total.
  func pay(_ amountSat: UInt64) {
    do { try channel.pay(amountSat: amountSat) } catch {
      warning("no payment: " + error.message)
    }
    drainChannel()
  }

  /// Carries out what the channel asks. The store stands before everything that relies on it, and
  /// the driver keeps that order: so a state counts as stored once its effect is in the queue.
  func drainChannel(holdsFunding: Bool = false) {
    while let effect = channel.nextEffect() {
      switch effect {
      case .store(let revision, let state):
        context.emit(
          .storeChannel(
            contract: contractId, sequence: payments, amountSat: paidSat, state))
        channel.stored(revision: revision)
      case .send(let payment): say(.payment(payment))
      case .broadcast(let transaction):
        if !holdsFunding { context.emit(.broadcast(transaction)) }
      case .refundIsDue: takeRefund()
      case .closed(let spend, let height): channelClosed(spend, height)
      }
    }
  }

  /// The expiry has passed and the machine did not close.
  private func takeRefund() {
    if refundTxid != nil { return }
    do {
      let refund = try channel.refund(
        feeRateSatPerVb: context.feeRateSatPerVb, tipHeight: context.tipHeight)
      refundTxid = refund.txid
      warning("the channel expired unclosed: taking it back with " + refund.txid.reversed.hex)
    } catch { warning("refund: " + error.message) }
  }

  // MARK: The chain

  func tipChanged() {
    if isOver { return }
    channel.tipChanged(height: context.tipHeight)
    drainChannel()
  }

  /// A block that touches a watched script.
  func blockMatched(height: UInt32, _ block: Block) {
    if stage == .abandoned { return }
    for transaction in block.transactions {
      if let funding = channel.funding, funding.txid == transaction.txid,
        channel.fundingHeight != height
      {
        channel.fundingConfirmed(height: height)
        stageSinceMs = context.now.nowMs
        info("funding " + funding.text + " is in block \(height)")
      }
      channel.spendSeen(transaction, height: height)
    }
    drainChannel()
  }

  func blocksDisconnected(toHeight: UInt32) {
    channel.blocksDisconnected(fromHeight: toHeight + 1)
    drainChannel()
    if stage == .closed && channel.spend == nil {
      enter(record.receipt == nil ? .settling : .receipted)
    }
  }

  private func channelClosed(_ spend: ChannelSpend, _ height: UInt32) {
    switch spend.kind {
    case .close:
      info(
        "close " + spend.txid.reversed.hex + " is in block \(height): \(spend.payoutSat) sat to "
          + "its owner, \(spend.changeSat) sat back")
    case .refund:
      info("refund " + spend.txid.reversed.hex + " is in block \(height): \(spend.changeSat) sat")
    }
    if let refundTxid { context.emit(.forget(txid: refundTxid)) }
    enter(.closed)
    call?.session.close()
  }
}
