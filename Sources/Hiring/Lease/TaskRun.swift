import Bytes
import Crypto
import Market
import Session

/// A task in a lease, from its number to the last byte of what it makes.
final class TaskRun {
  /// One of the task's standard streams, as it arrives.
  struct Output {
    static let window = 65_536

    var stream: StreamId?
    /// Bytes received so far.
    var offset: UInt64 = 0
    var isEnded = false
  }

  /// The results, as they arrive.
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
    /// It waits for its turn, or its number was not said yet.
    case sent
    case started(atMs: UInt64)
    /// The line came; its output or its results are still to come.
    case ended(TaskLine, place: UInt32)
  }

  enum Fetch {
    /// There are none, or it is not known yet whether there are.
    case none
    case fetching(Results)
    /// They are durable here; the provider does not know it yet.
    case held
    /// They are not what was promised, or do not come.
    case failed
  }

  let number: UInt32
  /// Which of the pool's tasks it is; nil where another lease has it by now.
  var index: UInt32?
  let order: TaskOrder
  /// What its streams are called.
  let key: Bytes32
  var phase = Phase.sent
  var output = [Output(), Output()]
  var fetch = Fetch.none
  var input: (stream: StreamId, offset: UInt64)?
  /// When its end was asked for.
  var stoppedAtMs: UInt64?
  /// When it was sent, or anything of it moved.
  var movedAtMs: UInt64
  /// How long the lease stood still before it started.
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

  /// It is the provider's to run: no line came.
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

  /// Nothing more comes of it.
  var isComplete: Bool {
    guard case .ended = phase else { return false }
    if case .fetching = fetch { return false }
    return index == nil || (output[0].isEnded && output[1].isEnded)
  }

  /// When it should have ended by its limits, or by a stop; nil where it has, or did not start.
  ///
  /// - Parameter stillMs: how long the lease has stood still.
  func lateAtMs(_ contract: Contract, stillMs: UInt64) -> UInt64? {
    if !isOutstanding { return nil }
    if let stoppedAtMs {
      return stoppedAtMs + UInt64(contract.stopGraceMs) + UInt64(order.stopMs)
        + HiringTimes.lateTaskMs
    }
    guard case .started(let atMs) = phase else { return nil }
    return atMs + order.limits.wallMs + stillMs - stillMsBefore + HiringTimes.lateTaskMs
  }

  /// When what is still to come of it has stood still for too long; nil where it has not ended.
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
