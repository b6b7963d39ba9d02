import Bytes
import Market
import Session

/// Accepts connections and routes their messages to pools and leases.
final class Switchboard {
  private let context: HiringContext
  private let callers: Callers
  private let pools: () -> [Pool]

  /// - Parameter pools: the pools that accept callers.
  init(_ context: HiringContext, pools: @escaping () -> [Pool]) {
    self.context = context
    self.pools = pools
    callers = Callers(context)
  }

  // MARK: The driver

  func connected(_ key: CallKey, address: String) { callers.connected(key, address: address) }

  func disconnected(_ key: CallKey) {
    guard let call = callers[key] else { return }
    call.transportEnded()
    end(call, tellsDriver: false)
  }

  func received(_ bytes: [UInt8], from key: CallKey) {
    guard let call = callers[key] else { return }
    call.received(bytes)
    if let lease = call.lease { context.touch(lease) }
  }

  func transportIsBlocked(_ key: CallKey, _ isBlocked: Bool) {
    guard let call = callers[key] else { return }
    call.transportIsBlocked(isBlocked)
    if let lease = call.lease { context.touch(lease) }
  }

  func timePassed() { callers.timePassed() }
  var nextDeadlineMs: UInt64 { callers.nextDeadlineMs }

  // MARK: Sessions

  /// Handles all pending effects of a call's session.
  func drain(_ call: Call) {
    while !call.isOver, let effect = call.nextEffect() {
      switch effect {
      case .transmit(let bytes): context.emit(.transmit(call.key, bytes))
      case .established(let peer): established(call, peer)
      case .control(let bytes): controlReceived(bytes, call)
      case .streamOpened(let id, let opening):
        if let lease = call.lease {
          lease.streamOpened(id, opening)
        } else {
          call.resetStream(id)
        }
      case .data(let id, let bytes): call.lease?.streamReceived(id, bytes)
      case .streamEnded(let id): call.lease?.streamEnded(id)
      case .streamReset(let id): call.lease?.streamReset(id)
      case .creditAvailable(let id): call.lease?.streamCredit(id)
      case .failed(let error):
        if !call.isStranger { context.debug("connection: " + error.message) }
        end(call, tellsDriver: true)
      case .closed: end(call, tellsDriver: true)
      }
    }
  }

  private func established(_ call: Call, _ peer: Bytes32) {
    let freePlaces = pools().reduce(0) { $0 + $1.freePlaces }
    call.introduced(peer)
    if !callers.hasRoom(for: call, freePlaces: freePlaces) {
      call.refuse(.busy, "too many callers")
    }
  }

  private func end(_ call: Call, tellsDriver: Bool) {
    if call.isOver { return }
    switch call.phase {
    case .invited(let pool), .candidate(let pool): pool.left(call)
    case .hired(let lease): lease.disconnected(from: call)
    case .stranger, .introduced, .over: break
    }
    callers.remove(call)
    if tellsDriver { context.emit(.hangUp(call.key)) }
  }

  private func controlReceived(_ bytes: [UInt8], _ call: Call) {
    let message: SessionMessage
    do throws(MarketError) { message = try SessionMessage.decode(bytes) } catch {
      return call.refuse(.badMessage, error.message)
    }
    switch (call.phase, message) {
    case (.hired(let lease), _): lease.received(message)
    case (.introduced, .hello(let features, let subject)): greeted(features, subject, call)
    case (.invited(let pool), .bid(let report, let bid, let signature)):
      pool.bidReceived(report: report, bid: bid, signature: signature, call)
    case (.invited(let pool), .refuse(let code, let text)),
      (.candidate(let pool), .refuse(let code, let text)):
      pool.declined(call, code, text)
    // Repeated messages are ignored.
    case (.invited, .hello), (.candidate, .hello), (.candidate, .bid): break
    case (_, .refuse): call.close()
    case (_, .unknown): break
    default: call.refuse(.badMessage, "out of place")
    }
  }

  private func greeted(_ features: PeerFeatures, _ subject: CallSubject, _ call: Call) {
    if !features.areUnderstood {
      return call.refuse(.version, "this publisher speaks version \(PeerFeatures.currentVersion)")
    }
    switch subject {
    case .announcement(let txid):
      guard let pool = pools().first(where: { $0.isAnnounced(by: txid) }), !pool.isFinished
      else { return call.refuse(.unacceptable, "not an announcement of this publisher") }
      call.say(.welcome(features: PeerFeatures()))
      pool.greeted(call)
    case .lease(let id):
      let lease = pools().lazy.compactMap { $0.leases[id] }.first
      guard let lease, lease.provider == call.peer, lease.stage != .abandoned else {
        return call.refuse(.unknownLease, "no such lease")
      }
      call.say(.welcome(features: PeerFeatures()))
      lease.called(call)
    }
  }
}
