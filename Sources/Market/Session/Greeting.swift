import Bitcoin
import Bytes

/// The version and the features of one end of a session. Features come in pairs of bits: an even bit is
/// required of the other end, the odd bit above it is optional (as Lightning's BOLT 9 has it).
public struct PeerFeatures: Equatable, Sendable {
  public static let currentVersion: UInt16 = 2
  /// What this version understands; none is defined yet.
  public static let understood: UInt64 = 0

  public var version: UInt16
  public var bits: UInt64

  public init(version: UInt16 = PeerFeatures.currentVersion, bits: UInt64 = 0) {
    self.version = version
    self.bits = bits
  }

  private static let required: UInt64 = 0x5555_5555_5555_5555

  /// Whether this version can go on with an end that has these.
  public var areUnderstood: Bool {
    version >= PeerFeatures.currentVersion
      && bits & PeerFeatures.required & ~PeerFeatures.understood == 0
  }

  func encode(to writer: inout ByteWriter) {
    writer.u16le(version)
    writer.u64le(bits)
  }

  static func decode(_ reader: inout DocumentReader) throws(MarketError) -> PeerFeatures {
    PeerFeatures(version: try reader.u16("version"), bits: try reader.u64("features"))
  }
}

/// What a provider calls about.
public enum CallSubject: Equatable, Sendable {
  /// An announcement, by its transaction's id (wire byte order).
  case announcement(Bytes32)
  /// A lease that exists, by its contract's id.
  case lease(Bytes32)

  func encode(to writer: inout ByteWriter) {
    switch self {
    case .announcement(let txid):
      writer.u8(0)
      writer.append(txid)
    case .lease(let contract):
      writer.u8(1)
      writer.append(contract)
    }
  }

  static func decode(_ reader: inout DocumentReader) throws(MarketError) -> CallSubject {
    let isLease = try reader.u8("subject", 0...1) == 1
    let id = try reader.bytes32("subject")
    return isLease ? .lease(id) : .announcement(id)
  }
}
