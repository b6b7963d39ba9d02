import Bitcoin
import Bytes
import Channel
import Market
import Session

/// A call event that the lease's phase must handle.
enum LeaseRequest {
  /// Both sides exchanged lease states: resend what the publisher may have missed.
  case resumed
  /// The connection closed; data last arrived at `lastReceivedMs`.
  case disconnected(lastReceivedMs: UInt64)
  case funding(channel: UInt8, Transaction)
  /// The publisher ends the lease.
  case end(String)
  /// The lease must end.
  case broken(LeaseEnding)
  case receiptSigned([UInt8])
  case closeWanted(channel: UInt8)
}

/// Handles the publisher's messages and streams. Messages about tasks and books are handled here;
/// those that change the phase are returned as ``LeaseRequest``s.
final class LeaseTalk {
  private let call: Call
  private let books: LeaseBooks
  private let work: LeaseWork
  private let context: AgentContext

  private enum Greeting {
    /// Not connected, or no hello sent.
    case none
    case helloSaid
    case welcomed
    /// Both sides exchanged lease states.
    case done
  }

  private var greeting: Greeting
  /// Why tasks are refused; nil while they are accepted.
  var taskRefusal: Refusal?

  /// - Parameter isAgreed: the contract was made on this call.
  init(
    _ call: Call, _ books: LeaseBooks, _ work: LeaseWork, isAgreed: Bool, context: AgentContext
  ) {
    self.call = call
    self.books = books
    self.work = work
    self.context = context
    greeting = isAgreed ? .done : .none
    call.isReady = isAgreed
  }

  private var label: String { "lease " + books.id.leaseText + ": " }

  /// Handles pending call events and returns those for the phase.
  func drain() -> [LeaseRequest] {
    var requests: [LeaseRequest] = []
    while let event = call.nextEvent() {
      switch event {
      case .established:
        greeting = .helloSaid
        call.say(.hello(features: PeerFeatures(), subject: .lease(books.id)))
      case .control(let bytes): controlReceived(bytes, &requests)
      case .streamOpened(let id, let opening): work.streamOpened(id, opening)
      case .data(let id, let bytes): work.streamReceived(id, bytes)
      case .streamEnded(let id): work.streamEnded(id)
      case .streamReset(let id): work.streamReset(id)
      case .roomAvailable: work.roomAvailable()
      case .ended: requests.append(disconnected())
      }
    }
    if call.takeRoom() { work.roomAvailable() }
    books.account.moved(call.takeTraffic())
    return requests
  }

  private func disconnected() -> LeaseRequest {
    greeting = .none
    work.disconnected()
    books.disconnected()
    return .disconnected(lastReceivedMs: call.lastReceivedMs)
  }

  /// Closes the call; the next one is made after `redialMs`.
  func hangUp(redialMs: UInt64, _ requests: inout [LeaseRequest]) {
    call.hangUp(redialMs: redialMs)
    requests.append(disconnected())
  }

  /// Sends the reason and ends the call, but not the lease. The next call is delayed, so that a
  /// publisher with a persistent problem is not called continuously.
  private func refuse(_ refusal: Refusal, _ requests: inout [LeaseRequest]) {
    context.warning(label + "refused: " + refusal.text)
    call.say(.refuse(code: refusal.code, text: refusal.bytes))
    hangUp(redialMs: LeaseTimes.refusedRedialMs, &requests)
  }

  /// Handles one message. An invalid message is refused and closes the connection.
  private func controlReceived(_ bytes: [UInt8], _ requests: inout [LeaseRequest]) {
    let message: SessionMessage
    do { message = try SessionMessage.decode(bytes) } catch {
      return refuse(Refusal(.badMessage, error.message), &requests)
    }
    switch message {
    case .welcome(let features): return welcomed(features, &requests)
    case .state(let state): return stateReceived(state, &requests)
    case .refuse(let code, let text): return refused(code, text, &requests)
    case .unknown(let type):
      if type & 1 == 0 {
        refuse(Refusal(.version, "message type \(type) is not known"), &requests)
      }
      return
    default: break
    }
    if greeting != .done {
      return refuse(Refusal(.badMessage, "a message before the lease's state"), &requests)
    }
    if moneyMoves(message, &requests) || workMoves(message, &requests) { return }
    refuse(
      Refusal(.badMessage, "a message that a publisher does not send during a lease"), &requests)
  }

  // MARK: Greeting

  private func welcomed(_ features: PeerFeatures, _ requests: inout [LeaseRequest]) {
    if !features.areUnderstood {
      return refuse(Refusal(.version, "needs features that this agent lacks"), &requests)
    }
    if greeting == .helloSaid { greeting = .welcomed }
  }

  private func stateReceived(_ state: LeaseState, _ requests: inout [LeaseRequest]) {
    if greeting != .welcomed {
      return refuse(Refusal(.badMessage, "a state out of place"), &requests)
    }
    if work.lines.chain(after: state.lines) != state.chain {
      refuse(
        Refusal(.badMessage, "the publisher's \(state.lines) lines do not match this lease's"),
        &requests)
      return requests.append(.broken(.books))
    }
    let nowMs = context.nowMs
    let oursMs = books.account.reservedMs(nowMs: nowMs)
    if !books.account.adopt(state.reservedMs, nowMs: nowMs) {
      refuse(
        Refusal(
          .money,
          "reserved time: the publisher counts \(state.reservedMs) ms, the provider \(oursMs) ms"),
        &requests)
      return requests.append(.broken(.books))
    }
    greeting = .done
    call.isReady = true
    work.linesStored(state.lines)
    call.say(.state(books.state(work, isEnding: taskRefusal != nil)))
    work.resume()
    for number in 0..<books.channels.count { books.sayFunding(UInt8(number)) }
    requests.append(.resumed)
  }

  private func refused(
    _ code: RefusalCode, _ text: [UInt8], _ requests: inout [LeaseRequest]
  ) {
    context.warning(label + "the publisher refused: " + String(decoding: text, as: UTF8.self))
    hangUp(redialMs: LeaseTimes.refusedRedialMs, &requests)
    if code == .unknownLease { requests.append(.broken(.books)) }
  }

  // MARK: Money

  private func moneyMoves(_ message: SessionMessage, _ requests: inout [LeaseRequest]) -> Bool {
    switch message {
    case .funding(let channel, let bytes, _):
      guard let transaction = try? Transaction.decode(bytes) else {
        refuse(Refusal(.money, "the funding is no transaction"), &requests)
        return true
      }
      requests.append(.funding(channel: channel, transaction))
    case .payment(let channel, let payment):
      do { try books.channels.received(channel, payment) } catch {
        refuse(Refusal(.money, error.message), &requests)
      }
    case .statementSigned(let digest, let signature):
      if !books.statementSigned(digest, signature, work) {
        refuse(Refusal(.money, "the statement's signature is wrong"), &requests)
      }
    case .receiptSigned(let signature): requests.append(.receiptSigned(signature))
    case .closeWanted(let channel, _): requests.append(.closeWanted(channel: channel))
    case .topUp(let body, let signature):
      if let refusal = books.topUp(body, signature) {
        context.warning(label + refusal.text)
        call.say(.refuse(code: refusal.code, text: refusal.bytes))
      }
    case .end(let text): requests.append(.end(String(decoding: text, as: UTF8.self)))
    // Repeated because the answer was lost.
    case .contract(let body, _):
      if body != books.contract.encode() {
        refuse(Refusal(.unacceptable, "another contract for the same lease"), &requests)
      } else {
        sayAccept()
      }
    default: return false
    }
    return true
  }

  func sayAccept() {
    call.say(
      .accept(
        providerSignature: books.record.contract.providerSignature,
        nextKey: books.channels.key(1)))
  }

  // MARK: Work

  private func workMoves(_ message: SessionMessage, _ requests: inout [LeaseRequest]) -> Bool {
    switch message {
    case .task(let order): work.ordered(order, closed: taskRefusal)
    case .taskStop(let number, _):
      work.stop(number, graceMs: UInt64(books.contract.stopGraceMs))
    case .linesStored(let count): work.linesStored(count)
    case .execute(let request):
      if !work.execute(request) {
        refuse(Refusal(.badMessage, "the exec session's number is in use"), &requests)
      }
    case .execSignal(let id, let number): work.execSignalled(id, number)
    case .execResize(let id, let size): work.execResized(id, size)
    default: return false
    }
    return true
  }
}
