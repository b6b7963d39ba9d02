import Bitcoin
import Bytes
import Channel
import Market
import Session
import Wallet

/// The machines that call: who they are, what they bid, which are hired.
extension RunMachine {
  /// Callers that are not hired, at most; more are not answered.
  static let maxStrangers = 64
  /// Contracts that one machine may be offered in a run, as each takes keys and a place on disk.
  static let maxContractsPerMachine = 8

  // MARK: What happened

  public func workerConnected(_ key: CallKey, _ now: RunTime) {
    context.now = now
    let strangers = calls.filter { $0.hire == nil }.count
    let session = try? SessionMachine(
      role: .responder, identity: context.secrets.identity, expectedPeer: nil,
      ephemeral: context.random(), nowMs: now.nowMs)
    guard let session, strangers < RunMachine.maxStrangers else {
      context.emit(.hangUp(key))
      return
    }
    calls.append(Call(key: key, session: session, nowMs: now.nowMs))
    settle()
  }

  public func workerDisconnected(_ key: CallKey, _ now: RunTime) {
    context.now = now
    guard let call = call(key) else { return }
    call.session.transportEnded()
    end(call, tellsDriver: false)
    settle()
  }

  public func received(_ bytes: [UInt8], from key: CallKey, _ now: RunTime) {
    context.now = now
    guard let call = call(key) else { return }
    call.session.received(bytes, nowMs: now.nowMs)
    settle()
  }

  /// While true nothing more is transmitted to this worker.
  public func transportIsBlocked(_ key: CallKey, _ isBlocked: Bool, _ now: RunTime) {
    context.now = now
    call(key)?.session.transportIsBlocked = isBlocked
    settle()
  }

  private func call(_ key: CallKey) -> Call? { calls.first { $0.key == key } }

  // MARK: Sessions

  func drain(_ call: Call) {
    while !call.isOver, let effect = call.session.nextEffect() {
      switch effect {
      case .transmit(let bytes): context.emit(.transmit(call.key, bytes))
      case .established(let peer): call.peer = peer
      case .control(let bytes): controlReceived(bytes, call)
      case .streamOpened(let id, let opening):
        if let hire = call.hire {
          hire.streamOpened(id, opening)
        } else {
          call.session.resetStream(id)
        }
      case .data(let id, let bytes): call.hire?.streamReceived(id, bytes)
      case .streamEnded(let id): call.hire?.streamEnded(id)
      case .streamReset(let id): call.hire?.streamReset(id)
      case .creditAvailable(let id):
        call.hire?.pump()
        call.hire?.pumpInput()
        call.hire?.programCredit(id)
      case .failed(let error):
        if call.peer != nil { context.emit(.log(level: 3, "connection: " + error.message)) }
        end(call, tellsDriver: true)
      case .closed: end(call, tellsDriver: true)
      }
    }
  }

  private func end(_ call: Call, tellsDriver: Bool) {
    if call.isOver { return }
    call.isOver = true
    call.candidate = nil
    if let hire = call.hire, hire.call === call { hire.disconnected() }
    if tellsDriver { context.emit(.hangUp(call.key)) }
  }

  private func controlReceived(_ bytes: [UInt8], _ call: Call) {
    let message: SessionMessage
    do { message = try SessionMessage.decode(bytes) } catch {
      return call.refuse(.badMessage, error.message)
    }
    if let hire = call.hire { return hire.received(message) }
    switch message {
    case .hello(let txid): greeted(txid, call)
    case .resume(let state): resumed(state, call)
    case .bid(let report, let bid): bidReceived(report, bid, call)
    case .refuse(_, let text):
      context.info("a machine does not bid: " + String(decoding: text, as: UTF8.self))
      call.session.close()
    default: call.refuse(.badMessage, "not hired")
    }
  }

  // MARK: Bids

  /// Places that nobody fills yet.
  var openPlaces: [UInt16] {
    if isStopping { return [] }
    var open: [UInt16] = []
    for worker in 0..<context.plan.offer.workers
    where !hires.contains(where: { $0.worker == worker && $0.stage != .abandoned }) {
      open.append(worker)
    }
    return open
  }

  private func greeted(_ txid: Bytes32, _ call: Call) {
    call.greeted(nowMs: context.now.nowMs)
    guard let record, record.announcement.txid == txid else {
      return call.refuse(.unacceptable, "not an announcement of this publisher's")
    }
    if openPlaces.isEmpty && hires.allSatisfy({ $0.stage >= .transferring }) {
      return call.refuse(.taken, "enough workers are hired")
    }
    call.say(.offer(context.plan.offer.encode()))
  }

  private func resumed(_ state: ResumeState, _ call: Call) {
    call.greeted(nowMs: context.now.nowMs)
    let hire = hires.first { $0.contractId == state.contract }
    guard let hire, hire.contract.provider == call.peer, hire.stage != .abandoned else {
      return call.refuse(.unknownContract, "no such contract")
    }
    hire.resumed(state, on: call)
  }

  private func bidReceived(_ report: [UInt8], _ body: [UInt8], _ call: Call) {
    let offer = context.plan.offer
    let bid: Bid
    do {
      bid = try Bid.decode(body)
      try bid.check(against: offer)
    } catch { return refuseBid(call, error.message) }
    if bid.provider != call.peer { return refuseBid(call, "the bid is another machine's") }
    if let problem = ReportCheck.refusal(of: report, bid, offer) { return refuseBid(call, problem) }
    guard call.hasGreeted, let hourlySat = bid.hourlySat(offer) else {
      return refuseBid(call, "out of place")
    }
    if let hire = hires.first(where: { $0.contract.provider == bid.provider && !$0.isOver }),
      !bidsAnew(bid, hire, call)
    {
      return
    }
    // One machine, one bid: the newest connection counts.
    for other in calls where other !== call && other.candidate?.bid.provider == bid.provider {
      other.refuse(.taken, "another connection of the same machine")
      other.candidate = nil
    }
    call.candidate = Candidate(bid: bid, report: report, hourlySat: hourlySat)
    if firstBidAtMs == nil { firstBidAtMs = context.now.nowMs }
    context.info("bid of " + bid.provider.hex + ": \(hourlySat) sat an hour")
  }

  /// A machine that bids again has not signed its contract: it never arrived, or the machine lost it.
  /// True when the bid has to be weighed like any other.
  private func bidsAnew(_ bid: Bid, _ hire: Hire, _ call: Call) -> Bool {
    if hire.stage != .contracted {
      refuseBid(call, "this machine is hired already")
      return false
    }
    if hire.contract.bidDigest == bid.digest {
      hire.connected(call)
      hire.sayContract()
      return false
    }
    // A machine that was killed before it stored the contract has new keys. Nothing is funded yet.
    hire.abandon("another bid of the same machine")
    let contracts = hires.filter { $0.contract.provider == bid.provider }
    if contracts.count < RunMachine.maxContractsPerMachine { return true }
    refuseBid(call, "too many contracts came to nothing")
    return false
  }

  private func refuseBid(_ call: Call, _ reason: String) {
    context.warning("bid refused: " + reason)
    call.refuse(.unacceptable, reason)
  }

  /// The cheapest of those that bid get the open places, once the window for bids is over.
  func chooseIfDue() {
    guard let since = firstBidAtMs, context.now.nowMs >= since + context.plan.bidWindowMs else {
      return dismissRest()
    }
    let places = openPlaces
    let callers = calls.filter { $0.candidate != nil && $0.hire == nil && !$0.isOver }
    if callers.isEmpty { firstBidAtMs = nil }
    if places.isEmpty || callers.isEmpty { return dismissRest() }
    let sorted = callers.sorted {
      guard let left = $0.candidate, let right = $1.candidate else { return false }
      return Candidate.isBetter(left, right)
    }
    for (place, call) in zip(places, sorted) { hire(call, place) }
  }

  private func hire(_ call: Call, _ worker: UInt16) {
    guard let candidate = call.candidate, let record else { return }
    do {
      let changeScript = try wallet.freshReceiveScript()
      let hire = try Hire.make(
        candidate, worker: worker, channelIndex: channelIndex, changeScript: changeScript,
        run: record.id, context: context)
      channelIndex += 1
      context.emit(.storeChannelIndex(channelIndex))
      storeWallet()
      watchWallet(fromHeight: context.tipHeight)
      hires.append(hire)
      call.candidate = nil
      context.info(
        "worker \(worker) is " + candidate.bid.provider.hex + " for \(candidate.hourlySat) sat an "
          + "hour")
      hire.propose(on: call)
    } catch {
      context.warning("cannot hire: \(RunMachine.message(error))")
      call.refuse(.internalFault, "cannot make a contract")
      call.candidate = nil
    }
  }

  /// When all places are taken for good, those who still wait may look for other work.
  private func dismissRest() {
    if !openPlaces.isEmpty || !hires.allSatisfy({ $0.stage >= .transferring }) || hires.isEmpty {
      return
    }
    for call in calls where call.candidate != nil && call.hire == nil {
      call.candidate = nil
      call.refuse(.taken, "enough workers are hired")
    }
  }

  static func message(_ error: any Error) -> String {
    switch error {
    case let error as WalletError: return error.message
    case let error as ChannelError: return error.message
    case let error as MarketError: return error.message
    default: return "\(error)"
    }
  }
}
