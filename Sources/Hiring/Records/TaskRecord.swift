import Bytes
import Market

/// A task's stored state.
public struct TaskRecord: Equatable, Sendable {
  /// The state of a task across restarts.
  public enum State: Equatable, Sendable {
    /// Not assigned to a lease.
    case waiting
    /// Assigned to the lease with this contract id, under this number. It may have been sent.
    case assigned(lease: Bytes32, number: UInt32)
    /// The task ended with this line, at `place` (from 1) in its lease's chain.
    case line(lease: Bytes32, place: UInt32, TaskLine, hasResults: Bool)
    case lost
    case notHired
    case stopped

    /// The outcome; nil before the end. A line is stored once all output and results are here or
    /// given up.
    public var outcome: TaskOutcome? {
      switch self {
      case .waiting, .assigned: return nil
      case .line(_, _, let line, let hasResults): return .line(line, hasResults: hasResults)
      case .lost: return .lost
      case .notHired: return .notHired
      case .stopped: return .stopped
      }
    }
  }

  public var spec: TaskSpec
  public var state: State
  /// How often the task started on a provider and was lost.
  public var losses: UInt8
  /// Providers that refused or lost it, at most ``maxFailed``.
  public var failedOn: [Bytes32]

  static let version: UInt8 = 1
  static let maxFailed = 32

  public init(
    spec: TaskSpec, state: State = .waiting, losses: UInt8 = 0, failedOn: [Bytes32] = []
  ) {
    self.spec = spec
    self.state = state
    self.losses = losses
    self.failedOn = failedOn
  }

  public func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 512)
    writer.u8(TaskRecord.version)
    writer.lengthPrefixed(spec.order(number: 1).encode())
    writer.u32le(spec.worker.map { UInt32($0) } ?? UInt32.max)
    writer.u8(losses)
    writer.u8(UInt8(failedOn.count))
    for provider in failedOn { writer.append(provider) }
    switch state {
    case .waiting: writer.u8(0)
    case .assigned(let lease, let number):
      writer.u8(1)
      writer.append(lease)
      writer.u32le(number)
    case .line(let lease, let place, let line, let hasResults):
      writer.u8(2)
      writer.append(lease)
      writer.u32le(place)
      writer.lengthPrefixed(line.encode())
      writer.flag(hasResults)
    case .lost: writer.u8(3)
    case .notHired: writer.u8(4)
    case .stopped: writer.u8(5)
    }
    return writer.bytes
  }

  /// Returns nil for damaged bytes or an unknown version.
  public static func decode(_ bytes: [UInt8]) -> TaskRecord? {
    RecordReader.read(bytes, version: version) { reader in
      let order = try TaskOrder.decode(try reader.lengthPrefixed(limit: 2 * Limits.maxQueuedBytes))
      let worker = try reader.u32le()
      let losses = try reader.u8()
      var failedOn: [Bytes32] = []
      for _ in 0..<(try reader.u8()) { failedOn.append(try reader.bytes32()) }
      let spec = TaskSpec(order, worker: UInt16(exactly: worker))
      guard let state = try readState(&reader) else { return nil }
      return TaskRecord(spec: spec, state: state, losses: losses, failedOn: failedOn)
    }
  }

  private static func readState(_ reader: inout ByteReader) throws -> State? {
    switch try reader.u8() {
    case 0: return .waiting
    case 1: return .assigned(lease: try reader.bytes32(), number: try reader.u32le())
    case 2:
      let lease = try reader.bytes32()
      let place = try reader.u32le()
      let line = try TaskLine.decode(try reader.lengthPrefixed(limit: 1024))
      return .line(lease: lease, place: place, line, hasResults: try reader.flag())
    case 3: return .lost
    case 4: return .notHired
    case 5: return .stopped
    default: return nil
    }
  }
}

extension TaskSpec {
  init(_ order: TaskOrder, worker: UInt16?) {
    self.init(
      bundles: order.bundles, arguments: order.arguments, environment: order.environment,
      workdir: order.workdir, limits: order.limits, stopMs: order.stopMs,
      hasInput: order.hasInput, resultPath: order.resultPath,
      maxResultBytes: order.maxResultBytes, worker: worker)
  }
}
