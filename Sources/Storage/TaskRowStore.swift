import Bytes

/// Small numbered rows of a contract: a provider's records of a lease's tasks.
public final class TaskRowStore {
  /// Largest row, in bytes.
  public static let bodyLimit = 1_048_576

  /// A row. An empty body means that there is no row.
  public struct Row: Equatable, Sendable {
    public var number: UInt32
    public var body: [UInt8]

    public init(number: UInt32, body: [UInt8]) {
      self.number = number
      self.body = body
    }
  }

  static let schema = """
    CREATE TABLE task (
      contract BLOB NOT NULL, number INTEGER NOT NULL, body BLOB NOT NULL, sum INTEGER NOT NULL,
      PRIMARY KEY (contract, number)) WITHOUT ROWID;
    """

  private let database: Database

  init(_ database: Database) { self.database = database }

  /// Stores rows, replacing those of the same number, and deletes those with an empty body, in one
  /// commit.
  public func apply(_ contract: Bytes32, _ rows: [Row]) throws(StorageError) {
    try database.transaction { () throws(StorageError) in
      for row in rows {
        if row.body.isEmpty { try delete(contract, row.number) } else { try put(contract, row) }
      }
    }
  }

  /// All rows of a contract, in the order of their numbers.
  public func all(_ contract: Bytes32) throws(StorageError) -> [Row] {
    let statement = try database.prepare(
      "SELECT number, body, sum FROM task WHERE contract = ? ORDER BY number")
    try statement.bind(1, contract.array)
    var rows: [Row] = []
    while try statement.step() {
      let number = try statement.u64(0)
      let body = try statement.blob(1, limit: TaskRowStore.bodyLimit)
      guard number <= UInt64(UInt32.max) else { throw damaged(contract) }
      let row = Row(number: UInt32(number), body: body)
      if TaskRowStore.sum(contract, row) != (try statement.u64(2)) { throw damaged(contract) }
      rows.append(row)
    }
    return rows
  }

  public func removeAll(_ contract: Bytes32) throws(StorageError) {
    let statement = try database.prepare("DELETE FROM task WHERE contract = ?")
    try statement.bind(1, contract.array)
    try statement.run()
  }

  private func put(_ contract: Bytes32, _ row: Row) throws(StorageError) {
    if row.body.count > TaskRowStore.bodyLimit {
      throw .tooLarge(bytes: row.body.count, limit: TaskRowStore.bodyLimit)
    }
    let statement = try database.prepare("INSERT OR REPLACE INTO task VALUES (?, ?, ?, ?)")
    try statement.bind(1, contract.array)
    try statement.bind(2, UInt64(row.number))
    try statement.bind(3, row.body)
    try statement.bind(4, TaskRowStore.sum(contract, row))
    try statement.run()
  }

  private func delete(_ contract: Bytes32, _ number: UInt32) throws(StorageError) {
    let statement = try database.prepare("DELETE FROM task WHERE contract = ? AND number = ?")
    try statement.bind(1, contract.array)
    try statement.bind(2, UInt64(number))
    try statement.run()
  }

  private func damaged(_ contract: Bytes32) -> StorageError {
    .damaged(path: database.path, detail: "a task of contract \(contract.hex)")
  }

  private static func sum(_ contract: Bytes32, _ row: Row) -> UInt64 {
    var sum = Checksum()
    sum.add(contract.array)
    sum.add(UInt64(row.number))
    sum.add(row.body)
    return sum.value
  }
}
