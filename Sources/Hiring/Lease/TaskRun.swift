import Bytes
import Crypto
import Market
import Session

/// A task in a lease, from its assignment to the last byte of its results.
final class TaskRun {
  /// The receive state of standard output or standard error.
  struct Output {
    static let window = 65_536

    var stream: StreamId?
    /// Bytes received so far.
    var offset: UInt64 = 0
    var isEnded = false
  }

  /// The receive state of the result archive.
  struct Results {
    static let window = 262_144

    let bytes: UInt64
    let digest: Bytes32
    var stream: StreamId?
    var offset: UInt64 = 0
    var hash = Sha256()

    init(_ line: TaskLine) {
      bytes = line.resultBytes
      digest = line.resultDigest
    }
  }

  enum Phase {
    /// Sent or to be sent; not started.
    case sent
    case started(atMs: UInt64)
    /// The line arrived; output or results may follow.
    case ended(TaskLine, place: UInt32)
  }

  enum Fetch {
    /// No results, or not known yet.
    case none
    case fetching(Results)
    /// Durable here; not confirmed to the provider.
    case held
    /// Wrong size or digest, or not received.
    case failed
  }

  let number: UInt32
  /// Its index in the pool; nil once reported complete or given to another lease.
  var index: UInt32?
  let order: TaskOrder
  /// The key that its streams are opened with.
  let key: Bytes32
  var phase = Phase.sent
  var output = [Output(), Output()]
  var fetch = Fetch.none
  var input: (stream: StreamId, offset: UInt64)?
  /// When its stop was requested.
  var stoppedAtMs: UInt64?
  /// When it was sent or last made progress.
  var movedAtMs: UInt64
  /// The lease's suspended time when the task started, in ms.
  var stillMsBefore: UInt64 = 0
  let orderBytes: Int

  init(number: UInt32, index: UInt32?, order: TaskOrder, contract: Bytes32, nowMs: UInt64) {
    self.number = number
    self.index = index
    self.order = order
    key = TaskKey.of(contract: contract, number: number)
    movedAtMs = nowMs
    orderBytes = order.encode().count
  }

  /// Whether no line has arrived.
  var isOutstanding: Bool {
    if case .ended = phase { return false }
    return true
  }

  var isStarted: Bool {
    if case .started = phase { return true }
    return false
  }

  var line: (line: TaskLine, place: UInt32)? {
    if case .ended(let line, let place) = phase { return (line, place) }
    return nil
  }

  var hasResults: Bool {
    if case .held = fetch { return true }
    return false
  }

  /// Whether the line and all output and results have arrived or were given up.
  var isComplete: Bool {
    guard case .ended = phase else { return false }
    if case .fetching = fetch { return false }
    return index == nil || (output[0].isEnded && output[1].isEnded)
  }

  /// When the task is late by its limits or a stop; nil if it has ended or not started.
  ///
  /// - Parameter stillMs: the lease's total suspended time.
  func lateAtMs(_ contract: Contract, stillMs: UInt64) -> UInt64? {
    if !isOutstanding { return nil }
    if let stoppedAtMs {
      return stoppedAtMs + UInt64(contract.stopGraceMs) + UInt64(order.stopMs)
        + HiringTimes.lateTaskMs
    }
    guard case .started(let atMs) = phase else { return nil }
    return atMs + order.limits.wallMs + stillMs - stillMsBefore + HiringTimes.lateTaskMs
  }

  /// When the remaining output and results count as stalled; nil before the end.
  var stalledAtMs: UInt64? {
    line != nil && index != nil ? movedAtMs + HiringTimes.stalledStreamMs : nil
  }

  func disconnected() {
    for place in 0..<2 { output[place].stream = nil }
    if case .fetching(var results) = fetch {
      results.stream = nil
      fetch = .fetching(results)
    }
    input = nil
  }
}
