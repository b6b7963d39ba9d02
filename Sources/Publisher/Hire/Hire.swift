import Bitcoin
import Bytes
import Channel
import Crypto
import Market
import Session

/// One worker of a run, from the contract to the money: the publisher's half of what `Agent/Job` is
/// on the machine. A state machine without I/O: what happens comes in as methods in the past tense,
/// what is to be done goes to ``RunContext/emit(_:)``. The files of this folder are the chapters of
/// its story, in order: `Hire+Agreement`, `Hire+Funding`, `Hire+Streams`, `Hire+Work`,
/// `Hire+Settlement`.
final class Hire {
  let context: RunContext
  let contractId: Bytes32
  var record: HireRecord
  var channel: PublisherChannel
  /// The connection on which this machine talks; nil while it is away.
  var call: Call?
  var awaySinceMs: UInt64

  // MARK: The agreement
  var acceptEndsAtMs: UInt64

  // MARK: Money
  var rule: PublisherRule
  var isFunded = false
  /// A report that could not be true: nothing is paid any more.
  var isDistrusted = false
  /// For tests: when payments stopped.
  var stoppedPayingAtMs: UInt64?
  var refundTxid: Bytes32?
  /// The job was given up: nothing but the channel is looked after.
  var isGivenUp = false
  /// When the stage was entered.
  var stageSinceMs: UInt64

  // MARK: The work
  /// From when on the job can have run, at the earliest.
  var workSince: RunTime
  var isFrozen = false
  var stopIsWanted = false
  var hasHeardStart = false

  // MARK: Streams
  var bundleStream: StreamId?
  var bundleOffset: UInt64 = 0
  var output = [OutputStream(), OutputStream()]
  var resultStream: StreamId?
  var resultBytes: UInt64 = 0
  var resultHash = Sha256()
  var inputStream: StreamId?
  /// How much of the job's input was sent.
  var inputOffset: UInt64 = 0
  /// Beside the job.
  var programs: [HireProgram] = []
  /// The signed answer to the receipt waits for the rest of the output, but no longer than this.
  var answerAtMs: UInt64?

  /// A machine has this long to sign.
  static let acceptMs: UInt64 = 20_000
  /// What a stage may take beside the job's own time: transfers, and blocks.
  static let stageMs: UInt64 = 1_800_000
  /// The rest of a job's output is waited for this long.
  static let outputPatienceMs: UInt64 = 3_000

  /// `record` and `channel` are new, or were stored by an earlier run of the program.
  init(record: HireRecord, channel: PublisherChannel, context: RunContext) {
    self.context = context
    self.record = record
    self.channel = channel
    contractId = record.contract.contract.id
    rule = PublisherRule(
      record.contract.contract, limits: context.plan.offer.limits,
      maxResultBytes: context.plan.offer.maxResultBytes)
    awaySinceMs = context.now.nowMs
    acceptEndsAtMs = context.now.nowMs + Hire.acceptMs
    workSince = context.now
    stageSinceMs = context.now.nowMs
  }

  var stage: HireStage { record.stage }
  var contract: Contract { record.contract.contract }
  var worker: UInt16 { contract.workerIndex }
  var paidSat: UInt64 { channel.paidSat }
  var payments: UInt64 { channel.last?.sequence ?? 0 }

  /// Enters a stage and puts it on disk before anything that follows.
  func enter(_ stage: HireStage) {
    if record.stage == stage { return }
    record.stage = stage
    stageSinceMs = context.now.nowMs
    store()
  }

  func store() { context.emit(.storeHire(contract: contractId, record.encode())) }

  func say(_ message: SessionMessage) { call?.say(message) }

  func info(_ text: String) { context.info(label + text) }
  func warning(_ text: String) { context.warning(label + text) }

  /// Before each line about this worker.
  var label: String { "worker \(worker): " }

  /// This channel needs nobody any more.
  var isOver: Bool { stage == .closed || stage == .abandoned }

  // MARK: The connection

  /// The machine is on the line, and has proven who it is.
  func connected(_ call: Call) {
    if let former = self.call, former !== call {
      former.hire = nil
      former.session.close()
      dropStreams()
    }
    self.call = call
    call.hire = self
  }

  /// The connection is over; the streams on it are gone.
  func disconnected() {
    if call == nil { return }
    call = nil
    awaySinceMs = context.now.nowMs
    dropStreams()
    if stage == .running || stage == .transferring || stage == .delivering {
      warning("the connection broke; the job runs on while it is paid for")
    }
  }

  /// The machine called again.
  func resumed(_ theirs: ResumeState, on call: Call) {
    connected(call)
    say(.resumeState(resumeState))
    info("called again (" + theirs.phase.text + ")")
    switch stage {
    case .contracted: sayContract()
    case .accepted: break
    case .funding: sayFunding()
    case .transferring, .running, .delivering, .settling, .receipted:
      sayFunding()
      if theirs.paymentSequence < payments {
        channel.resend()
        drainChannel()
      }
      if stopIsWanted { sayStop() }
      openStreams()
      if stage == .receipted { answerReceipt() }
    case .closed, .abandoned: break
    }
  }

  private var resumeState: ResumeState {
    ResumeState(
      contract: contractId,
      phase: isFrozen && stage == .running ? .frozen : stage.phase, paymentSequence: payments,
      paidSat: paidSat, bundleBytes: bundleOffset, resultBytes: resultBytes)
  }

  /// One message of the machine. What makes no sense is refused and ends the connection, never the
  /// job.
  func received(_ message: SessionMessage) {
    switch message {
    case .accept(let signature): accepted(signature)
    case .funded(let height): fundingSeen(height)
    case .bundleComplete: info("has the bundle")
    case .started(let seconds): started(seconds)
    case .usage(let report): usageReported(report)
    case .paymentStored(let sequence): paymentStored(sequence)
    case .frozen: frozen()
    case .thawed: thawed()
    case .paused(let text): paused(text)
    case .exited(let exit): exited(exit)
    case .receipt(let body, let signature): receiptReceived(body, signature)
    case .stop(let text): workerStops(text)
    case .refuse(let code, let text): refused(code, text)
    case .programStarted(let id): programStarted(id)
    case .programEnded(let end): programEnded(end)
    case .hello, .resume, .offer, .bid, .contract, .funding, .payment, .receiptSigned,
      .resumeState, .execute, .programSignal, .programResize:
      call?.refuse(.badMessage, "out of place")
    }
  }

  private func refused(_ code: RefusalCode, _ text: [UInt8]) {
    let reason = "the machine refused: " + String(decoding: text, as: UTF8.self)
    warning(reason)
    if stage < .funding { abandon("refused") }
    call?.session.close()
  }

  private func workerStops(_ text: [UInt8]) {
    warning("the machine stops: " + String(decoding: text, as: UTF8.self))
    if stage < .funding { abandon("stopped by its owner") }
  }

  // MARK: Time

  func timePassed() {
    let nowMs = context.now.nowMs
    if stage == .contracted && nowMs >= acceptEndsAtMs { abandon("did not sign in time") }
    if let answerAtMs, nowMs >= answerAtMs { sayReceiptSigned() }
    resumePaying()
    if let at = awayEndsAtMs, nowMs >= at { giveUp("is away") }
    if let at = stageEndsAtMs, nowMs >= at { giveUp("is " + stage.text + " for too long") }
  }

  /// A machine that is there and does not do its part is not waited for without end.
  private var stageEndsAtMs: UInt64? {
    if isGivenUp { return nil }
    switch stage {
    case .funding:
      // Blocks take their time; only a machine that does not see what is there is at fault.
      return channel.fundingHeight == nil ? nil : stageSinceMs + Hire.stageMs
    case .transferring, .delivering, .settling: return stageSinceMs + Hire.stageMs
    case .running:
      // A pause is no time of the job's; its end is the channel's.
      let most = context.plan.offer.limits.wallMs + record.usage.frozenMs
      return stageSinceMs + most + Hire.stageMs
    case .contracted, .accepted, .receipted, .closed, .abandoned: return nil
    }
  }

  private var awayEndsAtMs: UInt64? {
    if call != nil || isGivenUp || stage >= .receipted || stage < .accepted { return nil }
    return awaySinceMs + context.plan.awayMs
  }

  var nextDeadlineMs: UInt64 {
    var earliest = UInt64.max
    if stage == .contracted { earliest = min(earliest, acceptEndsAtMs) }
    if let answerAtMs { earliest = min(earliest, answerAtMs) }
    if let at = awayEndsAtMs { earliest = min(earliest, at) }
    if let at = payAgainAtMs { earliest = min(earliest, at) }
    if let at = stageEndsAtMs { earliest = min(earliest, at) }
    return earliest
  }

  /// Nothing more is expected of this machine; what is left of its channel comes back.
  func giveUp(_ reason: String) {
    if isGivenUp || isOver { return }
    isGivenUp = true
    if stage < .funding { return abandon(reason) }
    stopIsWanted = true
    sayStop(reason)
    warning(
      "given up: " + reason + "; its channel is taken back after height "
        + "\(contract.terms.expiryHeight) unless it closes before")
  }

  /// Before the funding nothing is lost.
  func abandon(_ reason: String) {
    if stage >= .funding { return }
    warning("not hired: " + reason)
    enter(.abandoned)
    call?.refuse(.unacceptable, reason)
  }
}
