import Bitcoin
import Bytes
import Channel
import Crypto
import Market
import Sandbox
import Session

/// Offer, bid, contract. Until both have signed nothing is owed by anybody, so whatever is wrong
/// simply ends the negotiation.
extension Job {
  func offerReceived(_ body: [UInt8]) {
    guard stage == .negotiating, let announcement else {
      return refuse(.badMessage, "an offer out of place")
    }
    let offer: Offer
    do {
      offer = try Offer.decode(body)
      try offer.check(announced: announcement, network: context.network.identity)
    } catch { return refuse(.unacceptable, "offer: " + error.message) }
    let rates = context.rates(for: offer.limits)
    if let reason = Matching.refusal(of: offer, rates, context) {
      return refuse(.machine, "the offer " + reason)
    }
    self.offer = offer
    sayBid(offer, rates)
  }

  private func sayBid(_ offer: Offer, _ rates: RateVector) {
    if channelNonce.isZero { channelNonce = context.random() }
    let secret = context.secrets.channelSecret(nonce: channelNonce)
    guard let providerKey = try? Secp256k1.publicKey(of: secret) else { return }
    var bid = Bid(
      offerDigest: offer.digest, provider: context.secrets.identity.publicKey,
      reportDigest: Sha256.hash(context.report), rates: rates,
      payoutScript: context.payoutScript, providerKey: providerKey)
    bid.sign(context.secrets.identity)
    self.bid = bid
    say(.bid(report: context.report, bid: bid.encode()))
    context.info(
      label + "bid \(Price.hourlySat(rates, offer.limits) ?? 0) sat an hour of full use")
  }

  func contractReceived(_ body: [UInt8], _ signature: [UInt8]) {
    let contract: Contract
    do { contract = try Contract.decode(body) } catch {
      return refuse(.badMessage, "contract: " + error.message)
    }
    if let record {
      // Said again because our answer was lost: the answer is the same.
      if record.contract.contract == contract {
        return say(.accept(providerSignature: record.contract.providerSignature))
      }
      return refuse(.unacceptable, "another contract for the same job")
    }
    guard let offer, let bid else { return refuse(.badMessage, "a contract before an offer") }
    do throws(MarketError) {
      try contract.check(against: offer, bid)
      if contract.publisher != publisher { throw MarketError.differs(field: "publisher") }
      try contract.verifyPublisher(signature)
    } catch { return refuse(.unacceptable, "contract: " + error.message) }
    agree(contract, signature, offer)
  }

  private func agree(_ contract: Contract, _ publisherSignature: [UInt8], _ offer: Offer) {
    let channel: ProviderChannel
    do {
      channel = try ProviderChannel(
        terms: contract.terms, secret: context.secrets.channelSecret(nonce: channelNonce),
        policy: context.channelPolicy(for: contract), tipHeight: context.tipHeight)
    } catch { return refuse(.unacceptable, "contract: " + error.message) }
    let signed = SignedContract(
      contract: contract, publisherSignature: publisherSignature,
      providerSignature: contract.sign(context.secrets.identity))
    record = JobRecord(
      stage: .awaitingFunding, announcementTxid: announcementTxid, endpoint: endpoint,
      offer: offer, contract: signed, channelNonce: channelNonce, startHeight: context.tipHeight)
    contractId = contract.id
    self.channel = channel
    store()
    drainChannel()
    watchChannel()
    patienceEndsAtMs = context.now.nowMs + Job.fundingPatienceMs
    say(.accept(providerSignature: signed.providerSignature))
    context.info(
      label + "contract signed: channel of \(contract.terms.capacitySat) sat until height "
        + "\(contract.terms.expiryHeight), at most \(contract.providerMaxLossSat) sat at risk")
  }

  func watchChannel() {
    guard let contract, let record else { return }
    context.emit(
      .watch(
        script: ChannelScript.scriptPubKey(contract.terms), fromHeight: record.startHeight))
  }
}
