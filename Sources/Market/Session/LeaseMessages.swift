import Bitcoin
import Bytes
import Channel

/// Whether a lease's tasks run, and if not why.
public enum Standing: UInt8, Equatable, Sendable {
  case running = 0
  /// Until the next payment.
  case frozen = 1
  /// Until the funding confirms: unconfirmed leases have used up what the owner risks for them.
  case unconfirmed = 2
  /// The owner needs the machine.
  case paused = 3
  /// A top-up must be seen before the earlier channel closes.
  case awaitingTopUp = 4

  public var text: String {
    switch self {
    case .running: return "running"
    case .frozen: return "frozen"
    case .unconfirmed: return "unconfirmed"
    case .paused: return "paused"
    case .awaitingTopUp: return "awaiting-top-up"
    }
  }
}

/// What a provider sees of a channel's funding.
public enum FundingSight: Equatable, Sendable {
  /// The transaction is right, and is being relayed.
  case relayed
  /// It is deep enough in the chain, from this block on.
  case confirmed(height: UInt32)
  /// A reorganisation took it out of the chain.
  case lost

  func encode(to writer: inout ByteWriter) {
    switch self {
    case .relayed: writer.u8(0)
    case .confirmed(let height):
      writer.u8(1)
      writer.u32le(height)
    case .lost: writer.u8(2)
    }
  }

  static func decode(_ reader: inout DocumentReader) throws(MarketError) -> FundingSight {
    switch try reader.u8("funding", 0...2) {
    case 0: return .relayed
    case 1: return .confirmed(height: try reader.u32("height", 0...(Limits.heightLimit - 1)))
    default: return .lost
    }
  }
}

/// Where a task stands before its line.
public enum TaskState: Equatable, Sendable {
  /// Stored; it waits for its turn or its bundles.
  case queued
  /// It runs since this time on the provider's clock.
  case started(unixSeconds: UInt64)
  /// It was not stored and never will run: its number is used up. At most 256 bytes of plain text.
  case refused(RefusalCode, text: [UInt8])

  func encode(to writer: inout ByteWriter) {
    switch self {
    case .queued: writer.u8(0)
    case .started(let unixSeconds):
      writer.u8(1)
      writer.u64le(unixSeconds)
    case .refused(let code, let text):
      writer.u8(2)
      writer.u8(code.rawValue)
      writer.lengthPrefixed(text)
    }
  }

  static func decode(_ reader: inout DocumentReader) throws(MarketError) -> TaskState {
    switch try reader.u8("task state", 0...2) {
    case 0: return .queued
    case 1: return .started(unixSeconds: try reader.u64("start"))
    default: return .refused(try RefusalCode.decode(&reader), text: try reader.shortText())
    }
  }
}

/// A provider's account of a lease.
public struct UsageReport: Equatable, Sendable {
  /// Counts from 1 in each connection.
  public var sequence: UInt64
  public var usage: LeaseUsage
  /// Debt included.
  public var owedSat: UInt64

  public init(sequence: UInt64, usage: LeaseUsage, owedSat: UInt64) {
    self.sequence = sequence
    self.usage = usage
    self.owedSat = owedSat
  }
}

/// The provider's signatures over the close of a channel.
public struct SignedClose: Equatable, Sendable {
  public var channel: UInt8
  public var signatures: CloseSignatures

  public init(channel: UInt8, signatures: CloseSignatures) {
    self.channel = channel
    self.signatures = signatures
  }
}

extension RefusalCode {
  static func decode(_ reader: inout DocumentReader) throws(MarketError) -> RefusalCode {
    RefusalCode(rawValue: try reader.u8("refusal")) ?? .unacceptable
  }
}

extension DocumentReader {
  /// Plain text of at most 256 bytes.
  mutating func shortText() throws(MarketError) -> [UInt8] {
    try plainText("text", 0...Limits.maxTextBytes)
  }

  mutating func channelNumber() throws(MarketError) -> UInt8 {
    try u8("channel", 0...UInt8(Limits.maxChannels - 1))
  }

  mutating func closeSignatures() throws(MarketError) -> CloseSignatures {
    try read("close") { (part) throws(BytesError) in try CloseSignatures.decode(&part) }
  }
}
