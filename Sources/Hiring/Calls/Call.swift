import Bytes
import Market
import Session

/// One connection that a provider made to this publisher.
final class Call {
  /// What the caller is to this publisher.
  enum Phase {
    /// It has not proven who it is.
    case stranger
    /// Who it is, is proven; what it calls about is not known.
    case introduced
    /// It was sent an offer, and has to bid.
    case invited(Pool)
    /// It has bid, and waits.
    case candidate(Pool)
    /// It works on a lease.
    case hired(Lease)
    /// The driver was told to hang up.
    case over
  }

  let key: CallKey
  let address: String
  private(set) var phase = Phase.stranger
  /// Who calls, once it is proven.
  private(set) var peer = Bytes32.zero
  /// When anything came from it.
  private(set) var heardAtMs: UInt64
  var isTouched = false

  private var session: SessionMachine
  private unowned let context: HiringContext
  /// What is neither bidding nor hired by then is hung up on.
  private var waitsUntilMs: UInt64

  init(key: CallKey, address: String, session: SessionMachine, _ context: HiringContext) {
    self.key = key
    self.address = address
    self.session = session
    self.context = context
    heardAtMs = context.now.nowMs
    waitsUntilMs = context.now.nowMs + HiringTimes.greetingMs
  }

  // MARK: Phases

  func enter(_ phase: Phase) {
    if isOver { return }
    self.phase = phase
    switch phase {
    case .introduced: waitsUntilMs = context.now.nowMs + HiringTimes.greetingMs
    case .invited: waitsUntilMs = context.now.nowMs + HiringTimes.bidMs
    case .stranger, .candidate, .hired, .over: waitsUntilMs = UInt64.max
    }
  }

  func introduced(_ peer: Bytes32) {
    self.peer = peer
    enter(.introduced)
  }

  var isOver: Bool {
    if case .over = phase { return true }
    return false
  }

  var isStranger: Bool {
    if case .stranger = phase { return true }
    return false
  }

  /// Known, and not hired.
  var isGuest: Bool {
    switch phase {
    case .introduced, .invited, .candidate: return true
    case .stranger, .hired, .over: return false
    }
  }

  var lease: Lease? {
    if case .hired(let lease) = phase { return lease }
    return nil
  }

  // MARK: What happened

  func received(_ bytes: [UInt8]) {
    heardAtMs = context.now.nowMs
    session.received(bytes, nowMs: context.now.nowMs)
    context.touch(self)
  }

  func transportEnded() {
    session.transportEnded()
    context.touch(self)
  }

  func transportIsBlocked(_ isBlocked: Bool) {
    session.transportIsBlocked = isBlocked
    context.touch(self)
  }

  func timePassed() {
    let nowMs = context.now.nowMs
    session.tick(nowMs: nowMs)
    if nowMs >= waitsUntilMs { session.close() }
    context.touch(self)
  }

  var nextDeadlineMs: UInt64 {
    isOver ? UInt64.max : min(session.nextDeadlineMs ?? UInt64.max, waitsUntilMs)
  }

  func nextEffect() -> SessionEffect? { session.nextEffect() }

  // MARK: What is said

  var isEstablished: Bool { session.isEstablished }

  /// More control messages would find room.
  var takesMore: Bool { session.takesControl }

  /// False where the provider does not read: then it is hung up on.
  @discardableResult
  func say(_ message: SessionMessage) -> Bool {
    guard session.isEstablished else { return false }
    context.touch(self)
    if session.sendControl(message.encode()) { return true }
    session.close()
    return false
  }

  /// Gives the reason, then hangs up.
  func refuse(_ code: RefusalCode, _ reason: String) {
    say(.refuse(code: code, text: PlainText.short(reason)))
    close()
  }

  func close() {
    session.close()
    context.touch(self)
  }

  // MARK: Streams

  func open(_ opening: StreamOpening, window: Int = 0) -> StreamId? {
    context.touch(self)
    return session.open(opening, window: window)
  }

  func send(_ id: StreamId, _ bytes: [UInt8]) -> Int {
    context.touch(self)
    return session.send(id, bytes)
  }

  func grant(_ id: StreamId, bytes: Int) {
    context.touch(self)
    _ = session.grant(id, bytes: bytes)
  }

  func endStream(_ id: StreamId) {
    context.touch(self)
    session.endStream(id)
  }

  func resetStream(_ id: StreamId) {
    context.touch(self)
    session.resetStream(id)
  }
}

/// Texts of messages: at most 256 bytes.
enum PlainText {
  static func short(_ text: String) -> [UInt8] {
    var bytes: [UInt8] = []
    for scalar in text.unicodeScalars {
      let more = Array(String(scalar).utf8)
      if bytes.count + more.count > Limits.maxTextBytes { break }
      bytes += scalar.value < 0x20 || scalar.value == 0x7f ? [0x20] : more
    }
    return bytes
  }
}
