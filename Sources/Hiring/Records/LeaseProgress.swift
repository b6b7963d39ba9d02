import Bytes
import Market

/// How far a lease has come, as the publisher sees it. It only moves forward, but for a reorganisation,
/// which may bring a closed one back to its settlement.
public enum LeaseStage: UInt8, Comparable, Sendable {
  /// The contract is signed here; the provider's signature is waited for.
  case proposed = 1
  /// Both have signed; the channel is to be funded.
  case accepted = 2
  /// The funding is stored and relayed; the provider has not confirmed that it saw it.
  case funded = 3
  /// Tasks run.
  case open = 4
  /// No more tasks; what is owed is settled.
  case ending = 5
  /// Both have signed the receipt, or the provider was given up; the closes are waited for.
  case settled = 6
  /// All channels are spent in blocks.
  case closed = 7
  /// Ended before it was funded: nothing is lost.
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

/// Where a lease stands: written at every change of its stage, with its payments and statements, and
/// from time to time while its reservation runs.
public struct LeaseProgress: Equatable, Sendable {
  public var stage: LeaseStage
  /// Seconds since 1970: when the lease opened (0 before), and when this was written.
  public var openedUnixSeconds: UInt64 = 0
  public var storedUnixSeconds: UInt64 = 0
  /// The highest number that was given to a task.
  public var lastTask: UInt32 = 0
  /// The lines that are on disk, with their tasks.
  public var lines = LineMark()
  /// What is believed of the provider's reports.
  public var usage = LeaseUsage()
  public var reservedMs: UInt64 = 0
  /// Whether the reservation ran when this was written.
  public var isReserved = false
  /// After the end: the time in which the share can have been in use; 0 before.
  public var usableMs: UInt64 = 0
  /// What was paid, in how many payments.
  public var payments: UInt64 = 0
  /// Why nothing is believed or paid any more; empty while the provider is trusted.
  public var fault = ""
  /// The last statement that both signed; with ``hasReceipt`` it is the final one.
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

  /// Nil for bytes that are no record: a damaged disk, or a later version.
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
