import Bytes
import Market
import Session

/// One connection from a provider.
final class Call {
  /// The caller's role.
  enum Phase {
    /// Not authenticated.
    case stranger
    /// Authenticated; has not named an announcement or a lease.
    case introduced
    /// Was sent an offer and must bid.
    case invited(Pool)
    /// Has bid, and awaits a contract.
    case candidate(Pool)
    /// Has a lease.
    case hired(Lease)
    /// Closed.
    case over
  }

  let key: CallKey
  let address: String
  private(set) var phase = Phase.stranger
  /// The caller's identity, once authenticated.
  private(set) var peer = Bytes32.zero
  /// When bytes last arrived.
  private(set) var heardAtMs: UInt64
  var isTouched = false

  private var session: SessionMachine
  private unowned let context: HiringContext
  /// When a caller without a bid or lease is disconnected.
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

  /// Authenticated, without a lease.
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

  // MARK: Events

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

  // MARK: Sending

  var isEstablished: Bool { session.isEstablished }

  /// Whether the send queue has room for more control messages.
  var takesMore: Bool { session.takesControl }

  /// Sends a message. If the queue is full, closes the connection and returns false.
  @discardableResult
  func say(_ message: SessionMessage) -> Bool {
    guard session.isEstablished else { return false }
    context.touch(self)
    if session.sendControl(message.encode()) { return true }
    session.close()
    return false
  }

  /// Sends the reason, then closes.
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

/// Texts of messages: at most 256 bytes, control characters replaced by spaces.
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
