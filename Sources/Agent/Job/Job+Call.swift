import Bitcoin
import Bytes
import Channel
import Crypto
import Market
import Sandbox
import Session

/// The connection to the publisher. The provider always dials; a connection that breaks is made
/// again, and the job goes on meanwhile.
extension Job {
  /// Whether there is still something to say to the publisher.
  private var wantsCall: Bool {
    switch stage {
    case .negotiating, .awaitingFunding, .awaitingOpening, .transferring, .running, .delivering,
      .settling:
      return true
    case .closing, .closed, .abandoned: return false
    }
  }

  func dialIfDue() {
    if link != .down || !wantsCall || context.now.nowMs < dialAtMs { return }
    link = .dialling
    context.emit(.dial(key, host: endpoint.host, port: endpoint.port))
  }

  func publisherConnected() {
    if link != .dialling { return }
    link = .up
    do {
      session = try SessionMachine(
        role: .initiator, identity: context.secrets.identity, expectedPeer: publisher,
        ephemeral: context.random(), nowMs: context.now.nowMs)
    } catch {
      context.warning(label + error.message)
      return callFailed()
    }
    drainSession()
  }

  func publisherDisconnected() {
    if link == .down { return }
    session?.transportEnded()
    callEnded()
  }

  func received(_ bytes: [UInt8]) {
    session?.received(bytes, nowMs: context.now.nowMs)
    drainSession()
  }

  /// The connection is over, for whatever reason; the streams on it are gone.
  private func callEnded() {
    link = .down
    session = nil
    bundleStream = nil
    resultStream = nil
    isReadingResults = false
    output.disconnected()
    endPrograms()
    if stage == .negotiating && !wasAnswered {
      isPutOff = true
      isForgotten = true
      return
    }
    // A contract has times in it that must not be slept through.
    let most = stage == .negotiating ? Job.maxRedialDoublings : Job.maxContractDoublings
    let doublings = min(failedCalls, most)
    failedCalls += 1
    dialAtMs = context.now.nowMs + Job.redialMs << doublings
    if stage == .negotiating && failedCalls >= AnnouncementBook.maxCalls {
      endNegotiation("the publisher is not there")
    }
  }

  func callFailed() {
    context.emit(.hangUp(key))
    callEnded()
  }

  /// Says goodbye: what was queued is sent before.
  func hangUp() {
    if link == .up {
      session?.close()
      drainSession()
    }
    if link != .down {
      context.emit(.hangUp(key))
      callEnded()
    }
  }

  func say(_ message: SessionMessage) {
    guard session?.isEstablished == true else { return }
    if session?.sendControl(message.encode()) != true {
      context.warning(label + "the publisher does not read; hanging up")
      callFailed()
    }
  }

  func drainSession() {
    while let effect = session?.nextEffect() {
      switch effect {
      case .transmit(let bytes): context.emit(.transmit(key, bytes))
      case .established: established()
      case .control(let bytes): controlReceived(bytes)
      case .streamOpened(let id, let opening): streamOpened(id, opening)
      case .data(let id, let bytes): streamReceived(id, bytes)
      case .streamEnded(let id): streamEnded(id)
      case .streamReset(let id): streamReset(id)
      case .creditAvailable: pump()
      case .failed(let error):
        context.warning(label + error.message)
        return callFailed()
      case .closed: return callFailed()
      }
    }
  }

  private func established() {
    failedCalls = 0
    wasAnswered = true
    if stage == .negotiating { return say(.hello(announcementTxid: announcementTxid)) }
    say(.resume(resumeState))
  }

  var resumeState: ResumeState {
    ResumeState(
      contract: contractId, phase: isFrozen && stage == .running ? .frozen : stage.phase,
      paymentSequence: channel?.best?.sequence ?? 0, paidSat: paidSat, bundleBytes: bundleBytes,
      resultBytes: resultOffset)
  }

  /// One message of the publisher. What does not fit the stage is refused and ends the connection,
  /// never the job.
  private func controlReceived(_ bytes: [UInt8]) {
    let message: SessionMessage
    do { message = try SessionMessage.decode(bytes) } catch {
      return refuse(.badMessage, error.message)
    }
    switch message {
    case .offer(let body): offerReceived(body)
    case .contract(let body, let signature): contractReceived(body, signature)
    case .refuse(let code, let text): refused(code, text)
    case .funding(let outPoint, _): fundingNamed(outPoint)
    case .payment(let payment): paymentReceived(payment)
    case .stop: stopRequested()
    case .receiptSigned(let signature): receiptSigned(signature)
    case .resumeState: resumed()
    case .execute(let request): executeRequested(request)
    case .programSignal(let id, let number): programSignalled(id, number)
    case .programResize(let id, let size): programResized(id, size)
    case .hello, .resume, .bid, .accept, .funded, .bundleComplete, .started, .usage,
      .paymentStored, .frozen, .thawed, .paused, .exited, .receipt, .programStarted,
      .programEnded:
      refuse(.badMessage, "a provider's message from a publisher")
    }
  }

  /// The publisher knows the contract: what it may have missed is said again.
  private func resumed() {
    switch stage {
    case .awaitingOpening:
      if let height = channel?.fundingHeight { say(.funded(height: height)) }
    case .transferring: pullBundle()
    case .running:
      say(.started(unixSeconds: record?.startedUnixSeconds ?? 0))
      openInput()
      if isFrozen { say(.frozen) }
      if isPaused { say(pausedMessage) }
      report()
    case .delivering:
      report()
      sayExit()
    case .settling:
      report()
      sayExit()
      sayReceipt()
    case .negotiating, .awaitingFunding, .closing, .closed, .abandoned: break
    }
  }

  func refuse(_ code: RefusalCode, _ reason: String) {
    context.warning(label + "refused: " + reason)
    say(.refuse(code: code, text: Array(Array(reason.utf8).prefix(Limits.maxTextBytes))))
    if stage == .negotiating { return endNegotiation(reason) }
    // Not at once: a publisher that cannot be satisfied must not make a machine call all day.
    failedCalls = max(failedCalls, 3)
    hangUp()
  }

  private func refused(_ code: RefusalCode, _ text: [UInt8]) {
    let reason = "the publisher refused: " + String(decoding: text, as: UTF8.self)
    if stage == .negotiating { return endNegotiation(reason) }
    context.warning(label + reason)
    if code == .unknownContract { return publisherForgot() }
    failedCalls = max(failedCalls, 3)
    hangUp()
  }

  /// Others are called, and this publisher again after them.
  func makeWay() {
    if isForgotten { return }
    isPutOff = true
    endNegotiation("the publisher has not chosen yet, and others wait")
  }

  /// Nothing came of it, and nothing was promised.
  func endNegotiation(_ reason: String) {
    if stage != .negotiating || isForgotten { return }
    context.info(label + reason)
    isForgotten = true
    hangUp()
  }
}
