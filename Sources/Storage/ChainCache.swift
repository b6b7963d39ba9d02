/// The database of what peers can give again: headers, filter headers, what was learnt of peers.
/// When it is damaged it is thrown away. A power cut may take its last commits back.
public final class ChainCache {
  public let database: Database
  public let headers: HeaderStore
  /// What was wrong with the former file, when it had to be thrown away.
  public let damage: StorageError?

  /// Opens or makes the file at `path`, and checks every header in it.
  public init(path: String) throws(StorageError) {
    var damage: StorageError?
    var opened: Database
    do throws(StorageError) {
      opened = try ChainCache.open(path)
    } catch {
      if !error.isDamage { throw error }
      damage = error
      try Database.remove(path: path)
      opened = try ChainCache.open(path)
    }
    database = opened
    headers = HeaderStore(opened)
    self.damage = damage
  }

  private static func open(_ path: String) throws(StorageError) -> Database {
    let database = try Database(
      path: path, durability: .normal, migrations: [HeaderStore.schema + KeyValueStore.schema])
    _ = try HeaderStore(database).load()
    return database
  }

  /// Several changes as one commit.
  public func transaction<T>(
    _ body: () throws(StorageError) -> T
  ) throws(StorageError) -> T {
    try database.transaction(body)
  }

  public func values(space: UInt32) -> KeyValueStore { KeyValueStore(database, space: space) }
}
