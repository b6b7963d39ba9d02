import CSQLite

/// The database of data that peers can provide again: headers, filter headers, known peers. A
/// damaged file is deleted. A power failure may undo its last commits.
public final class ChainCache {
  public let database: Database
  public let headers: HeaderStore
  /// What was damaged in the previous file, if it had to be deleted.
  public let damage: StorageError?
  private var loaded: StoredChain?

  /// Version 1 had one row for each header. The migration keeps only the known peers.
  static let migrations = [
    """
    CREATE TABLE header (height INTEGER PRIMARY KEY);
    CREATE TABLE base (
      one INTEGER PRIMARY KEY, height INTEGER NOT NULL, work BLOB NOT NULL, sum INTEGER NOT NULL);
    """ + KeyValueStore.schema,
    "DROP TABLE header; DROP TABLE base;" + HeaderStore.schema,
  ]

  /// Opens or creates the file at `path`, and checks every header in it.
  public init(path: String) throws(StorageError) {
    var damage: StorageError?
    var opened: (database: Database, chain: StoredChain?)
    do throws(StorageError) {
      opened = try ChainCache.open(path)
    } catch {
      if !ChainCache.isUseless(error) { throw error }
      damage = error
      try Database.remove(path: path)
      opened = try ChainCache.open(path)
    }
    database = opened.database
    headers = HeaderStore(database)
    loaded = opened.chain
    self.damage = damage
  }

  /// Whether to delete a file that cannot be opened. Flipped bits in the schema or the file's
  /// header cause many kinds of errors; a later version's cache is useless too.
  private static func isUseless(_ error: StorageError) -> Bool {
    switch error {
    case .damaged, .newerSchema: return true
    case .failed(let code, _, _):
      let primary = code & 255
      return primary == SQLITE_ERROR || primary == SQLITE_READONLY || primary == SQLITE_CONSTRAINT
        || primary == SQLITE_FORMAT || primary == SQLITE_MISMATCH
    default: return false
    }
  }

  private static func open(
    _ path: String
  ) throws(StorageError) -> (database: Database, chain: StoredChain?) {
    let database = try Database(path: path, durability: .normal, migrations: migrations)
    let chain = try HeaderStore(database).load()
    try KeyValueStore.checkAll(database)
    return (database, chain)
  }

  /// Returns the headers read by the check at opening, once, and frees them. Saves the caller from
  /// reading them again.
  public func takeLoaded() -> StoredChain? {
    let chain = loaded
    loaded = nil
    return chain
  }

  /// Makes several changes in one commit.
  public func transaction<T>(
    _ body: () throws(StorageError) -> T
  ) throws(StorageError) -> T {
    try database.transaction(body)
  }

  public func values(space: UInt32) -> KeyValueStore { KeyValueStore(database, space: space) }
}
