import CHost

/// A poll(2) loop that turns activity of sockets, timers, descriptors and signals into events.
///
/// All work is done in the caller's thread, inside ``poll(untilMs:)`` or the call itself. Without
/// events the process sleeps until the next timer. A peer's fault is reported as an event, not
/// thrown.
///
/// SIGPIPE is ignored in the whole process from the first reactor on.
///
/// Times are ``Clock/monotonicMs()``. Timer and watch tokens are the caller's own numbers.
public final class Reactor {
  public struct Limits: Sendable {
    /// Above this number a listener closes accepted connections at once.
    public var connections = 512
    /// Most bytes received from one connection in an iteration.
    public var readBytes = 65536
    /// Most bytes written for one connection in an iteration.
    public var writeBytes = 262_144
    /// A connection with more buffered bytes than this is closed when more is sent.
    public var backlogBytes = 1_048_576
    /// The time limit for establishing a connection. If a host has several addresses, each but the
    /// last gets a third of it.
    public var connectMs: UInt64 = 10_000
    /// How long ``Reactor/finish(_:)`` waits for a peer that does not read or close.
    public var finishMs: UInt64 = 5_000

    public init() {}
  }

  struct Listener {
    let id: ListenerId
    let fd: Int32
    /// The socket file to remove at the end.
    let path: String?
    /// Paused until then, because the process has no free descriptors.
    var pausedUntilMs: UInt64 = 0
  }

  struct Watch {
    let token: UInt64
    let fd: Int32
    let readable: Bool
    let writable: Bool
  }

  struct Timer {
    let token: UInt64
    let atMs: UInt64
  }

  enum Subject {
    case signals
    case listener(ListenerId)
    case connection(ConnectionId)
    case watch(UInt64)
  }

  public let limits: Limits
  var connections: [Connection] = []  // by id, ascending
  var listeners: [Listener] = []
  var watches: [Watch] = []
  var timers: [Timer] = []  // by time, the earliest last
  var queue: [ReactorEvent] = []
  var scratch: [UInt8]
  var lastId: UInt64 = 0
  var signalDescriptor: Int32 = -1

  public init(limits: Limits = Limits()) {
    host_ignore_broken_pipes()
    self.limits = limits
    scratch = [UInt8](repeating: 0, count: limits.readBytes)
  }

  deinit {
    for connection in connections { Reactor.discard(connection) }
    for listener in listeners { Reactor.discard(listener) }
  }

  func nextId() -> UInt64 {
    lastId += 1
    return lastId
  }

  // MARK: Timers

  /// ``ReactorEvent/timerFired(_:)`` follows at `atMs` or soon after. Each token has one timer:
  /// setting it again replaces it.
  public func setTimer(_ token: UInt64, atMs: UInt64) {
    cancelTimer(token)
    var place = timers.count
    while place > 0 && timers[place - 1].atMs <= atMs { place -= 1 }
    timers.insert(Timer(token: token, atMs: atMs), at: place)
  }

  public func cancelTimer(_ token: UInt64) {
    timers.removeAll { $0.token == token }
    queue.removeAll { $0 == .timerFired(token) }
  }

  // MARK: Descriptors and signals

  /// Reports whenever `fd`, which the caller still owns, is ready. The same token replaces the
  /// former watch.
  public func watch(_ fd: Int32, token: UInt64, readable: Bool = true, writable: Bool = false) {
    unwatch(token)
    watches.append(Watch(token: token, fd: fd, readable: readable, writable: writable))
  }

  /// Call it before the descriptor is closed.
  public func unwatch(_ token: UInt64) {
    watches.removeAll { $0.token == token }
    queue.removeAll { $0 == .descriptorReadable(token) || $0 == .descriptorWritable(token) }
  }

  /// From now on these signals are reported as events only. Only one reactor of a process may do
  /// this.
  public func watchSignals(_ signals: [Signal]) throws(HostError) {
    let numbers = signals.map { $0.rawValue }
    signalDescriptor = try HostError.check(
      host_watch_signals(numbers, UInt32(numbers.count)), "sigaction", "signals")
  }

  // MARK: The loop

  /// Waits for events until `untilMs` (nil: without limit) and returns them, oldest first; empty at
  /// a timeout. Events returned together may name a connection that the caller closed while it
  /// handled an earlier one: ``next(untilMs:)`` skips those.
  public func poll(untilMs: UInt64?) throws(HostError) -> [ReactorEvent] {
    try fill(untilMs: untilMs)
    let events = queue
    queue.removeAll()
    return events
  }

  /// The next event, or nil at `untilMs`. Events of closed connections are skipped.
  public func next(untilMs: UInt64?) throws(HostError) -> ReactorEvent? {
    if queue.isEmpty { try fill(untilMs: untilMs) }
    return queue.isEmpty ? nil : queue.removeFirst()
  }

  /// Sleeps until `untilMs`, handling only signals, whose events wait for ``next(untilMs:)``. True
  /// if there is a signal other than a child's end: the caller should return to its loop soon.
  public func sleep(untilMs: UInt64) -> Bool {
    while true {
      let nowMs = Clock.monotonicMs()
      for case .signal(let signal) in queue where signal != .childEnded { return true }
      if nowMs >= untilMs { return false }
      var watch = host_watch(
        fd: signalDescriptor, interest: Int16(HOST_READABLE), ready: 0)
      _ = host_poll(&watch, 1, Int32(min(untilMs - nowMs, 60_000)))
      if signalDescriptor >= 0 { readSignals() }
    }
  }

  /// Iterates until the queue has an event or `untilMs` is reached; at least once.
  private func fill(untilMs: UInt64?) throws(HostError) {
    while true {
      let nowMs = Clock.monotonicMs()
      try turn(nowMs: nowMs, untilMs: queue.isEmpty ? untilMs : nowMs)
      if !queue.isEmpty { return }
      if let untilMs, Clock.monotonicMs() >= untilMs { return }
    }
  }
}
