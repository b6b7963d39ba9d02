import Bitcoin
import Bytes
import Channel
import Market

/// Looks for work: keeps the announcements, calls publishers and allocates places to leases.
final class WorkSearch {
  /// Most concurrent calls, in total, for unconfirmed announcements, and per host.
  static let mostCalls = 8
  static let mostRumours = 4
  static let mostCallsAHost = 2
  /// How often, at most, a nearly fitting publisher gets the refusal.
  static let tellMs: UInt64 = 60_000
  private static let mostTold = 256

  private let context: AgentContext
  private var book = AnnouncementBook()
  private var places: Places
  private var negotiations: [Negotiation] = []
  private var nextCall: UInt32 = 1
  /// Publishers that got such a refusal, and when.
  private var told: [(publisher: Bytes32, atMs: UInt64)] = []

  init(context: AgentContext) {
    self.context = context
    places = Places(limits: context.limits, maxLeases: context.maxLeases)
  }

  func takeCallKey() -> CallKey {
    nextCall += 1
    return CallKey(nextCall - 1)
  }

  // MARK: Announcements

  func tipChanged() { book.forgetExpired(atHeight: context.tipHeight) }

  func look(at transaction: Transaction, isConfirmed: Bool, _ leases: [Lease]) {
    guard let announcement = Announcement.find(in: transaction) else { return }
    let txid = transaction.txid
    let fit = Matching.judge(announcement, context)
    let isFit: Bool
    if case .never = fit { isFit = false } else { isFit = true }
    let news = book.add(txid, announcement, isConfirmed: isConfirmed, isFit: isFit)
    guard case .isNew = news else { return }
    for lease in leases where lease.announcementTxid == txid && !lease.announcementIsFree {
      book.take(txid)
    }
    let name = "announcement " + txid.reversed.hex + ": "
    switch fit {
    case .fits:
      context.info(
        name + "\(announcement.workers) workers wanted, up to "
          + "\(announcement.priceCeilingSatPerHour) sat an hour")
    case .nearly(let refusal): context.info(name + refusal.text)
    case .never(let refusal): context.debug(name + refusal.text)
    }
  }

  // MARK: Calls

  func call(_ key: CallKey) -> Call? {
    for negotiation in negotiations where negotiation.call.key == key { return negotiation.call }
    return nil
  }

  func timePassed() { for negotiation in negotiations { negotiation.call.tick() } }

  /// Cancels all negotiations.
  func cancelAll() {
    for negotiation in negotiations {
      negotiation.cancel()
      release(negotiation, .unanswered)
    }
    negotiations = []
  }

  private func release(_ negotiation: Negotiation, _ end: AnnouncementBook.CallEnd) {
    book.released(
      negotiation.announcementTxid, end, nowMs: context.nowMs, atHeight: context.tipHeight)
  }

  /// Whether another lease could get a place.
  private func hasPlace(_ leases: [Lease]) -> Bool {
    !places.isFull || leases.contains { $0.yields }
  }

  private func isCallable(
    _ announcement: Announcement, _ isConfirmed: Bool, _ leases: [Lease]
  ) -> Bool {
    for lease in leases where lease.isEnding {
      if lease.contract.publisher == announcement.publisher { return false }
    }
    var onHost = 0
    var rumours = 0
    for negotiation in negotiations {
      if negotiation.publisher == announcement.publisher { return false }
      if negotiation.announcement.endpoint.host == announcement.endpoint.host { onHost += 1 }
      if !negotiation.isConfirmed { rumours += 1 }
    }
    if onHost >= WorkSearch.mostCallsAHost { return false }
    if !isConfirmed && rumours >= WorkSearch.mostRumours { return false }
    if case .nearly = Matching.judge(announcement, context) {
      return !told.contains {
        $0.publisher == announcement.publisher && context.nowMs < $0.atMs + WorkSearch.tellMs
      }
    }
    return true
  }

  /// Calls publishers while places are available.
  func callNext(_ leases: [Lease]) {
    if !hasPlace(leases) { return }
    while negotiations.count < WorkSearch.mostCalls,
      let next = book.takeBest(
        nowMs: context.nowMs, where: { isCallable($0, $1, leases) })
    {
      call(next.txid, next.announcement, isConfirmed: next.isConfirmed)
    }
  }

  private func call(_ txid: Bytes32, _ announcement: Announcement, isConfirmed: Bool) {
    var shortcoming: Refusal?
    switch Matching.judge(announcement, context) {
    case .fits: break
    case .nearly(let refusal):
      shortcoming = refusal
      told.removeAll { $0.publisher == announcement.publisher }
      if told.count >= WorkSearch.mostTold { told.removeFirst() }
      told.append((announcement.publisher, context.nowMs))
    case .never:
      return book.released(
        txid, .hopeless, nowMs: context.nowMs, atHeight: context.tipHeight)
    }
    let call = Call(
      key: takeCallKey(), publisher: announcement.publisher, endpoint: announcement.endpoint,
      context: context)
    negotiations.append(
      Negotiation(
        call: call, txid: txid, announcement: announcement, isConfirmed: isConfirmed,
        shortcoming: shortcoming, context: context))
  }

  /// When a timeout or retry is due next.
  func nextDeadlineMs(looksForWork: Bool, _ leases: [Lease]) -> UInt64 {
    var earliest = UInt64.max
    for negotiation in negotiations { earliest = min(earliest, negotiation.nextDeadlineMs) }
    if looksForWork && negotiations.count < WorkSearch.mostCalls && hasPlace(leases) {
      earliest = min(earliest, book.nextCallMs(nowMs: context.nowMs))
    }
    return earliest
  }

  // MARK: Contracts

  /// A contract that the publisher signed, with its negotiation.
  struct Signed {
    let negotiation: Negotiation
    let agreement: Agreement
  }

  /// Advances the negotiations; returns the next signed contract and removes its negotiation.
  func nextSigned() -> Signed? {
    var index = 0
    while index < negotiations.count {
      let negotiation = negotiations[index]
      switch negotiation.step() {
      case nil:
        negotiation.call.flush()
        index += 1
      case .signed(let agreement):
        negotiations.remove(at: index)
        return Signed(negotiation: negotiation, agreement: agreement)
      case .ended(let end, let text):
        negotiations.remove(at: index)
        finish(negotiation, end, text)
      }
    }
    return nil
  }

  private func finish(_ negotiation: Negotiation, _ end: AnnouncementBook.CallEnd, _ text: String) {
    context.info("announcement " + negotiation.announcementTxid.shortText + ": " + text)
    negotiation.call.hangUp()
    release(negotiation, end)
  }

  /// Creates a lease from a signed contract if a place is free or a lease yields; nil if refused.
  func take(_ signed: Signed, _ leases: [Lease], _ takeKey: () -> LeaseKey) -> Lease? {
    let negotiation = signed.negotiation
    let contract = signed.agreement.contract
    let host = signed.agreement.endpoint.host
    var leaving: [Lease] = []
    var refusal = places.refusal(contract.share)
    for lease in leases where refusal != nil && lease.yields {
      leaving.append(lease)
      refusal = places.refusal(contract.share, leaving: leaving.map { $0.key })
    }
    if refusal == nil {
      refusal = places.unfundedRefusal(publisher: contract.publisher, host: host)
    }
    if let refusal { return refuse(negotiation, refusal) }
    do throws(ChannelError) {
      let lease = try Lease(
        takeKey(), signed.agreement, call: negotiation.call, context: context)
      for former in leaving {
        former.yield()
        places.release(former.key)
      }
      places.take(
        lease.key, contract.share, publisher: contract.publisher, host: host, isFunded: false)
      return lease
    } catch { return refuse(negotiation, Refusal(.channel, "contract: " + error.message)) }
  }

  private func refuse(_ negotiation: Negotiation, _ refusal: Refusal) -> Lease? {
    if case .ended(let end, let text) = negotiation.refuse(refusal, .refused) {
      finish(negotiation, end, text)
    }
    return nil
  }

  /// Restores a lease's place, whatever the owner's limits are now.
  func placeTaken(_ lease: Lease) {
    if !lease.holdsPlace { return }
    places.take(
      lease.key, lease.contract.share, publisher: lease.contract.publisher,
      host: lease.endpoint.host, isFunded: lease.isFunded)
  }

  /// Releases the places and announcements of leases that no longer hold a place.
  func update(_ leases: [Lease]) {
    for lease in leases {
      if lease.isFunded { places.funded(lease.key) }
      if lease.holdsPlace { continue }
      places.release(lease.key)
      if !lease.announcementIsFree {
        lease.announcementIsFree = true
        book.released(
          lease.announcementTxid, .served, nowMs: context.nowMs, atHeight: context.tipHeight)
      }
    }
  }
}
