import Bytes
import Market

/// The publisher's view of a lease's stage. It only increases, except that a reorganisation may
/// return a closed lease to `settled`.
public enum LeaseStage: UInt8, Comparable, Sendable {
  /// The publisher signed the contract and awaits the provider's signature.
  case proposed = 1
  /// Both sides signed; the channel is not funded yet.
  case accepted = 2
  /// The funding is stored and relayed; the provider has not confirmed it.
  case funded = 3
  /// Tasks run.
  case open = 4
  /// No new tasks; outstanding amounts are being settled.
  case ending = 5
  /// Both sides signed the receipt, or the provider was given up; the closes are awaited.
  case settled = 6
  /// All channels are spent in blocks.
  case closed = 7
  /// Ended before the funding; no coins were at risk.
  case abandoned = 8

  public static func < (left: LeaseStage, right: LeaseStage) -> Bool {
    left.rawValue < right.rawValue
  }

  public var text: String {
    switch self {
    case .proposed: return "proposed"
    case .accepted: return "accepted"
    case .funded: return "funded"
    case .open: return "open"
    case .ending: return "ending"
    case .settled: return "settled"
    case .closed: return "closed"
    case .abandoned: return "abandoned"
    }
  }
}

/// The state of a lease: stored at every stage change, payment and statement, and periodically
/// while its reservation runs.
public struct LeaseProgress: Equatable, Sendable {
  public var stage: LeaseStage
  /// Unix times in seconds: when the lease opened (0 before), and when this was stored.
  public var openedUnixSeconds: UInt64 = 0
  public var storedUnixSeconds: UInt64 = 0
  /// The highest assigned task number.
  public var lastTask: UInt32 = 0
  /// The task lines that are on disk together with their tasks.
  public var lines = LineMark()
  /// The reported usage that the publisher accepted.
  public var usage = LeaseUsage()
  public var reservedMs: UInt64 = 0
  /// Whether the reservation was running when this was stored.
  public var isReserved = false
  /// After the end: the longest time that the share can have been in use, in ms; 0 before.
  public var usableMs: UInt64 = 0
  /// The number of payments.
  public var payments: UInt64 = 0
  /// Why reports and payments stopped; empty while the provider is trusted.
  public var fault = ""
  /// The last statement signed by both sides; the receipt if ``hasReceipt``.
  public var statement: Signed<Statement>?
  public var hasReceipt = false

  static let version: UInt8 = 1

  public init(stage: LeaseStage) { self.stage = stage }

  public func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 1024)
    writer.u8(LeaseProgress.version)
    writer.u8(stage.rawValue)
    writer.u64le(openedUnixSeconds)
    writer.u64le(storedUnixSeconds)
    writer.u32le(lastTask)
    lines.encode(to: &writer)
    usage.encode(to: &writer)
    writer.u64le(reservedMs)
    writer.flag(isReserved)
    writer.u64le(usableMs)
    writer.u64le(payments)
    writer.text(fault)
    writer.lengthPrefixed(statement?.encode() ?? [])
    writer.flag(hasReceipt)
    return writer.bytes
  }

  /// Returns nil for damaged bytes or an unknown version.
  public static func decode(_ bytes: [UInt8]) -> LeaseProgress? {
    RecordReader.read(bytes, version: version) { reader in
      guard let stage = LeaseStage(rawValue: try reader.u8()) else { return nil }
      var progress = LeaseProgress(stage: stage)
      progress.openedUnixSeconds = try reader.u64le()
      progress.storedUnixSeconds = try reader.u64le()
      progress.lastTask = try reader.u32le()
      progress.lines = try LineMark(&reader)
      progress.usage = try LeaseUsage(&reader)
      progress.reservedMs = try reader.u64le()
      progress.isReserved = try reader.flag()
      progress.usableMs = try reader.u64le()
      progress.payments = try reader.u64le()
      progress.fault = try reader.text()
      progress.statement = try reader.signed(Statement.self)
      progress.hasReceipt = try reader.flag()
      return progress
    }
  }
}
