import CSQLite

/// The database of what peers can give again: headers, filter headers, what was learnt of peers.
/// When it is damaged it is thrown away. A power cut may take its last commits back.
public final class ChainCache {
  public let database: Database
  public let headers: HeaderStore
  /// What was wrong with the former file, when it had to be thrown away.
  public let damage: StorageError?
  private var loaded: StoredChain?

  /// Version 1 had a row for each header. Nothing of it is taken over, but what was learnt of peers.
  static let migrations = [
    """
    CREATE TABLE header (height INTEGER PRIMARY KEY);
    CREATE TABLE base (
      one INTEGER PRIMARY KEY, height INTEGER NOT NULL, work BLOB NOT NULL, sum INTEGER NOT NULL);
    """ + KeyValueStore.schema,
    "DROP TABLE header; DROP TABLE base;" + HeaderStore.schema,
  ]

  /// Opens or makes the file at `path`, and checks every header in it.
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

  /// Whether what cannot be opened is better thrown away. Flipped bits of the schema or of the
  /// file's header come as errors of many kinds; and a later version's cache is of no use either.
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

  /// The headers as they were when this was opened, and lets go of them: a check reads them all, and
  /// whoever goes on from them should not wait for another reading.
  public func takeLoaded() -> StoredChain? {
    let chain = loaded
    loaded = nil
    return chain
  }

  /// Several changes as one commit.
  public func transaction<T>(
    _ body: () throws(StorageError) -> T
  ) throws(StorageError) -> T {
    try database.transaction(body)
  }

  public func values(space: UInt32) -> KeyValueStore { KeyValueStore(database, space: space) }
}
