import Bitcoin
import Bytes
import Crypto
import Market
import Session

/// An event of a call.
enum CallEvent {
  /// The publisher is authenticated.
  case established
  case control([UInt8])
  case streamOpened(StreamId, StreamOpening)
  case data(StreamId, [UInt8])
  case streamEnded(StreamId)
  case streamReset(StreamId)
  /// A stream that was full has room.
  case roomAvailable
  /// The connection closed, and its streams with it.
  case ended
}

/// The connection to one publisher. The provider always connects, and reconnects after a broken
/// connection.
///
/// Messages are queued and leave with ``flush()`` at the end of an event, after all effects emitted
/// before. So a store precedes every message that depends on it.
final class Call {
  let key: CallKey
  let publisher: Bytes32
  let endpoint: Endpoint
  private let context: AgentContext

  private enum Link {
    /// Not connected; may be dialled from then on.
    case down(redialAtMs: UInt64)
    case dialling
    case up
  }

  private var link: Link
  private var session: SessionMachine?
  private var transportIsBlocked = false
  private var hasEnded = false
  private var failures: UInt64 = 0
  private(set) var lastReceivedMs: UInt64
  /// Whether the publisher was ever authenticated on this call.
  private(set) var wasAnswered = false
  /// Both sides have exchanged lease states: messages and streams may be sent. Set by the owner.
  var isReady = false
  /// Bytes in both directions since ``takeTraffic()``.
  private var trafficBytes: UInt64 = 0

  init(key: CallKey, publisher: Bytes32, endpoint: Endpoint, context: AgentContext) {
    self.key = key
    self.publisher = publisher
    self.endpoint = endpoint
    self.context = context
    link = .down(redialAtMs: context.nowMs)
    lastReceivedMs = context.nowMs
  }

  var isUp: Bool {
    if case .up = link { return true }
    return false
  }

  var isDown: Bool {
    if case .down = link { return true }
    return false
  }

  var isEstablished: Bool { session?.isEstablished == true }

  /// When to call ``tick()`` or ``dialIfDue()``.
  var nextDeadlineMs: UInt64 {
    if case .down(let redialAtMs) = link { return redialAtMs }
    return session?.nextDeadlineMs ?? UInt64.max
  }

  func takeTraffic() -> UInt64 {
    defer { trafficBytes = 0 }
    return trafficBytes
  }

  // MARK: The link

  func dialIfDue() {
    guard case .down(let redialAtMs) = link, context.nowMs >= redialAtMs else { return }
    link = .dialling
    context.emit(
      .dial(
        key, host: endpoint.host, port: endpoint.port, allowsPrivate: context.allowsPrivate))
  }

  func connected() {
    guard case .dialling = link else { return }
    link = .up
    transportIsBlocked = false
    lastReceivedMs = context.nowMs
    var limits = SessionLimits()
    limits.streams = Call.streams
    do {
      session = try SessionMachine(
        role: .initiator, identity: context.secrets.identity, expectedPeer: publisher,
        ephemeral: context.random(), nowMs: context.nowMs, limits: limits)
    } catch {
      context.warning("publisher " + endpoint.text + ": " + error.message)
      fail()
    }
    flush()
  }

  /// Most open streams in each direction: three for each of 64 tasks, the rest for bundles and exec
  /// sessions.
  static let streams = 256

  func disconnected() {
    if isDown { return }
    session?.transportEnded()
    down()
  }

  func transportIsBlocked(_ isBlocked: Bool) { transportIsBlocked = isBlocked }

  func received(_ bytes: [UInt8]) {
    lastReceivedMs = context.nowMs
    trafficBytes += UInt64(bytes.count)
    session?.transportIsBlocked = true
    session?.received(bytes, nowMs: context.nowMs)
  }

  func tick() {
    session?.transportIsBlocked = true
    session?.tick(nowMs: context.nowMs)
  }

  private func down() {
    session = nil
    isReady = false
    hasEnded = true
    let delayMs = LeaseTimes.redialMs << min(failures, LeaseTimes.maxRedialDoublings)
    failures += 1
    link = .down(redialAtMs: context.nowMs + delayMs)
  }

  /// Closes a failed connection.
  private func fail() {
    if isDown { return }
    context.emit(.hangUp(key))
    down()
  }

  /// Sends all queued data and closes. The next call is made after `redialMs` at the earliest.
  func hangUp(redialMs: UInt64 = 0) {
    if isUp {
      session?.close()
      flush()
    }
    fail()
    hasEnded = false
    if redialMs > 0 { link = .down(redialAtMs: context.nowMs + redialMs) }
  }

  // MARK: Receiving

  /// The next event; nil if none is pending.
  func nextEvent() -> CallEvent? {
    if hasEnded {
      hasEnded = false
      return .ended
    }
    session?.transportIsBlocked = true
    guard let effect = session?.nextEffect() else { return nil }
    switch effect {
    case .transmit(let bytes):
      transmit(bytes)
      return nextEvent()
    case .established:
      failures = 0
      wasAnswered = true
      return .established
    case .control(let bytes): return .control(bytes)
    case .streamOpened(let id, let opening): return .streamOpened(id, opening)
    case .data(let id, let bytes): return .data(id, bytes)
    case .streamEnded(let id): return .streamEnded(id)
    case .streamReset(let id): return .streamReset(id)
    case .creditAvailable: return .roomAvailable
    case .failed(let error):
      context.info("publisher " + endpoint.text + ": " + error.message)
      fail()
      return nextEvent()
    case .closed:
      fail()
      return nextEvent()
    }
  }

  private func transmit(_ bytes: [UInt8]) {
    trafficBytes += UInt64(bytes.count)
    context.emit(.transmit(key, bytes))
  }

  // MARK: Sending

  /// Queues a message. Returns false if the session is not established or the queue is full; then
  /// it closes.
  @discardableResult
  func say(_ message: SessionMessage) -> Bool {
    guard isEstablished else { return false }
    if session?.sendControl(message.encode()) == true { return true }
    context.warning("publisher " + endpoint.text + ": the send queue is full; hanging up")
    fail()
    return false
  }

  /// Sends queued data as far as the transport accepts it.
  func flush() {
    guard isUp, session != nil else { return }
    session?.transportIsBlocked = transportIsBlocked
    var pending: [SessionEffect] = []
    while let effect = session?.nextEffect() {
      if case .transmit(let bytes) = effect { transmit(bytes) } else { pending.append(effect) }
    }
    session?.transportIsBlocked = true
    for effect in pending {
      switch effect {
      case .failed, .closed: fail()
      default: hasRoom = true
      }
    }
  }

  /// Whether a full stream got room since ``takeRoom()``.
  private var hasRoom = false

  func takeRoom() -> Bool {
    defer { hasRoom = false }
    return hasRoom
  }

  // MARK: Streams

  func open(_ opening: StreamOpening, window: Int) -> StreamId? {
    isReady ? session?.open(opening, window: window) : nil
  }

  /// Returns how many of `bytes` were accepted.
  func send(_ id: StreamId, _ bytes: [UInt8]) -> Int { session?.send(id, bytes) ?? 0 }
  func endStream(_ id: StreamId) { session?.endStream(id) }
  func resetStream(_ id: StreamId) { session?.resetStream(id) }
  func grant(_ id: StreamId, _ bytes: Int) { _ = session?.grant(id, bytes: bytes) }
}
