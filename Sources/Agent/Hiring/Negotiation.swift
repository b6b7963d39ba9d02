import Bitcoin
import Bytes
import Channel
import Crypto
import Market
import Session

/// A call about an announcement: hello, offer, bid, contract. Nothing is owed or stored before both
/// sides have signed, so any error simply ends it.
final class Negotiation {
  let call: Call
  let announcementTxid: Bytes32
  let announcement: Announcement
  /// Whether the announcement is in a block.
  let isConfirmed: Bool
  /// Why the host nearly fits; the call only reports this refusal.
  private let shortcoming: Refusal?
  private let context: AgentContext

  private struct Bidding {
    let offer: Offer
    let bid: Bid
    let channelNonce: Bytes32
  }

  private enum Phase {
    case calling
    case awaitingOffer
    case awaitingContract(Bidding)
    case over
  }

  private var phase = Phase.calling
  private var untilMs: UInt64

  enum Step {
    /// The publisher signed the contract: accept or refuse it.
    case signed(Agreement)
    case ended(AnnouncementBook.CallEnd, String)
  }

  init(
    call: Call, txid: Bytes32, announcement: Announcement, isConfirmed: Bool,
    shortcoming: Refusal?, context: AgentContext
  ) {
    self.call = call
    announcementTxid = txid
    self.announcement = announcement
    self.isConfirmed = isConfirmed
    self.shortcoming = shortcoming
    self.context = context
    untilMs = context.nowMs + LeaseTimes.offerMs
    call.dialIfDue()
  }

  var publisher: Bytes32 { announcement.publisher }
  var nextDeadlineMs: UInt64 { min(untilMs, call.isDown ? UInt64.max : call.nextDeadlineMs) }

  // MARK: Events

  /// Processes pending call events; returns nil while the negotiation continues.
  func step() -> Step? {
    while let event = call.nextEvent() {
      switch event {
      case .established:
        phase = .awaitingOffer
        call.say(
          .hello(features: PeerFeatures(), subject: .announcement(announcementTxid)))
      case .control(let bytes):
        if let step = controlReceived(bytes) { return step }
      case .ended:
        return ended(
          call.wasAnswered ? .refused : .unanswered,
          call.wasAnswered ? "the publisher hung up" : "the publisher is not reachable")
      case .streamOpened(let id, _), .data(let id, _): call.resetStream(id)
      case .streamEnded, .streamReset, .roomAvailable: break
      }
    }
    if context.nowMs >= untilMs { return timedOut() }
    return nil
  }

  private func timedOut() -> Step {
    switch phase {
    case .awaitingContract: return ended(.refused, "the publisher did not choose this provider")
    case .calling, .awaitingOffer, .over:
      return ended(.unanswered, "the publisher does not answer")
    }
  }

  private func ended(_ end: AnnouncementBook.CallEnd, _ text: String) -> Step {
    phase = .over
    return .ended(end, text)
  }

  /// Ends the call: no more work is wanted.
  func cancel() {
    phase = .over
    call.hangUp()
  }

  private func controlReceived(_ bytes: [UInt8]) -> Step? {
    let message: SessionMessage
    do { message = try SessionMessage.decode(bytes) } catch {
      return refuse(Refusal(.badMessage, error.message), .refused)
    }
    switch message {
    case .welcome(let features):
      if features.areUnderstood { return nil }
      return refuse(
        Refusal(
          .version,
          "needs features that this agent lacks, or speaks an older version than "
            + "\(PeerFeatures.currentVersion)"), .refused)
    case .offer(let body): return offerReceived(body)
    case .contract(let body, let signature): return contractReceived(body, signature)
    case .refuse(_, let text):
      return ended(
        .refused, "the publisher refused: " + String(decoding: text, as: UTF8.self))
    case .unknown(let type):
      if type & 1 == 1 { return nil }
      return refuse(Refusal(.version, "message type \(type) is not known"), .refused)
    default:
      return refuse(
        Refusal(.badMessage, "a message that is not valid before a contract"), .refused)
    }
  }

  /// Sends the reason and ends the call.
  func refuse(_ refusal: Refusal, _ end: AnnouncementBook.CallEnd) -> Step {
    call.say(.refuse(code: refusal.code, text: refusal.bytes))
    return ended(end, refusal.text)
  }

  // MARK: Offer and bid

  private func offerReceived(_ body: [UInt8]) -> Step? {
    guard case .awaitingOffer = phase else {
      return refuse(Refusal(.badMessage, "an offer out of place"), .refused)
    }
    if let shortcoming { return refuse(shortcoming, .hopeless) }
    let offer: Offer
    do {
      offer = try Offer.decode(body)
      try offer.check(announced: announcement, network: context.network.identity)
    } catch { return refuse(Refusal(.unacceptable, "offer: " + error.message), .hopeless) }
    let terms = BidTerms(offer, publisher: publisher, context)
    if let refusal = Matching.refusal(of: offer, terms, context) {
      return refuse(refusal, .refused)
    }
    return sayBid(offer, terms)
  }

  private func sayBid(_ offer: Offer, _ terms: BidTerms) -> Step? {
    let nonce = context.random()
    guard let key = try? Secp256k1.publicKey(of: context.secrets.channelSecret(nonce, number: 0))
    else { return refuse(Refusal(.internalFault, "no key for a channel"), .refused) }
    let bid = Bid(
      offerDigest: offer.digest, provider: context.secrets.identity.publicKey,
      reportDigest: Sha256.hash(context.report), rates: terms.rates,
      maxLossSat: terms.maxLossSat, firstPaymentSat: Amount.dustSat,
      payoutScript: context.payoutScript, providerKey: key,
      debt: context.memory.debtors.debt(of: publisher))
    phase = .awaitingContract(Bidding(offer: offer, bid: bid, channelNonce: nonce))
    untilMs = context.nowMs + LeaseTimes.contractMs
    call.say(
      .bid(
        report: context.report, bid: bid.encode(), signature: bid.sign(context.secrets.identity)))
    context.info(
      "announcement " + announcementTxid.shortText + ": bid \(terms.hourlySat) sat an hour of full "
        + "use, \(terms.maxLossSat) sat of credit")
    return nil
  }

  // MARK: Contract

  private func contractReceived(_ body: [UInt8], _ signature: [UInt8]) -> Step? {
    guard case .awaitingContract(let bidding) = phase else {
      return refuse(Refusal(.badMessage, "a contract before a bid"), .refused)
    }
    let contract: Contract
    do throws(MarketError) {
      contract = try Contract.decode(body)
      try contract.check(against: bidding.offer, bidding.bid)
      if contract.publisher != publisher { throw MarketError.differs(field: "publisher") }
      try contract.verify(signature, by: publisher)
    } catch { return refuse(Refusal(.unacceptable, "contract: " + error.message), .refused) }
    return .signed(
      Agreement(
        announcementTxid: announcementTxid, endpoint: announcement.endpoint, offer: bidding.offer,
        contract: contract, publisherSignature: signature, channelNonce: bidding.channelNonce))
  }
}
