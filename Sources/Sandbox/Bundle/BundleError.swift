/// Why a bundle was refused. `offset` counts bytes of the uncompressed tar stream, except in
/// ``notZstd(offset:)`` and ``compressedTruncated(offset:)``, where it counts compressed bytes.
public indirect enum BundleError: Error, Equatable, Sendable {
  case notZstd(offset: UInt64)
  case compressedTruncated(offset: UInt64)
  case truncated(offset: UInt64)
  case badChecksum(offset: UInt64)
  case badNumber(offset: UInt64)
  case badPaxRecord(offset: UInt64)
  case emptyName(offset: UInt64)
  case nameTooLong(offset: UInt64)
  case zeroByteInName(offset: UInt64)
  case absolutePath(offset: UInt64)
  case parentInPath(offset: UInt64)
  case absoluteLink(offset: UInt64)
  case linkLeavesRoot(offset: UInt64)
  case deviceNode(offset: UInt64)
  case sparseFile(offset: UInt64)
  case unknownType(offset: UInt64, type: UInt8)
  case tooManyEntries(offset: UInt64, limit: UInt64)
  case tooLarge(offset: UInt64, limit: UInt64)
  case ratioTooHigh(offset: UInt64, limit: UInt64)
  case trailingBytes(offset: UInt64)
  /// The sandbox's file system refused a write: errno (28: full, 20 or 40: through a link).
  case writeFailed(offset: UInt64, code: Int32)
  /// The process that unpacks was killed (out of memory, or a bug): its wait status.
  case unpackerDied(status: Int32)

  /// A number for each case, below 256, as the unpacking process reports it to the agent.
  var code: UInt32 {
    switch self {
    case .notZstd: return 1
    case .compressedTruncated: return 2
    case .truncated: return 3
    case .badChecksum: return 4
    case .badNumber: return 5
    case .badPaxRecord: return 6
    case .emptyName: return 7
    case .nameTooLong: return 8
    case .zeroByteInName: return 9
    case .absolutePath: return 10
    case .parentInPath: return 11
    case .absoluteLink: return 12
    case .linkLeavesRoot: return 13
    case .deviceNode: return 14
    case .sparseFile: return 15
    case .unknownType: return 16
    case .tooManyEntries: return 17
    case .tooLarge: return 18
    case .ratioTooHigh: return 19
    case .trailingBytes: return 20
    case .writeFailed: return 21
    case .unpackerDied: return 22
    }
  }

  public var offset: UInt64 {
    switch self {
    case .notZstd(let offset), .compressedTruncated(let offset), .truncated(let offset),
      .badChecksum(let offset), .badNumber(let offset), .badPaxRecord(let offset),
      .emptyName(let offset), .nameTooLong(let offset), .zeroByteInName(let offset),
      .absolutePath(let offset), .parentInPath(let offset), .absoluteLink(let offset),
      .linkLeavesRoot(let offset), .deviceNode(let offset), .sparseFile(let offset),
      .unknownType(let offset, _), .tooManyEntries(let offset, _), .tooLarge(let offset, _),
      .ratioTooHigh(let offset, _), .trailingBytes(let offset), .writeFailed(let offset, _):
      return offset
    case .unpackerDied: return 0
    }
  }

  /// The number that some cases carry beside the offset.
  var detail: UInt64 {
    switch self {
    case .unknownType(_, let type): return UInt64(type)
    case .tooManyEntries(_, let limit), .tooLarge(_, let limit), .ratioTooHigh(_, let limit):
      return limit
    case .writeFailed(_, let code): return UInt64(UInt32(bitPattern: code))
    case .unpackerDied(let status): return UInt64(UInt32(bitPattern: status))
    default: return 0
    }
  }

  /// The reverse of ``code``, ``offset`` and ``detail``.
  init(code: UInt32, offset: UInt64, detail: UInt64) {
    let number = Int32(truncatingIfNeeded: detail)
    switch code {
    case 1: self = .notZstd(offset: offset)
    case 2: self = .compressedTruncated(offset: offset)
    case 3: self = .truncated(offset: offset)
    case 4: self = .badChecksum(offset: offset)
    case 5: self = .badNumber(offset: offset)
    case 6: self = .badPaxRecord(offset: offset)
    case 7: self = .emptyName(offset: offset)
    case 8: self = .nameTooLong(offset: offset)
    case 9: self = .zeroByteInName(offset: offset)
    case 10: self = .absolutePath(offset: offset)
    case 11: self = .parentInPath(offset: offset)
    case 12: self = .absoluteLink(offset: offset)
    case 13: self = .linkLeavesRoot(offset: offset)
    case 14: self = .deviceNode(offset: offset)
    case 15: self = .sparseFile(offset: offset)
    case 16: self = .unknownType(offset: offset, type: UInt8(truncatingIfNeeded: detail))
    case 17: self = .tooManyEntries(offset: offset, limit: detail)
    case 18: self = .tooLarge(offset: offset, limit: detail)
    case 19: self = .ratioTooHigh(offset: offset, limit: detail)
    case 20: self = .trailingBytes(offset: offset)
    case 21: self = .writeFailed(offset: offset, code: number)
    default: self = .unpackerDied(status: number)
    }
  }

  public var message: String {
    let at = "byte \(offset): "
    switch self {
    case .notZstd: return at + "not zstd data, or of more than 8 MiB of history"
    case .compressedTruncated: return at + "the compressed stream ends early"
    case .truncated: return at + "the archive ends early"
    case .badChecksum: return at + "a header's checksum is wrong"
    case .badNumber: return at + "a header's number is malformed"
    case .badPaxRecord: return at + "a pax record is malformed or too long"
    case .emptyName: return at + "an entry has no name"
    case .nameTooLong: return at + "a name is too long"
    case .zeroByteInName: return at + "a name holds a zero byte"
    case .absolutePath: return at + "an absolute path"
    case .parentInPath: return at + "a path with .."
    case .absoluteLink: return at + "a link to an absolute path"
    case .linkLeavesRoot: return at + "a link that leaves the bundle"
    case .deviceNode: return at + "a device node or fifo"
    case .sparseFile: return at + "a sparse file"
    case .unknownType(_, let type): return at + "an entry of unknown type \(type)"
    case .tooManyEntries(_, let limit): return at + "more than \(limit) entries"
    case .tooLarge(_, let limit): return at + "more than \(limit) bytes"
    case .ratioTooHigh(_, let limit): return at + "grows more than \(limit) times when unpacked"
    case .trailingBytes: return at + "bytes follow the end of the archive"
    case .writeFailed(_, let code): return at + "could not be written: " + System.reason(code)
    case .unpackerDied(let status): return "the unpacking process died (wait status \(status))"
    }
  }
}
