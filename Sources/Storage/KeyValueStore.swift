import Bytes

/// Small values by namespace and key, such as settings, bans, and a wallet's birth height.
public final class KeyValueStore {
  /// Largest key and largest value, in bytes.
  public static let keyLimit = 1024
  public static let valueLimit = 4_194_304

  static let schema = """
    CREATE TABLE value (
      space INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, sum INTEGER NOT NULL,
      PRIMARY KEY (space, key)) WITHOUT ROWID;
    """

  private let database: Database
  private let space: UInt64

  /// One namespace of a database; the caller assigns the numbers.
  init(_ database: Database, space: UInt32) {
    self.database = database
    self.space = UInt64(space)
  }

  private func sum(_ key: [UInt8], _ value: [UInt8]) -> UInt64 {
    var sum = Checksum()
    sum.add(space)
    sum.add(key)
    sum.add(value)
    return sum.value
  }

  public func put(_ key: [UInt8], _ value: [UInt8]) throws(StorageError) {
    if key.count > KeyValueStore.keyLimit {
      throw .tooLarge(bytes: key.count, limit: KeyValueStore.keyLimit)
    }
    if value.count > KeyValueStore.valueLimit {
      throw .tooLarge(bytes: value.count, limit: KeyValueStore.valueLimit)
    }
    let statement = try database.prepare("INSERT OR REPLACE INTO value VALUES (?, ?, ?, ?)")
    try statement.bind(1, space)
    try statement.bind(2, key)
    try statement.bind(3, value)
    try statement.bind(4, sum(key, value))
    try statement.run()
  }

  /// Nil when nothing is stored under `key`.
  public func get(_ key: [UInt8]) throws(StorageError) -> [UInt8]? {
    let statement = try database.prepare("SELECT value, sum FROM value WHERE space = ? AND key = ?")
    try statement.bind(1, space)
    try statement.bind(2, key)
    if try !statement.step() { return nil }
    let value = try statement.blob(0, limit: KeyValueStore.valueLimit)
    try check(key, value, try statement.u64(1))
    return value
  }

  public func remove(_ key: [UInt8]) throws(StorageError) {
    let statement = try database.prepare("DELETE FROM value WHERE space = ? AND key = ?")
    try statement.bind(1, space)
    try statement.bind(2, key)
    try statement.run()
  }

  /// All entries of this namespace, by key.
  public func all() throws(StorageError) -> [(key: [UInt8], value: [UInt8])] {
    let statement = try database.prepare(
      "SELECT key, value, sum FROM value WHERE space = ? ORDER BY key")
    try statement.bind(1, space)
    var found: [(key: [UInt8], value: [UInt8])] = []
    while try statement.step() {
      let key = try statement.blob(0, limit: KeyValueStore.keyLimit)
      let value = try statement.blob(1, limit: KeyValueStore.valueLimit)
      try check(key, value, try statement.u64(2))
      found.append((key, value))
    }
    return found
  }

  /// Reads every value of every namespace; throws if one is damaged.
  static func checkAll(_ database: Database) throws(StorageError) {
    let statement = try database.prepare("SELECT DISTINCT space FROM value")
    while try statement.step() {
      let space = UInt32(truncatingIfNeeded: try statement.u64(0))
      _ = try KeyValueStore(database, space: space).all()
    }
  }

  /// Same, for a text key.
  public func put(_ key: String, _ value: [UInt8]) throws(StorageError) {
    try put(Array(key.utf8), value)
  }
  public func get(_ key: String) throws(StorageError) -> [UInt8]? { try get(Array(key.utf8)) }
  public func remove(_ key: String) throws(StorageError) { try remove(Array(key.utf8)) }

  private func check(_ key: [UInt8], _ value: [UInt8], _ stored: UInt64) throws(StorageError) {
    if sum(key, value) != stored {
      throw .damaged(path: database.path, detail: "checksum of a value")
    }
  }
}
