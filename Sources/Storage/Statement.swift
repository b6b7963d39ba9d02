import CSQLite

/// A prepared statement. Parameters count from 1, columns from 0, as in SQLite.
public struct Statement: ~Copyable {
  private let handle: OpaquePointer
  private let database: Database

  init(_ database: Database, _ sql: String) throws(StorageError) {
    var prepared: OpaquePointer?
    let code = sqlite3_prepare_v2(database.handle, sql, -1, &prepared, nil)
    guard code == SQLITE_OK, let prepared else { throw database.failure(code, "prepare") }
    handle = prepared
    self.database = database
  }

  deinit { _ = sqlite3_finalize(handle) }

  private borrowing func bound(_ code: Int32) throws(StorageError) {
    if code != SQLITE_OK { throw database.failure(code, "bind") }
  }

  /// SQLite's integers are signed: a number above Int64.max is refused, to keep the sort order.
  public borrowing func bind(_ index: Int32, _ value: UInt64) throws(StorageError) {
    if value > UInt64(Int64.max) { throw .outOfRange(value) }
    try bound(sqlite3_bind_int64(handle, index, Int64(value)))
  }

  public borrowing func bind(_ index: Int32, _ value: [UInt8]) throws(StorageError) {
    let copies = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
    let code = value.withUnsafeBufferPointer { buffer -> Int32 in
      // SQLite would bind a null pointer as NULL, not as an empty blob.
      guard let base = buffer.baseAddress, !buffer.isEmpty else {
        return sqlite3_bind_zeroblob(handle, index, 0)
      }
      return sqlite3_bind_blob64(handle, index, base, UInt64(buffer.count), copies)
    }
    try bound(code)
  }

  public borrowing func bindNull(_ index: Int32) throws(StorageError) {
    try bound(sqlite3_bind_null(handle, index))
  }

  /// True if there is a row to read.
  public borrowing func step() throws(StorageError) -> Bool {
    let code = sqlite3_step(handle)
    if code == SQLITE_ROW { return true }
    if code == SQLITE_DONE { return false }
    throw database.failure(code, "step")
  }

  /// Runs a statement that returns no rows, and resets it.
  public borrowing func run() throws(StorageError) {
    do {
      _ = try step()
      reset()
    } catch {
      reset()
      throw error
    }
  }

  /// Prepares for the next binding and step; a statement that is not reset holds a lock.
  public borrowing func reset() {
    _ = sqlite3_reset(handle)
    _ = sqlite3_clear_bindings(handle)
  }

  public borrowing func isNull(_ column: Int32) -> Bool {
    sqlite3_column_type(handle, column) == SQLITE_NULL
  }

  borrowing func int64(_ column: Int32) -> Int64 { sqlite3_column_int64(handle, column) }

  /// Throws ``StorageError/damaged(path:detail:)`` for a value that ``bind(_:_:)-(_,UInt64)``
  /// cannot have stored.
  public borrowing func u64(_ column: Int32) throws(StorageError) -> UInt64 {
    let value = sqlite3_column_int64(handle, column)
    if sqlite3_column_type(handle, column) != SQLITE_INTEGER || value < 0 {
      throw .damaged(path: database.path, detail: "a column is not a number")
    }
    return UInt64(value)
  }

  /// A blob of at most `limit` bytes.
  public borrowing func blob(_ column: Int32, limit: Int) throws(StorageError) -> [UInt8] {
    let type = sqlite3_column_type(handle, column)
    let count = Int(sqlite3_column_bytes(handle, column))
    if (type != SQLITE_BLOB && type != SQLITE_TEXT) || count > limit {
      throw .damaged(path: database.path, detail: "a column has a wrong type or size")
    }
    guard count > 0, let start = sqlite3_column_blob(handle, column) else { return [] }
    return Array(UnsafeRawBufferPointer(start: start, count: count))
  }
}
