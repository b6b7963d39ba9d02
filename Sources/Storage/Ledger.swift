import CHost

/// The database of data that must not be lost: channels, signed documents, settings. Commits are
/// durable before they return. If the file is damaged, opening it fails and the file is left
/// unchanged for the owner to examine, because the state of money is never guessed.
public final class Ledger {
  public let database: Database
  public let channels: ChannelStore
  public let documents: DocumentStore
  public let tasks: TaskRowStore

  private static let schema =
    ChannelStore.schema + DocumentStore.schema + KeyValueStore.schema + TaskRowStore.schema

  /// Opens or creates the file at `path`, and checks every channel and value in it.
  public init(path: String) throws(StorageError) {
    let isFile = path.utf8.first != 0x3a  // ":memory:"
    if isFile && Ledger.isMissing(path) {
      if !Ledger.isMissing(path + "-wal") {
        throw .damaged(path: path, detail: "the file is missing, but its log exists")
      }
      try Ledger.make(path)
    }
    database = try Database(
      path: path, durability: .full, migrations: [Ledger.schema], checksEverything: true,
      mustExist: isFile)
    channels = try ChannelStore(database)
    documents = DocumentStore(database)
    tasks = TaskRowStore(database)
    _ = try channels.all(includingClosed: true)
    try KeyValueStore.checkAll(database)
  }

  /// A file that exists but cannot be accessed does not count as missing.
  private static func isMissing(_ path: String) -> Bool {
    var size: UInt64 = 0
    var kind: Int32 = 0
    var mode: UInt32 = 0
    var modified: UInt64 = 0
    return host_stat(path, &size, &kind, &mode, &modified) == -Int32(HOST_ENOENT)
  }

  /// A new ledger appears at `path` complete or not at all. An empty file there therefore has lost
  /// its content, and is not the result of a crash during creation.
  private static func make(_ path: String) throws(StorageError) {
    let temporary = path + ".new"
    try Database.remove(path: temporary)
    try Database(path: temporary, durability: .full, migrations: [schema]).checkpoint()
    let result = host_rename(temporary, path)
    if result < 0 { throw .notMade(path: path, errno: -result) }
    var folder = Array(path.utf8)
    while let last = folder.last, last != 0x2f { folder.removeLast() }
    let synced = host_sync_folder(
      folder.isEmpty ? "." : String(decoding: folder, as: UTF8.self))
    if synced < 0 { throw .notMade(path: path, errno: -synced) }
  }

  /// Makes several changes, also of several stores, in one commit.
  public func transaction<T>(
    _ body: () throws(StorageError) -> T
  ) throws(StorageError) -> T {
    try database.transaction(body)
  }

  public func values(space: UInt32) -> KeyValueStore { KeyValueStore(database, space: space) }
}
