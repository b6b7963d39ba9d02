import CSQLite

/// Why a database operation failed.
public indirect enum StorageError: Error, Equatable {
  /// The file at `path` does not hold what was stored: broken structure, a wrong checksum, a gap.
  case damaged(path: String, detail: String)
  /// SQLite's result `code` (primary or extended) while doing `operation`.
  case failed(code: Int32, operation: String, path: String)
  /// Another process uses the database.
  case busy(path: String)
  /// No space is left for `path`.
  case full(path: String)
  /// The new database could not be created at `path`.
  case notMade(path: String, errno: Int32)
  /// The file was written by a later version of this program, with another schema.
  case newerSchema(path: String, version: Int64)
  /// A number above Int64.max, which SQLite cannot hold.
  case outOfRange(UInt64)
  /// A value above its store's limit.
  case tooLarge(bytes: Int, limit: Int)
  /// A gap in the headers: the next height must be at most `expected`.
  case gap(expected: UInt32, offered: UInt32)
  /// The sequence or the amount of a channel's state would go backwards.
  case backwards(storedSequence: UInt64, storedAmountSat: UInt64)
  /// A contract of this identifier is stored already (`exists`), or is not stored (`unknown`).
  case exists
  case unknown
  /// The contract is closed; its state cannot change.
  case closed

  /// The message, one line.
  public var message: String {
    switch self {
    case .damaged(let path, let detail): return "\(path): damaged: \(detail)"
    case .failed(let code, let operation, let path):
      return "\(path): \(operation): \(Database.text(code)) (\(code))"
    case .busy(let path): return "\(path): in use by another process"
    case .full(let path): return "\(path): no space left"
    case .notMade(let path, let errno): return "\(path): cannot be created (errno \(errno))"
    case .newerSchema(let path, let version):
      return "\(path): written by a later version of this program (schema \(version))"
    case .outOfRange(let value): return "\(value) is too large to be stored"
    case .tooLarge(let bytes, let limit): return "\(bytes) bytes are more than \(limit)"
    case .gap(let expected, let offered):
      return "header \(offered) does not follow: \(expected) comes next"
    case .backwards(let sequence, let amountSat):
      return "older than the stored state (sequence \(sequence), \(amountSat) sat)"
    case .exists: return "already stored"
    case .unknown: return "not stored"
    case .closed: return "closed already"
    }
  }

  /// The disk is full, or the file's location is not writable; the stored data is unchanged.
  public var isUnwritable: Bool {
    switch self {
    case .full, .notMade: return true
    case .failed(let code, _, _):
      // Includes errors of the log's index, which is a separate file.
      return [SQLITE_READONLY, SQLITE_CANTOPEN, SQLITE_PERM].contains(code & 255)
        || code == SQLITE_IOERR | (19 << 8) || code == SQLITE_IOERR | (21 << 8)
    default: return false
    }
  }

  public var isFull: Bool {
    if case .full = self { return true }
    return false
  }

  public var isOutOfMemory: Bool {
    guard case .failed(let code, _, _) = self else { return false }
    return code & 255 == SQLITE_NOMEM || code == SQLITE_IOERR | (12 << 8)
  }

  public var isDamage: Bool {
    if case .damaged = self { return true }
    return false
  }
}
