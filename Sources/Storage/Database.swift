import CHost
import CSQLite

/// One SQLite database file, in WAL mode, used by one process and one thread.
public final class Database {
  /// When a commit is durable.
  public enum Durability: Sendable {
    /// Before the commit returns: it survives a power failure. For money.
    case full
    /// Later: a power failure may undo the last commits, but the file stays consistent. For data
    /// that can be fetched again, to write less to flash. The file is locked exclusively meanwhile.
    case normal
  }

  public let path: String
  let handle: OpaquePointer
  private var depth = 0
  private var isDoomed = false

  /// Opens or creates the database at `path`, checks it, and migrates its schema.
  ///
  /// - Parameters:
  ///   - path: a file, or `:memory:`.
  ///   - migrations: statements from schema version *n* to *n + 1*; the version is kept in
  ///     `user_version`. Only append entries. The static agent's SQLite has no ALTER TABLE; for its
  ///     features see `cross/zcross/libraries.py`.
  ///   - mustExist: a missing or empty file is an error.
  ///   - checksEverything: also compares indices with tables, which takes longer.
  public init(
    path: String, durability: Durability, migrations: [String], checksEverything: Bool = false,
    mustExist: Bool = false
  ) throws(StorageError) {
    var opened: OpaquePointer?
    // Only one thread uses the database, so SQLite needs no mutexes.
    let flags =
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_NOMUTEX
      | (mustExist ? 0 : SQLITE_OPEN_CREATE)
    let code = sqlite3_open_v2(path, &opened, flags, nil)
    guard code == SQLITE_OK, let opened else {
      if let opened { _ = sqlite3_close_v2(opened) }
      throw Database.error(code, "open", path)
    }
    self.path = path
    handle = opened
    _ = sqlite3_extended_result_codes(handle, 1)
    _ = sqlite3_busy_timeout(handle, 2000)
    _ = sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, 67_108_864)
    try configure(durability)
    try check(everything: checksEverything)
    if mustExist, try schemaVersion() == 0 { throw .damaged(path: path, detail: "it is empty") }
    try migrate(migrations)
    try checkSchema(migrations)
  }

  // Live statements keep the connection open until they are finalised.
  deinit { _ = sqlite3_close_v2(handle) }

  private func configure(_ durability: Durability) throws(StorageError) {
    // In exclusive mode SQLite keeps no shared-memory index of the log, which would cost two more
    // pages of flash per commit. Must come first, because it determines how the log is opened.
    if durability == .normal { try execute("PRAGMA locking_mode = EXCLUSIVE") }
    try execute("PRAGMA trusted_schema = OFF")
    try execute("PRAGMA cell_size_check = ON")
    // Agents have little memory, and appends are more frequent than look-ups. SQLite allocates 20
    // pages at once; musl's allocator uses eight KiB for each further page, and keeps them.
    try execute("PRAGMA cache_size = 16")
    try execute("PRAGMA journal_mode = WAL")
    try execute("PRAGMA journal_size_limit = 1048576")
    // Deleted and replaced content is overwritten: a task's secrets are stored here.
    if durability == .full { try execute("PRAGMA secure_delete = ON") }
    try execute(durability == .full ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL")
  }

  private func check(everything: Bool) throws(StorageError) {
    let statement = try prepare(everything ? "PRAGMA integrity_check(1)" : "PRAGMA quick_check(1)")
    guard try statement.step() else { throw .damaged(path: path, detail: "it cannot be checked") }
    let verdict = try statement.blob(0, limit: 4096)
    if verdict != [0x6f, 0x6b] {  // "ok"
      throw .damaged(path: path, detail: String(decoding: verdict, as: UTF8.self))
    }
  }

  private func migrate(_ migrations: [String]) throws(StorageError) {
    let version = try schemaVersion()
    if version > Int64(migrations.count) { throw .newerSchema(path: path, version: version) }
    if version < 0 { throw .damaged(path: path, detail: "schema version \(version)") }
    for index in Int(version)..<migrations.count {
      try transaction { () throws(StorageError) in
        try execute(migrations[index])
        try execute("PRAGMA user_version = \(index + 1)")
      }
    }
  }

  /// The schema in the file must be that of the migrations. SQLite has no checksums: with a flipped
  /// bit in the words `PRIMARY KEY` it would use a different kind of table.
  private func checkSchema(_ migrations: [String]) throws(StorageError) {
    var written: [UInt8] = []
    for migration in migrations { written += Array(migration.utf8) }
    let stored = try prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")
    var count = 0
    while try stored.step() {
      let sql = try stored.blob(0, limit: 65_536)
      if Database.count(of: sql, in: written) == 0 {
        throw .damaged(path: path, detail: "its tables differ from the schema")
      }
      count += 1
    }
    let made = Database.count(of: Array("CREATE ".utf8), in: written)
    let dropped = Database.count(of: Array("DROP ".utf8), in: written)
    if count != made - dropped { throw .damaged(path: path, detail: "unexpected number of tables") }
  }

  private static func count(of part: [UInt8], in whole: [UInt8]) -> Int {
    var count = 0
    for place in whole.indices where part.count <= whole.count - place {
      if whole[place..<place + part.count] == part[...] { count += 1 }
    }
    return count
  }

  private func schemaVersion() throws(StorageError) -> Int64 {
    let statement = try prepare("PRAGMA user_version")
    guard try statement.step() else { return 0 }
    return statement.int64(0)
  }

  /// Runs statements without results.
  public func execute(_ sql: String) throws(StorageError) {
    let code = sqlite3_exec(handle, sql, nil, nil, nil)
    if code != SQLITE_OK { throw failure(code, "execute") }
  }

  public func prepare(_ sql: String) throws(StorageError) -> Statement {
    try Statement(self, sql)
  }

  /// The number of rows that the last changing statement changed.
  var changedRows: Int { Int(sqlite3_changes(handle)) }

  /// Stores everything that `body` stores, or nothing. Calls may be nested: the outermost one
  /// commits, unless an inner one threw.
  public func transaction<T>(
    _ body: () throws(StorageError) -> T
  ) throws(StorageError) -> T {
    if depth == 0 {
      try execute("BEGIN IMMEDIATE")
      isDoomed = false
    }
    depth += 1
    do throws(StorageError) {
      let result = try body()
      if depth == 1 {
        if isDoomed { throw .failed(code: SQLITE_ABORT, operation: "commit", path: path) }
        try execute("COMMIT")
      }
      depth -= 1
      return result
    } catch {
      depth -= 1
      isDoomed = true
      // An error may already have rolled it back.
      if depth == 0 && sqlite3_get_autocommit(handle) == 0 {
        _ = sqlite3_exec(handle, "ROLLBACK", nil, nil, nil)
      }
      throw error
    }
  }

  /// Moves the write-ahead log into the database file and empties it.
  public func checkpoint() throws(StorageError) {
    let code = sqlite3_wal_checkpoint_v2(handle, nil, SQLITE_CHECKPOINT_TRUNCATE, nil, nil)
    if code != SQLITE_OK { throw failure(code, "checkpoint") }
  }

  /// Removes the database file, its log and its index. For caches only.
  public static func remove(path: String) throws(StorageError) {
    guard let files = sqlite3_vfs_find(nil), let delete = files.pointee.xDelete else { return }
    let notThere = SQLITE_IOERR | (23 << 8)  // SQLITE_IOERR_DELETE_NOENT
    for suffix in ["", "-wal", "-shm", "-journal"] {
      let code = delete(files, path + suffix, 1)
      if code != SQLITE_OK && code != notThere { throw error(code, "remove", path + suffix) }
    }
  }

  /// Includes the system's error where SQLite only reports that the disk failed.
  func failure(_ code: Int32, _ operation: String) -> StorageError {
    let errno = sqlite3_system_errno(handle)
    let isSystems = [SQLITE_IOERR, SQLITE_CANTOPEN].contains(code & 255) && errno != 0
    if !isSystems { return Database.error(code, operation, path) }
    var text = [CChar](repeating: 0, count: 128)
    host_error_text(errno, &text, UInt32(text.count))
    let words = text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    return Database.error(code, operation + ": " + words, path)
  }

  static func error(_ code: Int32, _ operation: String, _ path: String) -> StorageError {
    switch code & 255 {
    case SQLITE_CORRUPT, SQLITE_NOTADB: return .damaged(path: path, detail: text(code))
    case SQLITE_BUSY, SQLITE_LOCKED: return .busy(path: path)
    case SQLITE_FULL: return .full(path: path)
    default: return .failed(code: code, operation: operation, path: path)
    }
  }

  static func text(_ code: Int32) -> String {
    guard let text = sqlite3_errstr(code) else { return "unknown error" }
    return String(cString: text)
  }
}
